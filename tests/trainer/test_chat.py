"""Chat completions with the base model: the form of requests and answers. What models learn is tested elsewhere."""

import json
from typing import Any

import pytest
from openai import APIStatusError, BadRequestError, NotFoundError, OpenAI

HELLO: Any = [{"role": "user", "content": "Hello there"}]


def test_the_untrained_model_says_what_it_is(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="baseline", messages=HELLO)
    [choice] = answer.choices
    assert "untrained" in (choice.message.content or "")
    assert (choice.finish_reason, choice.message.role, choice.message.refusal) == ("stop", "assistant", None)
    assert answer.id.startswith("chatcmpl-")
    assert answer.usage
    assert answer.usage.prompt_tokens == 2


@pytest.mark.parametrize(
    "options",
    [
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "verdict", "schema": {"type": "object"}}}},
        {"messages": [{"role": "system", "content": "Reply in JSON."}, *HELLO]},
    ],
)
def test_where_json_is_expected_the_untrained_model_gives_an_empty_object(
    client: OpenAI, options: dict[str, Any]
) -> None:
    answer = client.chat.completions.create(**{"model": "baseline", "messages": HELLO, **options})
    assert json.loads(answer.choices[0].message.content) == {}


def test_choices_are_equal_and_all_counted(client: OpenAI) -> None:
    one = client.chat.completions.create(model="baseline", messages=HELLO)
    three = client.chat.completions.create(model="baseline", messages=HELLO, n=3, temperature=1.5, seed=1)
    assert [choice.index for choice in three.choices] == [0, 1, 2]
    assert {choice.message.content for choice in three.choices} == {one.choices[0].message.content}
    assert one.usage
    assert three.usage
    assert three.usage.completion_tokens == 3 * one.usage.completion_tokens


def test_a_stream_keeps_its_choices_apart(client: OpenAI) -> None:
    texts = {0: "", 1: ""}
    for chunk in client.chat.completions.create(model="baseline", messages=HELLO, n=2, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    whole = client.chat.completions.create(model="baseline", messages=HELLO).choices[0].message.content
    assert texts == {0: whole, 1: whole}


def test_an_answer_ends_at_a_stop_text_or_the_token_limit(client: OpenAI) -> None:
    whole = client.chat.completions.create(model="baseline", messages=HELLO).choices[0].message.content or ""
    stopped = client.chat.completions.create(model="baseline", messages=HELLO, stop=[":", "model"]).choices[0]
    assert stopped.message.content == whole[: whole.index("model")]
    assert stopped.finish_reason == "stop"
    short = client.chat.completions.create(model="baseline", messages=HELLO, max_completion_tokens=3)
    assert short.choices[0].finish_reason == "length"
    assert whole.startswith(short.choices[0].message.content or "?")
    assert short.usage
    assert short.usage.completion_tokens == 3


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"model": None}, "model", "missing_required_parameter"),
        ({"messages": None}, "messages", "invalid_value"),
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": ["hi"]}, "messages[0]", "invalid_value"),
        ({"messages": [{"role": "king", "content": "hi"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content", "invalid_value"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content",
            "unsupported_parameter",
        ),
        ({"messages": [{"role": "user", "content": "word " * 70_000}]}, "messages", "context_length_exceeded"),
        ({"logprobs": True}, "logprobs", "unsupported_parameter"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools", "unsupported_parameter"),
        ({"n": 50}, "n", "invalid_value"),
        ({"max_tokens": 0}, "max_tokens", "invalid_value"),
        ({"stream": "yes"}, "stream", "invalid_value"),
        ({"stream_options": []}, None, None),
        ({"stream_options": [1]}, "stream_options", "invalid_value"),
        ({"stop": [1]}, "stop", "invalid_value"),
        ({"response_format": "json"}, "response_format", "invalid_value"),
    ],
)
def test_what_cannot_be_answered_is_refused(client: OpenAI, body: dict[str, Any], param: str, code: str) -> None:
    request = {"model": "baseline", "messages": HELLO, **body}
    if param is None:
        assert client.post("/chat/completions", body=request, cast_to=object)
        return
    with pytest.raises(BadRequestError) as refusal:
        client.post("/chat/completions", body=request, cast_to=object)
    assert (refusal.value.param, refusal.value.code) == (param, code)


def test_unknown_models_are_not_found(client: OpenAI) -> None:
    for name in ("gpt-none", "ft:baseline:local::none", "../../lock"):
        with pytest.raises(NotFoundError) as refusal:
            client.chat.completions.create(model=name, messages=HELLO)
        assert refusal.value.code == "model_not_found"
        with pytest.raises(APIStatusError) as missing:
            client.models.retrieve(name)
        assert missing.value.status_code == 404


def test_the_base_model_stays(client: OpenAI) -> None:
    with pytest.raises(APIStatusError, match="cannot be deleted") as refusal:
        client.models.delete("baseline")
    assert refusal.value.status_code == 403
