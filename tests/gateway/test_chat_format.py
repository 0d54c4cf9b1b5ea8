"""What is read out of requests and answers, however odd they are."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import chat

SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "And now?"}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not valid JSON"),
        (b'{"a":1', "not valid JSON"),
        (b'{"a":1} x', "not valid JSON"),
        (b'{"a":1,}', "not valid JSON"),
        (b'{"a":1 /* c */}', "not valid JSON"),
        ('{"a":1}'.encode("utf-16"), "not UTF-8"),
        (b'{"a":"\xc0\xaf"}', "not UTF-8"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":-Infinity}', "-Infinity"),
        (b'{"a":1e999}', "too large"),
        (b'{"a":' + b"1" * 5000 + b"}", "too many digits"),
        (b"[" * 100_000, "nested"),
        (b"[" * 65 + b"1" + b"]" * 65, "nested"),
        (b'{"a":{"b":1,"b":2}}', "same key twice"),
    ],
)
def test_json_that_two_readers_could_read_differently_is_refused_in_words(raw: bytes, reason: str):
    with pytest.raises(chat.ChatError, match=reason):
        chat.parse_strict(raw)


def test_what_is_allowed_is_read():
    assert chat.parse_strict(b"[" * 64 + b"]" * 64)
    assert chat.parse_strict('{"é":"\\ud83d\\ude00"}'.encode()) == {"é": "😀"}
    assert chat.parse_strict(b'"\\ud800"') == "\ud800"  # an unpaired surrogate is valid JSON


def test_broken_characters_become_replacement_characters_and_are_counted_as_cleaned():
    assert chat.clean("a\0b\ud800c") == ("a\ufffdb\ufffdc", True)
    assert chat.clean("fine 😀") == ("fine 😀", False)
    assert chat.clean_value([{"a\0": ["\udfff", 1, None]}]) == ([{"a\ufffd": ["\ufffd", 1, None]}], True)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), json_values, max_size=6), st.text(), st.sampled_from([None, 1]), st.booleans())
def test_another_model_changes_nothing_else(body, model, indent, ascii_only):
    body["model"] = "alias"
    raw = json.dumps(body, indent=indent, ensure_ascii=ascii_only).encode()
    spliced = chat.with_model(raw, model)
    assert chat.parse_strict(spliced) == body | {"model": model}
    shared = raw.index(json.dumps("model").encode()) if raw.count(b'"model"') == 1 else 0
    assert spliced[:shared] == raw[:shared]


def test_only_the_model_on_the_top_level_is_replaced():
    raw = b'{"tools": [{"model": "alias"}], "note": "\\"model\\": 1", "mod\\u0065l" : "alias" , "n": 1.10}'
    changed = b'{"tools": [{"model": "alias"}], "note": "\\"model\\": 1", "mod\\u0065l" : "tuned" , "n": 1.10}'
    assert chat.with_model(raw, "tuned") == changed
    assert chat.with_model(b'{"messages": []}', "tuned") == b'{"messages": []}'
    assert chat.with_model(b"{ }", "tuned") == b"{ }"


def test_the_prompt_is_the_last_user_message_and_the_turns_before_it_are_its_context():
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    prompt = chat.split_prompt([SYSTEM, *turns, USER])
    assert (prompt.system, prompt.user_prompt, prompt.earlier) == ("Be brief.", "And now?", turns)
    assert chat.context_digest(prompt.context)
    assert chat.context_digest(chat.split_prompt([SYSTEM, USER]).context) == ""


def test_prompts_that_differ_in_more_than_words_have_different_contexts():
    def context(*messages: chat.Message) -> str:
        return chat.context_digest(chat.split_prompt(list(messages)).context)

    def picture(url: str) -> chat.Message:
        return {"role": "user", "content": [{"type": "text", "text": "And now?"}, {"type": "image_url", "url": url}]}

    call = {"role": "assistant", "tool_calls": [{"id": "1"}]}
    result = {"role": "tool", "tool_call_id": "1", "content": "42"}
    digests = [
        context(USER),
        context({"role": "user", "content": "Hi"}, USER),
        context(picture("a")),
        context(picture("b")),
        context(USER, call, result),
        context(call, result, USER),
    ]
    assert len(set(digests)) == len(digests)
    assert context(SYSTEM, USER) == context({"role": "developer", "content": "Be long."}, USER) == ""


@pytest.mark.parametrize("messages", [[], [SYSTEM], "text", [1], [{"role": "user"}, None]])
def test_messages_without_a_user_message_have_no_prompt(messages):
    with pytest.raises(chat.ChatError):
        chat.split_prompt(messages)


def test_a_training_example_says_the_short_prompt_the_turns_and_the_answer():
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}, USER]
    assert chat.training_messages([SYSTEM, *turns], "Short.", "Yes.") == [
        {"role": "system", "content": "Short."},
        *turns,
        {"role": "assistant", "content": "Yes."},
    ]


def test_a_training_example_keeps_the_captured_prompt_where_there_is_no_short_one():
    developer = {"role": "developer", "content": "Be brief."}
    beginning = {"role": "assistant", "content": "Well"}
    assert chat.training_messages([developer, USER, beginning], "", "Yes.") == [
        SYSTEM,
        USER,
        {"role": "assistant", "content": "Yes."},
    ]


def test_a_training_example_keeps_the_tool_results_the_answer_stands_on():
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    result = {"role": "tool", "tool_call_id": "1", "content": "42"}
    assert chat.training_messages([USER, call, result], "", "It is 42.")[:-1] == [USER, call, result]


def completion(**message: object) -> bytes:
    choices = [
        {"index": 1, "message": {"content": "second"}},
        {"index": 0, "message": message, "finish_reason": "stop"},
    ]
    return json.dumps(
        {"model": "m", "choices": choices, "usage": {"prompt_tokens": 3, "completion_tokens": 2**31}}
    ).encode()


def test_the_answer_is_the_first_choice():
    answer = chat.read_answer(completion(content="Paris"), is_stream=False)
    assert (answer.text, answer.finish_reason, answer.model, answer.is_complete) == ("Paris", "stop", "m", True)
    assert (answer.prompt_tokens, answer.completion_tokens) == (3, None)  # a count the column cannot hold is none


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": ""}, ""),
        ({"content": None, "refusal": "I can't."}, "I can't."),
        ({"content": None, "tool_calls": [{}]}, None),
        ({"content": "", "tool_calls": [{}]}, None),
        (
            {"content": "Wait.", "tool_calls": [{"function": {"name": "f", "arguments": '{"a": "é"}'}}]},
            '{"content": "Wait.", "tool_calls": [{"name": "f", "arguments": {"a": "é"}}]}',
        ),
        (
            {"content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]},
            '{"tool_calls": [{"name": "f", "arguments": "{"}]}',
        ),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "a\nb"),
        ({}, None),
    ],
)
def test_an_answer_without_words_is_none(message, text):
    assert chat.read_answer(completion(**message), is_stream=False).text == text


def test_a_legacy_completion_is_an_answer_too():
    body = b'{"choices":[{"index":0,"text":" Paris","finish_reason":"length"}]}'
    assert chat.read_answer(body, is_stream=False).text == " Paris"
    streamed = b'data: {"choices":[{"index":0,"text":" Pa"}]}\n\ndata: {"choices":[{"index":0,"text":"ris"}]}\n\n'
    assert chat.read_answer(streamed + b"data: [DONE]\n\n", is_stream=True).text == " Paris"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"error":{"code":"rate_limit","type":"t"}}', "rate_limit"),
        (b'{"error":{"code":null,"type":"t"}}', "t"),
        (b'{"error":"no"}', "error"),
        (b"<html>", "invalid_answer"),
        (b"\xff\xfe", "invalid_answer"),
        (b"[" * 100_000, "invalid_answer"),
        (b'{"choices":[]}', "invalid_answer"),
        (b'{"choices":[1,null]}', "invalid_answer"),
        (b'{"choices":7}', "invalid_answer"),
    ],
)
def test_what_is_no_answer_is_named(body: bytes, code: str):
    answer = chat.read_answer(body, is_stream=False)
    assert (answer.text, answer.error_code, answer.is_complete) == (None, code, False)


def chunk(index: int, finish: str | None = None, **delta: object) -> bytes:
    return json.dumps({"choices": [{"index": index, "delta": delta, "finish_reason": finish}]}).encode()


@given(
    pieces=st.lists(st.tuples(st.integers(0, 2), st.text()), max_size=20),
    line_end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    noise=st.sampled_from([b"", b": keep-alive", b"event: message", b"id: 7", b"data: not json", b"data:"]),
    space=st.sampled_from([b"", b" "]),
)
def test_a_stream_is_joined_whatever_its_lines_look_like(pieces, line_end, noise, space):
    datas = [chunk(index, content=text) for index, text in pieces] + [b"[DONE]"]
    blank = line_end * 2
    body = b"".join((noise + blank if noise else b"") + b"data:" + space + data + blank for data in datas)
    answer = chat.read_answer(body, is_stream=True)
    mine = [text for index, text in pieces if index == 0]
    assert answer.text == ("".join(mine) if mine else None)
    assert answer.is_complete


@given(st.lists(st.text(min_size=1), min_size=1, max_size=10), st.data())
def test_a_stream_cut_anywhere_gives_a_beginning_of_the_answer_and_is_not_complete(texts, data):
    whole = b"".join(b"data: " + chunk(0, content=text) + b"\n\n" for text in texts)
    cut = data.draw(st.integers(0, len(whole)))
    answer = chat.read_answer(whole[:cut], is_stream=True)
    assert "".join(texts).startswith(answer.text or "")
    assert not answer.is_complete


@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_at_all_make_reading_fail(body: bytes, is_stream: bool):
    chat.read_answer(body, is_stream)


def sse(*datas: bytes) -> bytes:
    return b"".join(b"data: " + data + b"\n\n" for data in datas)


def test_a_stream_without_its_last_line_is_complete_when_every_choice_has_ended():
    started = [chunk(0, content="a"), chunk(1, content="b"), chunk(0, "stop")]
    assert not chat.read_answer(sse(*started), is_stream=True).is_complete
    assert chat.read_answer(sse(*started, chunk(1, "length")), is_stream=True).is_complete


def test_an_error_in_a_stream_ends_it_as_failed():
    body = sse(chunk(0, content="a"), b'{"error":{"code":"overloaded"}}', b"[DONE]")
    answer = chat.read_answer(body, is_stream=True)
    assert (answer.text, answer.error_code, answer.is_complete) == ("a", "overloaded", False)


def test_usage_in_a_last_piece_without_choices_is_kept():
    body = sse(chunk(0, "stop", content="a"), b'{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1}}')
    answer = chat.read_answer(body, is_stream=True)
    assert (answer.prompt_tokens, answer.completion_tokens, answer.finish_reason) == (9, 1, "stop")


def test_a_stream_of_tool_calls_is_put_together_call_by_call():
    def piece(index: int, **function: str) -> bytes:
        return chunk(0, tool_calls=[{"index": index, "function": function}])

    body = sse(
        chunk(0, role="assistant", content=None), piece(0, name="f", arguments=""), piece(0, arguments='{"a":'),
        piece(1, name="g", arguments=""), piece(0, arguments="1}"), chunk(0, "tool_calls"),
    )  # fmt: skip
    calls = [{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}}]
    assert json.loads(str(chat.read_answer(body, is_stream=True).text)) == {"tool_calls": calls}


def test_a_stream_of_nameless_tool_calls_has_no_words():
    body = sse(chunk(0, role="assistant", content=""), chunk(0, tool_calls=[{"index": 0}]), chunk(0, "tool_calls"))
    answer = chat.read_answer(body, is_stream=True)
    assert (answer.text, answer.finish_reason, answer.is_complete) == (None, "tool_calls", True)
