"""Streams: every piece at once, and an honest record of how each one ended."""

import json
import socket
import struct
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from .conftest import Wired, wire
from .servers import eventually, running_recorder, running_web
from .stub import Stub


def text_of(pieces: list[Any]) -> str:
    return "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)


@contextmanager
def streaming(wired: Wired, mode: str):
    """A bare connection on which a stream has begun."""
    body = json.dumps({"model": "support", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}).encode()
    address = urlsplit(wired.url)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {wired.key}\r\n"
        f"content-type: application/json\r\nx-stub: {mode}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(head.encode() + body)
        yield connection


def read_until(connection: socket.socket, wanted: bytes, received: bytes = b"") -> bytes:
    while wanted not in received:
        data = connection.recv(1 << 16)
        assert data, received
        received += data
    return received


def test_a_piece_arrives_while_the_provider_still_holds_the_next(wired: Wired, stub: Stub):
    with streaming(wired, "stream 3 hang") as connection:
        assert b"w2 " in read_until(connection, b"w2 ")


def test_a_client_that_leaves_ends_the_provider_s_work_too(wired: Wired, stub: Stub, ask):
    stream = ask(wired.client(), stub="stream 3 hang", stream=True)
    received = [next(stream) for _ in range(3)]
    stream.close()
    eventually(lambda: stub.seen[0].was_cut)
    (call,) = wired.calls()
    assert (call.outcome, call.answer, call.exchange_id, call.status_code) == (
        "client_gone",
        text_of(received),
        None,
        200,
    )


def test_a_client_whose_connection_is_reset_is_noticed(wired: Wired, stub: Stub):
    with streaming(wired, "stream 3 hang") as connection:
        read_until(connection, b"w2 ")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    eventually(lambda: stub.seen[0].was_cut)
    assert wired.calls()[0].outcome == "client_gone"


def test_a_client_that_leaves_before_any_answer_is_noticed(wired: Wired, stub: Stub):
    with streaming(wired, "never"):
        eventually(lambda: stub.seen)
    eventually(lambda: stub.seen[0].was_cut)
    (call,) = wired.calls()
    assert (call.outcome, call.response_body, call.status_code) == ("client_gone", "", None)


def test_a_client_that_stops_reading_at_the_last_event_has_a_complete_call(wired: Wired, stub: Stub):
    with streaming(wired, "stream 3 split") as connection:
        received = read_until(connection, b"[DO")
        assert b"NE]" in read_until(connection, b"NE]", received)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    (call,) = wired.calls()
    assert (call.outcome, call.answer) == ("completed", "w0 w1 w2 ")


def test_a_stream_that_ends_without_its_last_event_is_truncated(wired: Wired, ask):
    assert text_of(list(ask(wired.client(), stub="stream 3 open", stream=True))) == "w0 w1 w2 "
    (call,) = wired.calls()
    assert (call.outcome, call.answer, call.exchange_id) == ("truncated", "w0 w1 w2 ", None)


def test_a_provider_that_breaks_off_breaks_off_for_the_client_too(wired: Wired, ask):
    with pytest.raises((openai.APIConnectionError, openai.APIError, Exception)) as caught:
        list(ask(wired.client(), stub="stream 3 cut", stream=True))
    assert "Timeout" not in type(caught.value).__name__
    (call,) = wired.calls()
    assert (call.outcome, call.error_code, call.answer, call.exchange_id) == (
        "failed",
        "upstream_broke_off",
        "w0 w1 w2 ",
        None,
    )


def test_an_error_within_a_stream_arrives_and_the_call_has_failed(wired: Wired, ask):
    with pytest.raises(openai.APIError):
        list(ask(wired.client(), stub="stream 3 error", stream=True))
    (call,) = wired.calls()
    assert (call.outcome, call.error_code, call.status_code) == ("failed", "overloaded", 200)


def test_a_refusal_instead_of_a_stream_is_read_as_one(wired: Wired, ask):
    with pytest.raises(openai.RateLimitError):
        ask(wired.client(), stub='raw 429 application/json {"error":{"code":"slow_down"}}', stream=True)
    (call,) = wired.calls()
    assert (call.outcome, call.error_code, call.is_stream) == ("failed", "slow_down", True)


def test_a_word_that_looks_like_the_last_event_does_not_end_the_record(wired: Wired, ask):
    """The model may write about the protocol itself."""
    body = 'data: {"choices":[{"index":0,"delta":{"content":"data: [DONE]"}}]}'
    more = 'data: {"choices":[{"index":0,"delta":{"content":" it says"},"finish_reason":"stop"}]}'
    list(ask(wired.client(), stub=f"raw 200 text/event-stream {body}  {more}", stream=True))
    (call,) = wired.calls()
    assert "it says" in call.response_body


def test_deadlines_end_what_never_ends(committed_db: None, stub: Stub, own_home: Path, ask):
    with running_web(own_home, CURATION_GATEWAY_DEADLINE_SECONDS="1.5") as server, running_recorder(own_home):
        wired = wire(stub, server)
        started = time.monotonic()
        with pytest.raises(openai.InternalServerError) as silent:
            ask(wired.client(), stub="never")
        assert (silent.value.status_code, silent.value.code) == (504, "upstream_timeout")
        with pytest.raises(Exception, match=r".*"):
            list(ask(wired.client(), stub="stream 3 trickle", stream=True))
        assert time.monotonic() - started < 15
        first, second = wired.calls(2)
        assert (first.outcome, first.error_code, first.status_code) == ("failed", "upstream_timeout", None)
        assert (second.outcome, second.error_code, second.answer) == ("failed", "upstream_timeout", "w0 w1 w2 ")


def test_a_provider_that_cannot_be_reached_is_a_bad_gateway(wired: Wired, ask):
    for url in ("http://127.0.0.1:9/v1", "http://no-such-host.invalid/v1", "https://127.0.0.1:1/v1"):
        wired.project.providers.update(base_url=url)
        with pytest.raises(openai.InternalServerError) as caught:
            ask(wired.client())
        assert (caught.value.status_code, caught.value.code) == (502, "upstream_unreachable")
    assert {call.error_code for call in wired.calls(3)} == {"upstream_unreachable"}
