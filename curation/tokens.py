"""Tokens as OpenAI's models count them, without a network: the ranks are in the repository."""

import gzip
import hashlib
import os
import threading
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import tiktoken
from django.conf import settings

RANKS = Path(__file__).with_name("token_ranks")
# What the chat format adds around the words: OpenAI's own estimate.
PER_MESSAGE, PER_EXAMPLE, ROLE = 3, 3, 1
_lock = threading.Lock()


class Ranks(NamedTuple):
    """The name tiktoken looks for in its cache (the SHA-1 of the address it loads from), and what is in it."""

    file_name: str
    sha256: str


TOKENIZERS = {
    "o200k_base": Ranks(
        "fb374d419588a4632f3f557e76b4b70aebbca790", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
    ),
    "cl100k_base": Ranks(
        "9b5ad71b2ce5302211f9c61530b329a4922fc6a4", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
    ),
}
DEFAULT = "o200k_base"


class RanksDamaged(Exception):
    """The file of ranks in the source folder is not the one that was put there."""


def count_text(text: str, tokenizer: str = DEFAULT) -> int:
    """Tokens of a text; what looks like a special token counts as the letters it is made of."""
    return len(_encoding(tokenizer).encode_ordinary(text))


def count_example(example: dict[str, Any], tokenizer: str = DEFAULT) -> int:
    """Tokens a trainer charges for {"messages": […], "tools": […]}, as OpenAI estimates them."""
    messages = example["messages"]
    encode = _encoding(tokenizer).encode_ordinary
    count = PER_EXAMPLE
    for message in messages:
        count += PER_MESSAGE
        if message.get("role") == "system" and isinstance(message.get("content"), str):
            count += ROLE + _often(message["content"], tokenizer)
        else:
            count += ROLE + sum(len(encode(piece)) for piece in _pieces(message))
    if example.get("tools"):
        count += _often(orjson.dumps(example["tools"]).decode(), tokenizer)
    return count


def count_examples(examples: Sequence[dict[str, Any]]) -> list[tuple[int, ...]]:
    """Tokens of each example by each of TOKENIZERS, in their order."""
    return [tuple(count_example(example, tokenizer) for tokenizer in TOKENIZERS) for example in examples]


@lru_cache(maxsize=256)
def _often(text: str, tokenizer: str) -> int:
    """Of a text that comes back in example after example."""
    return count_text(text, tokenizer)


def _pieces(message: dict[str, Any]) -> Iterable[str]:
    for key, value in message.items():
        if isinstance(value, str) and key != "role":
            yield value
        elif isinstance(value, list):
            yield from (_words(item) for item in value)


def _words(item: Any) -> str:
    if isinstance(item, dict) and isinstance(item.get("text"), str):
        return item["text"]
    return orjson.dumps(item).decode()


def prepare(folder: Path) -> None:
    """Unpack the ranks under the names tiktoken looks for. It deletes a file that is wrong and goes to the network, so
    what is there is checked first. Raises RanksDamaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for tokenizer, ranks in TOKENIZERS.items():
        path = folder / ranks.file_name
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == ranks.sha256:
            continue
        data = gzip.decompress((RANKS / f"{tokenizer}.tiktoken.gz").read_bytes())
        if hashlib.sha256(data).hexdigest() != ranks.sha256:
            raise RanksDamaged(f"The ranks of {tokenizer} in {RANKS} are damaged. Check the source folder out again.")
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_bytes(data)
        temporary.replace(path)


@cache
def _encoding(tokenizer: str) -> tiktoken.Encoding:

    with _lock:
        folder = settings.HOME / "tokens"
        prepare(folder)
        os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)  # read anew at each load
        return tiktoken.get_encoding(tokenizer)
