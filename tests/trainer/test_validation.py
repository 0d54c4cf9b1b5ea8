"""The rules for one example, one by one, and for whatever else a line may hold."""

import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.trainer.validation import Broken, check_example, parse_line

USER = {"role": "user", "content": "How far is it to Graz?"}
ASSISTANT = {"role": "assistant", "content": "200 km"}
TOOL = {"type": "function", "function": {"name": "distance", "parameters": {}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "distance", "arguments": '{"to": "Graz"}'}}
CALLING = {"role": "assistant", "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "200"}


def talk(*turns: Any, **others: Any) -> dict[str, Any]:
    return {"messages": list(turns), **others}


@pytest.mark.parametrize(
    "example",
    [
        talk(USER, ASSISTANT),
        talk({"role": "system", "content": "Be short."}, USER, ASSISTANT),
        talk(USER, ASSISTANT, tools=None, functions={}),
        talk(USER, {**ASSISTANT, "weight": 0}, USER, {**ASSISTANT, "weight": 1}),
        talk(USER, {**ASSISTANT, "name": "guide"}, parallel_tool_calls=False, tools=[]),
        talk({"role": "user", "content": [{"type": "text", "text": "How far?"}]}, ASSISTANT),
        talk(USER, {"role": "assistant", "content": None, "refusal": "No."}),
        talk(USER, CALLING, RESULT, ASSISTANT, tools=[TOOL]),
        talk(USER, CALLING, tools=[TOOL]),
        talk(
            USER,
            {"role": "assistant", "function_call": {"name": "distance", "arguments": "{}"}},
            {"role": "function", "name": "distance", "content": "200"},
            ASSISTANT,
            functions=[{"name": "distance"}],
        ),
    ],
)
def test_good_examples_pass(example: dict[str, Any]) -> None:
    check_example(example)


@pytest.mark.parametrize(
    ("example", "text"),
    [
        ({}, "missing key 'messages'"),
        ({"prompt": "a", "completion": "b"}, "unexpected key 'completion'"),
        ({"messages": "hi"}, "'messages' must be a list"),
        (talk("hi"), "message 1: must be a JSON object"),
        (talk(USER), "the last message must be from the assistant"),
        (talk({**USER, "role": "developer"}, ASSISTANT), "message 1: role 'developer' is not one of"),
        (talk({**USER, "role": ["user"]}, ASSISTANT), "message 1: role"),
        (talk({**USER, "weight": 1}, ASSISTANT), "only assistant messages may have a weight"),
        (talk(USER, {**ASSISTANT, "weight": 0.5}), "message 2: weight must be 0 or 1"),
        (talk(USER, {**ASSISTANT, "weight": True}), "message 2: weight must be 0 or 1"),
        (talk(USER, {**ASSISTANT, "score": 1}), "message 2: unexpected key 'score'"),
        (talk(USER, {"role": "assistant", "content": None}), "message 2: content is missing"),
        (talk({"role": "user"}, ASSISTANT), "message 1: content is missing"),
        (talk({"role": "user", "content": 3}, ASSISTANT), "message 1: content must be a string"),
        (talk({"role": "user", "content": [{"type": "image_url"}]}, ASSISTANT), "must be of type text"),
        (talk({"role": "user", "content": ["x"]}, ASSISTANT), "must be of type text"),
        (talk({**USER, "name": 3}, ASSISTANT), "name must be a string"),
        (talk({**USER, "name": "<|im_start|>"}, ASSISTANT), "invalid token <|im_start|>"),
        (talk({**USER, "content": "a <|fim_suffix|> b"}, ASSISTANT), "invalid token <|fim_suffix|>"),
        (talk({**USER, "content": "word " * 70_000}, ASSISTANT), "holds 70003 tokens"),
        (talk(USER, CALLING, RESULT, ASSISTANT), "calls 'distance', which is not among the tools"),
        (talk(USER, CALLING, ASSISTANT, tools=[TOOL]), "message 3: a tool call before it has no answer"),
        (talk(USER, RESULT, ASSISTANT), "message 2: tool_call_id answers no open call"),
        (talk(USER, {**ASSISTANT, "tool_calls": "x"}), "tool_calls must be a list of objects"),
        (talk(USER, {**ASSISTANT, "tool_calls": [{"function": {}}]}), "a call needs a function with a name"),
        (
            talk(USER, {**ASSISTANT, "tool_calls": [{**CALL, "function": {"name": "distance", "arguments": {}}}]}),
            "arguments must be a JSON string",
        ),
        (talk({**USER, "tool_calls": [CALL]}, ASSISTANT, tools=[TOOL]), "only assistant messages may call tools"),
        (talk(USER, ASSISTANT, tools="x"), "'tools' must be a list"),
        (talk(USER, ASSISTANT, tools=[{"type": "function"}]), "each of 'tools' needs a function with a name"),
    ],
)
def test_bad_examples_are_refused_with_the_place(example: dict[str, Any], text: str) -> None:
    with pytest.raises(Broken) as broken:
        check_example(example)
    assert text in broken.value.message
    assert broken.value.code in ("invalid_file_format", "invalid_training_file")


def test_a_hostile_key_is_shown_on_one_short_line() -> None:
    with pytest.raises(Broken) as broken:
        check_example({"messages": [], "<script>\n" * 1000: 1})
    assert len(broken.value.message) < 200
    assert "\n" not in broken.value.message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=10,
)
keys = st.sampled_from(["role", "content", "weight", "name", "tool_calls", "tool_call_id", "function_call", "refusal"])
likely_values = st.sampled_from(["user", "assistant", "tool", "system", [CALL], [], 0, 1, None]) | json_values
likely_messages = st.dictionaries(keys, likely_values, max_size=5) | st.sampled_from([USER, ASSISTANT, CALLING, RESULT])


def complaint(check: Callable[..., object], *arguments: Any) -> Broken | None:
    """What `check` refuses with; None when it passes."""
    try:
        check(*arguments)
    except Broken as broken:
        return broken
    return None


@given(st.lists(likely_messages, max_size=5), likely_values)
def test_any_messages_pass_or_are_refused_in_words(messages: list[Any], tools: Any) -> None:
    broken = complaint(check_example, {"messages": messages, "tools": tools})
    if broken:
        assert broken.message
    else:
        assert messages[-1]["role"] == "assistant"
        assert all(
            isinstance(message.get("content"), str | list) or message["role"] == "assistant" for message in messages
        )


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_line_is_an_object_or_is_refused(line: bytes) -> None:
    broken = complaint(parse_line, line, 1)
    if broken:
        assert broken.code == "invalid_file_format"
    else:
        assert isinstance(orjson.loads(line), dict)
