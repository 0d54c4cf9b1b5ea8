"""Calls of the Responses API are passed on and stored as chat calls are."""

import contextlib
import json
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import responses
from curation.chat import ChatError, split_prompt
from curation.gateway.streaming import LastEvent

from .conftest import Wired
from .stub import Stub, response_event, response_of
from .test_calling import send

ASKED = {"model": "support", "instructions": "Long rules.", "input": "Where is gate 4?"}


def respond(wired: Wired, stub: str = "response", **options: Any) -> Any:
    return wired.client().responses.create(**ASKED, extra_headers={"x-stub": stub}, **options)


def test_a_response_is_passed_on_and_stored(wired: Wired, stub: Stub):
    assert respond(wired).output_text == "w0 w1 w2 "
    assert (stub.seen[0].path, stub.seen[0].json) == ("/v1/responses", ASKED | {"model": "base-1"})
    (call,) = wired.calls()
    assert (call.outcome, call.answer, call.finish_reason, call.endpoint) == (
        "completed",
        "w0 w1 w2 ",
        "stop",
        "/v1/responses",
    )
    assert (call.prompt_tokens, call.completion_tokens) == (7, 3)
    exchange = wired.exchanges.get()
    assert exchange.messages == [
        {"role": "system", "content": "Long rules."},
        {"role": "user", "content": "Where is gate 4?"},
    ]
    assert (exchange.pk, exchange.user_prompt) == (call.exchange_id, "Where is gate 4?")


def test_the_same_question_by_either_api_is_one_exchange(wired: Wired, stub: Stub, ask):
    respond(wired)
    ask(wired.client(), "where is gate 4?")
    assert len({call.exchange_id for call in wired.calls(2)}) == 1


@pytest.mark.parametrize(
    ("end", "outcome", "finish_reason", "error"),
    [
        ("completed", "completed", "stop", ""),
        ("incomplete", "completed", "length", ""),
        ("failed", "failed", "", "server_error"),
        ("error", "failed", "", "overloaded"),
    ],
)
def test_a_client_may_leave_after_the_last_event_of_a_stream(
    wired: Wired, stub: Stub, end, outcome, finish_reason, error
):
    with respond(wired, f"response {end}", stream=True) as stream:
        try:
            for event in stream:
                if event.type in ("response.completed", "response.incomplete", "response.failed"):
                    break
        except openai.APIError:
            assert end == "error"
    (call,) = wired.calls()
    assert (call.outcome, call.answer, call.finish_reason, call.error_code) == (
        outcome,
        "w0 w1 w2 ",
        finish_reason,
        error,
    )
    assert (call.exchange_id is not None) == (outcome == "completed")


def test_a_stream_cut_off_is_stored_with_what_had_come(wired: Wired, stub: Stub):
    with pytest.raises(openai.APIConnectionError):
        list(respond(wired, "response cut", stream=True))
    (call,) = wired.calls()
    assert (call.outcome, call.answer, call.exchange_id) == ("failed", "w0 w1 w2 ", None)


def test_a_refusal_and_what_belongs_to_a_response_arrive_as_they_were_sent(wired: Wired, stub: Stub):
    status, headers, _ = send(
        wired, json.dumps(ASKED).encode(), "/responses", x_stub='raw 429 application/json {"error":{"code":"slow"}}'
    )
    assert (status, headers["retry-after"]) == (429, "7")
    send(wired, b"", "/responses/resp_1")
    assert [(seen.method, seen.path) for seen in stub.seen][1:] == [("GET", "/v1/responses/resp_1")]
    (call,) = wired.calls()
    assert (call.outcome, call.error_code) == ("failed", "slow")


def test_turns_tools_and_pictures_are_said_in_chat_s_words():
    asked = {
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Wait."}]},
            {"type": "reasoning", "summary": []},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "2", "name": "f", "arguments": "[]"},
            {"type": "function_call_output", "call_id": "1", "output": "42"},
            {"type": "function_call_output", "call_id": "2", "output": [{"type": "input_text", "text": "43"}]},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "And this?"},
                    {"type": "input_image", "image_url": "data:x", "detail": "low"},
                    {"type": "input_file", "file_id": "file-1"},
                ],
            },
        ],
        "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": None}, {"type": "web_search"}],
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
    }
    calls = [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "2", "type": "function", "function": {"name": "f", "arguments": "[]"}},
    ]
    assert responses.as_chat(asked) == {
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Wait.", "tool_calls": calls},
            {"role": "tool", "tool_call_id": "1", "content": "42"},
            {"role": "tool", "tool_call_id": "2", "content": "43"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "And this?"},
                    {"type": "image_url", "image_url": {"url": "data:x", "detail": "low"}},
                    {"type": "file", "file": {"file_id": "file-1"}},
                ],
            },
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}, {"type": "web_search"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    }


@pytest.mark.parametrize(
    "asked",
    [
        {"input": "And?", "previous_response_id": "resp_1"},
        {"input": "And?", "conversation": {"id": "conv_1"}},
        {"input": [{"type": "item_reference", "id": "msg_1"}, {"role": "user", "content": "And?"}]},
        {"input": [1]},
        {"input": None},
        {},
        [],
    ],
)
def test_what_chat_could_not_ask_makes_no_row_to_review(asked):
    with pytest.raises(ChatError):
        responses.as_chat(asked)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "role", "content", "input", "text", "output", "format", "tools", "call_id", "error"]
            ),
            inner
            | st.sampled_from(["message", "function_call", "function_call_output", "input_text", "user", "assistant"]),
            max_size=4,
        )
    ),
    max_leaves=25,
)


@given(json_values, st.sampled_from(["response.completed", "response.created", "error", None]), st.booleans())
def test_nothing_odd_makes_reading_fail(value, kind, is_stream):
    with contextlib.suppress(ChatError):
        split_prompt(responses.as_chat({"input": value, "tools": value, "text": value})["messages"])
    body = {"type": kind, "response": value, "error": value, "delta": value}
    text = json.dumps(body if is_stream else value).encode()
    responses.read_answer(b"data: " + text + b"\n\n" if is_stream else text, is_stream)


def answered(**changes: Any) -> Any:
    return responses.read_answer(json.dumps(response_of("m", "Left.") | changes).encode(), is_stream=False)


@pytest.mark.parametrize(
    ("changes", "text", "finish_reason", "error"),
    [
        ({}, "Left.", "stop", ""),
        ({"output": [{"type": "function_call", "name": "f"}]}, None, "tool_calls", ""),
        (
            {"output": [{"type": "function_call", "call_id": "1", "name": "f", "arguments": '{"a":1}'}]},
            '{"tool_calls": [{"name": "f", "arguments": {"a": 1}}]}',
            "tool_calls",
            "",
        ),
        ({"output": [{"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}]}, "No.", "stop", ""),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "Left.", "content_filter", ""),
        ({"status": "queued", "output": []}, None, "queued", ""),
        ({"status": "failed", "error": {"code": "server_error"}}, None, "", "server_error"),
        ({"status": "cancelled"}, None, "", "cancelled"),
        ({"output": None}, None, "", "invalid_answer"),
    ],
)
def test_an_answer_ends_in_chat_s_words(changes, text, finish_reason, error):
    answer = answered(**changes)
    assert (answer.text, answer.finish_reason, answer.error_code) == (text, finish_reason, error)
    assert answer.is_complete == (not error)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("has_names", [True, False])
def test_the_last_event_is_known_however_it_is_split(line_end: bytes, has_names: bool):
    stream = response_event("output_text.delta", delta="\nevent: response.completed\n\n")
    stream += response_event("completed", response=response_of("m", "x" * 300))
    if not has_names:
        stream = b"".join(line for line in stream.splitlines(keepends=True) if not line.startswith(b"event:"))
    stream = stream.replace(b"\n", line_end)
    for size in (1, 7, 64, len(stream)):
        last = LastEvent("/v1/responses")
        pieces = [stream[i : i + size] for i in range(0, len(stream), size)]
        assert [last.is_whole(piece) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
