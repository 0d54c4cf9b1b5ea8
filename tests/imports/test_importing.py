"""Files of past calls: what people have lying about goes in, once, and every line that does not is named."""

import gzip
import json
import tracemalloc
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from curation.models import Exchange, LoggedCall, Project
from jobs import past_files
from tests.imports.conftest import ANSWERED, ASKED, chat_line


def test_a_chat_line_is_a_call_whose_last_message_is_the_answer(importing):
    system = {"role": "system", "content": "Be brief."}
    assert (
        importing({"messages": [system, ASKED, ANSWERED], "tools": []})[0] == "imported 1, already there 0, rejected 0"
    )
    call, exchange = LoggedCall.objects.get(), Exchange.objects.get()
    assert (call.source, call.outcome, call.answer, call.endpoint) == (
        "import",
        "completed",
        "Left.",
        "/v1/chat/completions",
    )
    assert json.loads(call.request_body) == {"messages": [system, ASKED], "tools": []}
    assert (exchange.user_prompt, exchange.response, exchange.messages) == (
        "Where is gate 4?",
        "Left.",
        [system, ASKED],
    )


def test_prompt_and_completion_are_a_legacy_call(importing):
    importing({"prompt": "Say hi ->", "completion": " hi END"})
    exchange, call = Exchange.objects.get(), LoggedCall.objects.get()
    assert (exchange.user_prompt, exchange.response) == ("Say hi ->", " hi END")
    assert (call.endpoint, json.loads(call.request_body)) == ("/v1/completions", {"prompt": "Say hi ->"})


def test_a_logged_call_keeps_its_model_moment_and_tokens(importing):
    response = {
        "created": 1_700_000_000,
        "model": "m-2026",
        "choices": [{"index": 0, "message": ANSWERED, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2},
    }
    importing({"request": {"model": "m", "messages": [ASKED]}, "response": response})
    call = LoggedCall.objects.get()
    assert (call.requested_model, call.served_model, call.started_at.timestamp()) == ("m", "m-2026", 1_700_000_000)
    assert (call.prompt_tokens, call.completion_tokens, call.finish_reason) == (5, 2, "stop")
    assert json.loads(call.response_body) == response


def test_a_logged_error_is_stored_as_a_failed_call(importing):
    importing({"request": {"messages": [ASKED]}, "response": {"error": {"code": "overloaded"}}})
    call = LoggedCall.objects.get()
    assert (call.outcome, call.error_code, call.exchange) == ("failed", "overloaded", None)


def test_lines_of_every_kind_may_be_mixed(importing):
    lines = [
        chat_line(1),
        {"prompt": "a", "completion": "b"},
        {"request": {"messages": [ASKED]}, "response": {"choices": [{"message": ANSWERED}]}},
    ]
    assert importing(*lines)[0] == "imported 3, already there 0, rejected 0"
    assert Exchange.objects.count() == 3


def test_the_same_file_again_adds_nothing_and_a_longer_one_what_is_new(importing):
    lines = [chat_line(n) for n in range(3)]
    assert importing(*lines)[0] == "imported 3, already there 0, rejected 0"
    assert importing(*lines)[0] == "imported 0, already there 3, rejected 0"
    assert importing(chat_line(9), *lines, name="other.jsonl.gz")[0] == "imported 1, already there 3, rejected 0"
    assert LoggedCall.objects.count() == 4
    assert set(Exchange.objects.values_list("seen_count", flat=True)) == {1}


def test_a_line_that_comes_twice_in_a_file_is_two_calls_of_one_exchange(importing):
    assert importing(chat_line(1), chat_line(2), chat_line(1))[0] == "imported 3, already there 0, rejected 0"
    assert importing(chat_line(1), chat_line(1), chat_line(2))[0] == "imported 0, already there 3, rejected 0"
    assert sorted(Exchange.objects.values_list("seen_count", flat=True)) == [1, 2]


def test_each_project_has_its_own_calls(importing, project: Project):
    importing(chat_line(1))
    other = Project.objects.create(slug="other", name="Other")
    project.slug = other.slug
    assert importing(chat_line(1))[0] == "imported 1, already there 0, rejected 0"


BAD = [
    (b"not json", "not valid JSON"),
    (b"{}", "must be an object with"),
    (b"[]", "must be an object with"),
    (b'"text"', "must be an object with"),
    (b'{"messages": "Hi"}', "list of objects"),
    (b'{"messages": ["Hi"]}', "list of objects"),
    (b'{"messages": []}', "last message must be the assistant's"),
    (b'{"messages": [{"role": "user", "content": "Hi"}]}', "last message must be the assistant's"),
    (b'{"prompt": "Hi"}', "must be an object with"),
    (b'{"prompt": ["Hi"], "completion": "x"}', "must both be texts"),
    (b'{"request": {"messages": []}}', "must be objects"),
    (b'{"request": {}, "response": {}}', "neither"),
    (b'{"prompt": "a", "prompt": "b", "completion": "c"}', "same key twice"),
    (b'{"prompt": "a", "completion": NaN}', "NaN"),
    (b'{"prompt": "\xff", "completion": "c"}', "not UTF-8"),
    ("PDF-1.7".encode("utf-16"), "not UTF-8"),
    (b"[" * 100_000, "nested"),
]


@pytest.mark.parametrize(("line", "reason"), BAD)
def test_a_line_that_is_no_call_is_named_and_the_others_are_stored(importing, line: bytes, reason: str):
    out, err = importing(chat_line(1), line, chat_line(2))
    assert out == "imported 2, already there 0, rejected 1"
    assert err.startswith("line 2: ")
    assert reason in err
    assert len(err.splitlines()) == 1


def test_strict_stores_all_or_nothing(importing):
    lines = [chat_line(n) for n in range(700)]
    with pytest.raises(CommandError, match="1 line cannot be read, so nothing was imported"):
        importing(*lines, b"{}", strict=True)
    assert not LoggedCall.objects.exists()
    assert importing(*lines, strict=True)[0] == "imported 700, already there 0, rejected 0"


@pytest.mark.parametrize("content", [b"", b"\n  \n\r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_a_file_without_any_line_is_an_error(importing, content: bytes):
    with pytest.raises(CommandError, match="There is no line in"):
        importing(content)


def test_a_file_without_any_call_is_an_error(importing):
    with pytest.raises(CommandError, match="No line could be read"):
        importing(b'{"prompt": 1, "completion": 2}', b"x")


def test_a_file_that_is_not_there_and_a_project_that_is_not_there_are_named(project: Project, tmp_path: Path):
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_calls", project.slug, str(tmp_path / "none.jsonl"))
    with pytest.raises(CommandError, match=r"Is a directory"):
        call_command("import_calls", project.slug, str(tmp_path))
    with pytest.raises(CommandError, match="no project"):
        call_command("import_calls", "nobody", str(tmp_path))


def test_lines_end_at_a_line_feed_only(importing):
    separators = "a\u2028b\u0085c\x1cd".replace("\x1c", "\\u001c")
    odd = f'{{"prompt": "{separators}", "completion": "x"}}'.encode()
    first = b"\xef\xbb\xbf" + json.dumps(chat_line(1)).encode() + b"\r"
    assert importing(first, b"", odd, b" \t", chat_line(2))[0] == "imported 3, already there 0, rejected 0"
    assert Exchange.objects.filter(user_prompt="a\u2028b\u0085c\x1cd").exists()


def test_odd_characters_are_kept_as_text_and_stored_as_what_a_database_takes(importing):
    importing(b'{"prompt": "a\\u0000\\ud800 \xf0\x9f\x98\x80 <b>", "completion": "\\udfff"}')
    call, exchange = LoggedCall.objects.get(), Exchange.objects.get()
    assert (exchange.user_prompt, exchange.response) == ("a\ufffd\ufffd 😀 <b>", "\ufffd")
    assert call.is_cleaned
    assert json.loads(call.request_body)["prompt"] == "a\0\ud800 😀 <b>"


def test_gzip_is_known_by_its_content_and_may_have_several_members(project: Project, tmp_path: Path):
    path = tmp_path / "calls.txt"
    path.write_bytes(b"".join(gzip.compress(json.dumps(chat_line(n)).encode() + b"\n") for n in range(3)))
    out = StringIO()
    call_command("import_calls", project.slug, str(path), stdout=out)
    assert out.getvalue().startswith("imported 3,")


def test_a_damaged_gzip_file_gives_what_it_has_and_says_where_it_ends(project: Project, tmp_path: Path):
    path = tmp_path / "calls.gz"
    content = "\n".join(json.dumps(chat_line(n)) for n in range(2000)).encode()
    path.write_bytes(gzip.compress(content)[:-200])
    with pytest.raises(CommandError, match="damaged behind line"):
        call_command("import_calls", project.slug, str(path), stdout=StringIO())
    assert 0 < LoggedCall.objects.count() < 2000


def test_a_line_beyond_the_limit_is_rejected_without_being_read_into_memory(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(past_files, "LONGEST_LINE", 1 << 20)
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb") as file:
        file.write(json.dumps(chat_line(1)).encode() + b"\n")
        for _ in range(100):
            file.write(b" " * (1 << 20))
        file.write(b"\n" + json.dumps(chat_line(2)).encode())
    out, err = StringIO(), StringIO()
    tracemalloc.start()
    call_command("import_calls", project.slug, str(path), stdout=out, stderr=err)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert out.getvalue().startswith("imported 2, already there 0, rejected 1")
    assert err.getvalue() == "line 2: The line is longer than 1 MB.\n"
    assert peak < 20 << 20


def test_a_chat_line_without_a_user_is_a_call_but_no_exchange(importing):
    assert importing({"messages": [{"role": "system", "content": "Greet."}, ANSWERED]})[0].startswith("imported 1,")
    assert LoggedCall.objects.get().exchange is None
