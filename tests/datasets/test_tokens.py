"""Tokens are counted without a network, and the same as OpenAI counts them."""

import gzip
import os
import subprocess
import sys

import pytest

from curation import tokens

OFFLINE = """
import socket

def refuse(*arguments, **options):
    raise AssertionError("a socket was opened")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import django
django.setup()
from curation import tokens
print([tokens.count_text("Where is gate 4? Kui kaua läheb?<|endoftext|>", name) for name in tokens.TOKENIZERS])
"""


def count_offline(home) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CURATION_HOME": str(home), "DJANGO_SETTINGS_MODULE": "curation.settings"}
    return subprocess.run([sys.executable, "-c", OFFLINE], env=environment, capture_output=True, text=True, timeout=60)


def test_a_fresh_installation_counts_with_sockets_blocked(tmp_path):
    done = count_offline(tmp_path)
    assert done.stdout.split() == ["[17,", "21]"], done.stderr


def test_a_damaged_cache_is_mended_instead_of_loaded_from_the_network(tmp_path):
    tokens.prepare(tmp_path / "tokens")
    path = tmp_path / "tokens" / tokens.TOKENIZERS["o200k_base"].file_name
    path.write_bytes(path.read_bytes()[:1000])
    assert count_offline(tmp_path).returncode == 0
    assert path.stat().st_size > 3_000_000


def test_a_damaged_source_folder_is_said(tmp_path, monkeypatch):
    for name in tokens.TOKENIZERS:
        (tmp_path / f"{name}.tiktoken.gz").write_bytes(gzip.compress(b"IQ== 0\n"))
    monkeypatch.setattr(tokens, "RANKS", tmp_path)
    with pytest.raises(tokens.RanksDamaged, match="Check the source folder out again"):
        tokens.prepare(tmp_path / "cache")


def test_what_looks_like_a_special_token_is_counted_as_its_letters():
    assert tokens.count_text("<|endoftext|>") > 1


def test_an_example_counts_its_words_its_tools_and_what_the_format_adds():
    messages = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
    plain = tokens.count_example({"messages": messages})
    assert plain == 4 + 2 * tokens.PER_MESSAGE + tokens.PER_EXAMPLE
    assert tokens.count_example({"messages": messages, "tools": [{"type": "function"}]}) > plain
