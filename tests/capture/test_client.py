"""The capture client in a program that calls a provider: what it makes of the openai package's calls."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pydantic
import pytest

from curation.client import Capture
from curation.models import LoggedCall
from tests.gateway.conftest import Wired
from tests.gateway.servers import eventually
from tests.gateway.stub import Stub

HELLO = [{"role": "user", "content": "Hello?"}]


class City(pydantic.BaseModel):
    name: str


@pytest.fixture
def capture(wired: Wired) -> Iterator[Capture]:
    capture = Capture(wired.url, wired.key)
    yield capture
    assert capture.flush()
    assert (capture.dropped_count, capture.refused_count) == (0, 0)


@pytest.fixture
def client(capture: Capture, stub: Stub) -> openai.OpenAI:
    return capture.wrap(openai.OpenAI(base_url=stub.url, api_key="sk-provider", max_retries=0, timeout=20))


@pytest.fixture
def async_client(capture: Capture, stub: Stub) -> Callable[[], openai.AsyncOpenAI]:
    return lambda: capture.wrap(openai.AsyncOpenAI(base_url=stub.url, api_key="sk-provider", max_retries=0, timeout=20))


def mode(words: str) -> dict[str, Any]:
    return {"model": "base-1", "messages": HELLO, "extra_headers": {"x-stub": words}}


def test_a_call_is_captured_and_its_answer_is_what_it_was(wired, stub, capture, client):
    completion = client.chat.completions.create(model="base-1", messages=HELLO, temperature=0.5)
    assert isinstance(completion, openai.types.chat.ChatCompletion)
    (call,) = wired.calls()
    assert str(call.pk) == capture.last_call_id
    assert (call.source, call.outcome, call.answer) == ("client", "completed", completion.choices[0].message.content)
    assert json.loads(call.request_body) == {"model": "base-1", "messages": HELLO, "temperature": 0.5}
    assert json.loads(call.response_body) == completion.model_dump(mode="json", exclude_unset=True)
    assert call.prompt_tokens == completion.usage.prompt_tokens
    assert call.duration_ms > 0
    assert call.exchange.response == call.answer
    assert len(stub.seen) == 1


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_response_is_captured_as_a_completion_is(wired, client, is_stream):
    headers = {"x-stub": "response incomplete"}
    response = client.responses.create(model="base-1", input="Hello?", stream=is_stream, extra_headers=headers)
    if is_stream:
        with response:
            assert any(event.type == "response.incomplete" for event in response)
    (call,) = wired.calls()
    assert (call.source, call.endpoint, call.outcome) == ("client", "/v1/responses", "completed")
    assert (call.answer, call.exchange.user_prompt) == ("w0 w1 w2 ", "Hello?")


def test_what_somebody_says_of_the_call_finds_it(wired, capture, client):
    client.chat.completions.create(**mode("ok"))
    capture.feedback(capture.last_call_id, thumb=-1, comment="no", demonstration="Good day!")
    (call,) = wired.calls()
    said = eventually(lambda: wired.project.feedback.filter(call_id=call.pk).first())
    assert (said.thumb, said.comment, said.demonstration) == (-1, "no", "Good day!")


def test_the_programs_own_id_and_tags_do_not_reach_the_provider(wired, stub, client):
    headers = {"X-Curation-Id": "order 17", "x-curation-tags": "web, beta", "x-other": "stays"}
    client.chat.completions.create(model="base-1", messages=HELLO, extra_headers=headers)
    (call,) = wired.calls()
    assert (call.own_id, call.tags) == ("order 17", ["web", "beta"])
    (seen,) = stub.seen
    assert seen.headers["x-other"] == "stays"
    assert not [name for name in seen.headers if name.lower().startswith("x-curation")]


def test_a_stream_is_captured_as_the_program_reads_it(wired, client):
    stream = client.chat.completions.create(**mode("stream 5 done"), stream=True)
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    (call,) = wired.calls()
    assert (call.outcome, call.answer, call.is_stream) == ("completed", "".join(pieces), True)
    assert call.exchange
    assert 0 < call.first_byte_ms <= call.duration_ms


def test_a_stream_that_is_left_early_is_no_whole_answer(wired, client):
    with client.chat.completions.create(**mode("stream 5 done"), stream=True) as stream:
        first = next(stream).choices[0].delta.content
    client.chat.completions.create(**mode("stream 5 done"), stream=True)  # never read at all
    calls = wired.calls(2)
    assert {(call.outcome, call.answer, call.exchange) for call in calls} == {
        ("truncated", first, None),
        ("truncated", None, None),
    }


def test_a_stream_that_breaks_is_captured_up_to_there(wired, client):
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(**mode("stream 3 error"), stream=True))
    (call,) = wired.calls()
    assert call.outcome != LoggedCall.Outcome.COMPLETED
    assert call.answer.count("w") == 3
    assert call.error_code == "APIError"


def test_the_packages_own_helpers_are_captured(wired, client):
    words = json.dumps({"name": "Faro"})
    with client.chat.completions.stream(**mode("stream 4 done")) as stream:
        streamed = stream.get_final_completion().choices[0].message.content
    parsed = client.chat.completions.parse(**mode(f"ok {words}"), response_format=City)
    assert parsed.choices[0].message.parsed == City(name="Faro")
    raw = client.chat.completions.with_raw_response.create(**mode("ok"))
    answer = raw.parse().choices[0].message.content
    assert {call.answer for call in wired.calls(3)} == {streamed, words, answer}


def test_async_calls_and_streams_are_captured(wired, capture, async_client):
    async def program() -> tuple[str, str, str, str | None]:
        async with async_client() as client:
            completion = await client.chat.completions.create(**mode("ok one"))
            call_id = capture.last_call_id
            stream = await client.chat.completions.create(**mode("stream 5 done"), stream=True)
            pieces = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
            async with client.chat.completions.stream(**mode("stream 2 done")) as helper:
                final = await helper.get_final_completion()
        return completion.choices[0].message.content, "".join(pieces), final.choices[0].message.content, call_id

    *answers, call_id = asyncio.run(program())
    calls = wired.calls(3)
    assert {call.answer for call in calls} == set(answers)
    assert all(call.outcome == LoggedCall.Outcome.COMPLETED for call in calls)
    assert call_id == str(next(call.pk for call in calls if call.answer == answers[0]))


def test_an_error_of_the_provider_reaches_the_program_and_the_log(wired, client):
    body = json.dumps({"error": {"message": "too fast", "code": "rate_limit_exceeded"}})
    with pytest.raises(openai.RateLimitError, match="too fast"):
        client.chat.completions.create(**mode(f"raw 429 application/json {body}"))
    (call,) = wired.calls()
    assert (call.outcome, call.status_code, call.error_code) == ("failed", 429, "RateLimitError")
    assert "too fast" in call.response_body
    assert call.exchange is None


def test_what_the_program_changes_afterwards_is_not_what_was_said(wired, client):
    messages: list[Any] = [dict(HELLO[0])]
    message = client.chat.completions.create(model="base-1", messages=messages).choices[0].message
    messages.append(message)  # an object of the package, as programs do
    messages.append({"role": "user", "content": "And then?"})
    client.chat.completions.create(model="base-1", messages=messages)
    messages[0]["content"] = "changed"
    first, second = wired.calls(2)
    assert json.loads(first.request_body)["messages"] == HELLO
    said = json.loads(second.request_body)["messages"]
    assert [each["role"] for each in said] == ["user", "assistant", "user"]
    assert said[0]["content"] == "Hello?"


def test_calls_made_in_any_other_way_are_recorded_by_hand(wired, capture):
    capture.record(request="Where is gate 4?", response="Upstairs.", own_id="order 17", tags=["web"], call_id=None)
    call_id = capture.record(
        request={"model": "m", "messages": HELLO},
        response={"choices": [{"message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}]},
        started_at=1_770_000_000,
        duration_ms=12.5,
    )
    capture.record(
        request={"model": "m", "messages": HELLO}, error="Timeout", call_id="0b8e5f5e-7d0a-4c5e-8f52-3d8f1d5b7a11"
    )
    by_id = {str(call.pk): call for call in wired.calls(3)}
    assert by_id[call_id].duration_ms == 12.5
    assert by_id["0b8e5f5e-7d0a-4c5e-8f52-3d8f1d5b7a11"].error_code == "Timeout"
    assert wired.exchanges.get(user_prompt="Where is gate 4?").response == "Upstairs."


def test_a_client_that_is_wrapped_twice_is_captured_once(wired, capture, client):
    capture.wrap(client).chat.completions.create(**mode("ok"))
    capture.flush()
    assert capture.sent_count == 1
    assert len(wired.calls()) == 1
