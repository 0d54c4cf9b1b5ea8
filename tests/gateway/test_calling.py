"""An application calls with the official client by base_url alone, and everything it did is in the log."""

import asyncio
import gzip
import http.client
import json
import uuid
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from .conftest import Wired, wire
from .servers import Server
from .stub import Stub

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def send(wired: Wired, body: bytes, path: str = "/chat/completions", **headers: str) -> Any:
    """Without a client library in between; returns status, headers and body."""
    every = {"authorization": f"Bearer {wired.key}", "content-type": "application/json"}
    every |= {name.replace("_", "-"): value for name, value in headers.items()}
    address = urlsplit(wired.url)
    with closing(http.client.HTTPConnection(address.netloc, timeout=20)) as connection:
        connection.request("POST" if body else "GET", address.path + path, body or None, every)
        response = connection.getresponse()
        return response.status, response.headers, response.read()


def test_a_chat_call_is_answered_by_the_alias_model_and_stored(wired: Wired, stub: Stub, ask):
    answer = ask(wired.client(), "Where is gate 4?", temperature=0.5)
    assert answer.choices[0].message.content == "Answer of base-1."

    (seen,) = stub.seen
    assert (seen.path, seen.headers["Authorization"]) == ("/v1/chat/completions", "Bearer sk-provider")
    assert (seen.json["model"], seen.json["temperature"]) == ("base-1", 0.5)
    (call,) = wired.calls()
    assert (call.outcome, call.status_code, call.source) == ("completed", 200, "gateway")
    assert (call.requested_model, call.served_model, call.answer) == ("support", "base-1", "Answer of base-1.")
    assert (call.prompt_tokens, call.completion_tokens, call.finish_reason) == (7, 3, "stop")
    assert call.user_agent.startswith("OpenAI/Python")
    assert call.first_byte_ms
    assert call.duration_ms
    assert call.first_byte_ms <= call.duration_ms
    exchange = wired.exchanges.get()
    assert (exchange.pk, exchange.user_prompt, exchange.response) == (
        call.exchange_id,
        "Where is gate 4?",
        "Answer of base-1.",
    )


def test_another_model_name_goes_to_the_default_provider_as_it_is(wired: Wired, stub: Stub, ask):
    assert ask(wired.client(), model="gpt-x").choices[0].message.content == "Answer of gpt-x."
    (call,) = wired.calls()
    assert (call.requested_model, call.served_model) == ("gpt-x", "gpt-x")


def test_only_the_model_changes_in_what_the_provider_gets(wired: Wired, stub: Stub):
    body = (
        '{ "messages":[{"role":"user","content":"\\u0000\\ud800 é \U0001f600"}] ,\r\n "model" :"support","x":1.10,'
        '"model2": "support", "metadata": {"model": "support"}}'
    ).encode()
    send(wired, body)
    assert stub.seen[0].body == body.replace(b'"model" :"support"', b'"model" :"base-1"')
    (call,) = wired.calls()
    assert (call.request_body, call.is_cleaned) == (body.decode(), True)
    assert wired.exchanges.get().user_prompt == "\ufffd\ufffd é \U0001f600"


def test_a_stream_is_passed_on_piece_by_piece_and_joined_in_the_log(wired: Wired, stub: Stub, ask):
    pieces = list(ask(wired.client(), stream=True))
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices) == "w0 w1 w2 w3 w4 "
    (call,) = wired.calls()
    assert (call.answer, call.outcome, call.is_stream, call.finish_reason) == (
        "w0 w1 w2 w3 w4 ",
        "completed",
        True,
        "stop",
    )
    assert (call.prompt_tokens, call.completion_tokens) == (7, 5)
    assert wired.exchanges.get().response == "w0 w1 w2 w3 w4 "


def test_the_async_client_makes_many_calls_at_once(wired: Wired, stub: Stub):
    async def call_all() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=wired.url, api_key=wired.key, max_retries=0) as client:
            return await asyncio.gather(
                *(
                    client.chat.completions.create(
                        model="support", messages=[{"role": "user", "content": f"Question {n % 10}"}]
                    )
                    for n in range(40)
                )
            )

    assert {answer.choices[0].message.content for answer in asyncio.run(call_all())} == {"Answer of base-1."}
    assert len(wired.calls(40)) == len(stub.seen) == 40
    assert set(wired.exchanges.values_list("seen_count", flat=True)) == {4}
    assert wired.exchanges.count() == 10


def test_tool_calls_arrive_and_are_the_answer_that_is_reviewed(wired: Wired, stub: Stub, ask):
    pieces = list(ask(wired.client(), stub="stream 0 tools", stream=True, tools=[TOOL]))
    assert any(piece.choices[0].delta.tool_calls for piece in pieces)
    assert stub.seen[0].json["tools"] == [TOOL]
    (call,) = wired.calls()
    assert (call.outcome, call.finish_reason) == ("completed", "tool_calls")
    assert call.answer == wired.exchanges.get().response == '{"tool_calls": [{"name": "f", "arguments": {}}]}'


def test_two_answers_to_one_prompt_arrive_and_the_first_is_reviewed(wired: Wired, ask):
    answer = ask(wired.client(), n=2)
    assert [choice.message.content for choice in answer.choices] == ["Answer of base-1.", "Answer of base-1.1"]
    wired.calls()
    assert wired.exchanges.get().response == "Answer of base-1."


def test_a_legacy_completion_is_stored(wired: Wired):
    answer = wired.client().completions.create(model="support", prompt="Say hi")
    assert answer.choices[0].text == "Answer of base-1."
    (call,) = wired.calls()
    assert (call.endpoint, call.answer) == ("/v1/completions", "Answer of base-1.")
    assert wired.exchanges.get().user_prompt == "Say hi"


def test_other_addresses_pass_through_and_are_not_stored(wired: Wired, stub: Stub, ask):
    send(
        wired,
        b"any \xff bytes",
        "/audio/speech?x=%20y",
        content_type="application/octet-stream",
        x_stub="raw 200 audio/mpeg ok",
    )
    (seen,) = stub.seen
    assert (seen.path, seen.body) == ("/v1/audio/speech?x=%20y", b"any \xff bytes")
    send(wired, b"", "/models")
    assert (stub.seen[1].method, stub.seen[1].path) == ("GET", "/v1/models")
    ask(wired.client())
    assert len(wired.calls()) == 1


def test_headers_go_both_ways_but_for_those_that_are_nobody_elses_business(wired: Wired, stub: Stub):
    _, headers, _ = send(
        wired,
        b'{"model":"support","messages":[{"role":"user","content":"Hi"}]}',
        x_stainless_retry_count="1",
        cookie="sessionid=mine",
        x_forwarded_for="10.0.0.1",
        connection="close, x-secret-hop",
        x_secret_hop="1",
        x_request_id="my-id.7",
    )
    sent = {name.lower(): value for name, value in stub.seen[0].headers.items()}
    assert sent["x-stainless-retry-count"] == "1"
    assert sent["accept-encoding"] == "identity"
    assert not {"cookie", "x-forwarded-for", "x-secret-hop"} & set(sent)
    assert wired.key not in str(sent)
    assert sent["host"].startswith("127.0.0.1")
    assert (headers["x-request-id"], headers["x-ratelimit-remaining-requests"]) == ("req_1", "99")
    assert "set-cookie" not in headers
    assert len(headers.get_all("date")) == 1
    (call,) = wired.calls()
    assert (str(call.pk), call.client_request_id) == (headers["x-curation-call-id"], "my-id.7")
    assert call.pk.version == uuid.UUID(headers["x-curation-call-id"]).version == 4


@pytest.mark.parametrize(
    ("stub_mode", "error", "code"),
    [
        (
            'raw 429 application/json {"error":{"message":"slow","code":"rate_limit"}}',
            openai.RateLimitError,
            "rate_limit",
        ),
        ("raw 400 application/json " + '{"error":{"code":"bad"}}', openai.BadRequestError, "bad"),
        ("raw 500 text/html <html>oops</html>", openai.InternalServerError, "http_500"),
        ("raw 529 text/plain overloaded", openai.InternalServerError, "http_529"),
    ],
)
def test_a_provider_s_error_arrives_as_it_is_and_is_stored(
    wired: Wired, stub: Stub, ask, stub_mode: str, error: type[openai.APIStatusError], code: str
):
    with pytest.raises(error) as caught:
        ask(wired.client(), stub=stub_mode)
    body = stub_mode.split(" ", 3)[3]
    assert caught.value.response.text == body
    assert (caught.value.response.headers["retry-after"], caught.value.response.headers["x-should-retry"]) == (
        "7",
        "false",
    )
    assert len(stub.seen) == 1  # nobody asked again
    (call,) = wired.calls()
    assert (call.outcome, call.error_code, call.status_code) == ("failed", code, int(stub_mode.split()[1]))
    assert (call.response_body, call.exchange_id) == (body, None)


def test_an_answer_that_is_no_json_arrives_and_is_no_example(wired: Wired, ask):
    with pytest.raises((openai.APIError, json.JSONDecodeError)):
        ask(wired.client(), stub="raw 200 application/json {broken")
    (call,) = wired.calls()
    assert (call.outcome, call.error_code, call.response_body) == ("failed", "invalid_answer", "{broken")


@pytest.mark.parametrize(
    ("stub_mode", "code"),
    [("raw 200 text/html <html>log in</html>", "upstream_not_an_api"), ("redirect /v1/elsewhere", "upstream_redirect")],
)
def test_what_is_no_answer_at_all_is_a_bad_gateway(wired: Wired, stub: Stub, ask, stub_mode: str, code: str):
    with pytest.raises(openai.InternalServerError) as caught:
        ask(wired.client(), stub=stub_mode)
    assert (caught.value.status_code, caught.value.code) == (502, code)
    assert len(stub.seen) == 1  # the redirect was not followed
    (call,) = wired.calls()
    assert (call.outcome, call.error_code) == ("failed", code)
    assert caught.value.response.headers["x-curation-call-id"] == str(call.pk)


def test_an_answer_compressed_against_our_wish_arrives_and_is_stored_readable(wired: Wired):
    body = b'{"model":"support","messages":[{"role":"user","content":"Hi"}]}'
    _, headers, received = send(wired, body, x_stub="gzip")
    assert headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(received))["choices"]
    (call,) = wired.calls()
    assert (call.answer, call.outcome) == ("Answer of base-1.", "completed")


def test_a_huge_answer_arrives_whole_and_its_copy_is_cut(wired: Wired):
    body = b'{"model":"support","messages":[{"role":"user","content":"Hi"}]}'
    _, _, received = send(wired, body, x_stub="large 18")
    assert len(received) == (18 << 20) + len(b'{"choices":[]}')
    (call,) = wired.calls()
    assert (call.outcome, call.error_code, call.exchange_id) == ("completed", "answer_too_long_to_keep", None)
    assert len(call.response_body) == 16 << 20


def test_a_project_without_any_provider_says_so(wired: Wired, ask):
    wired.project.default_provider = None
    wired.project.save()
    wired.project.aliases.all().delete()
    with pytest.raises(openai.NotFoundError) as caught:
        ask(wired.client())
    assert caught.value.code == "model_not_found"


def test_each_key_calls_its_own_project(wired: Wired, stub: Stub, shared_gateway: Server, ask):
    other = wire(stub, shared_gateway)
    other.project.aliases.update(name="other", model="base-2")
    assert ask(other.client(), model="other").choices[0].message.content == "Answer of base-2."
    assert ask(wired.client(), model="other").choices[0].message.content == "Answer of other."  # no alias of this one
    assert ([call.served_model for call in other.calls()], len(wired.calls())) == (["base-2"], 1)
