"""Requests that no client library makes: served cleanly or refused in words, and never half understood."""

import json
import socket
import time
from urllib.parse import urlsplit

import pytest

from .conftest import Wired
from .stub import Stub
from .test_refusing import CHAT, JSON, assert_refused, raw

PICTURE = {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}


def chat(**fields: object) -> bytes:
    return json.dumps({"model": "support", "messages": [{"role": "user", "content": "Hi"}]} | fields).encode()


def speak(wired: Wired, text: bytes, *, half_closes: bool = False) -> bytes:
    """Send bytes as they are; all that comes back until the server closes, or nothing more comes for a second."""
    address = urlsplit(wired.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(text)
        if half_closes:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while data := connection.recv(1 << 16):
                received += data
                connection.settimeout(1)
        except TimeoutError:
            pass
        return received


def post(wired: Wired, *lines: str, body: bytes = CHAT, version: str = "1.1") -> bytes:
    head = [f"POST /v1/chat/completions HTTP/{version}", "host: x", JSON, f"authorization: Bearer {wired.key}"]
    return "\r\n".join([*head, f"content-length: {len(body)}", *lines]).encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(rb'{"model":"support","messages":[{"role":"user","content":"a\u0000b \ud800 c"}]}', id="escapes"),
        pytest.param(chat(messages=[]), id="no messages"),
        pytest.param(chat(messages="text"), id="messages that are no list"),
        pytest.param(chat(messages=[{"role": "owl", "content": 1}, {"content": None}, 7]), id="odd messages"),
        pytest.param(chat(messages=[{"role": "user", "content": "Hi"}] * 20_000), id="20,000 messages"),
        pytest.param(chat(stream="true", max_tokens=-1, temperature="hot"), id="values of other types"),
        pytest.param(chat(tools=[{"function": {"name": f"f{n}"}} for n in range(10_000)]), id="10,000 tools"),
        pytest.param(chat(user="u" * (1 << 20), metadata={"note": "n" * (1 << 20)}), id="a user of a megabyte"),
        pytest.param(chat(tools=[{"function": {"parameters": {"$ref": "#"}}}]), id="a schema that holds itself"),
        pytest.param(chat(messages=[{"role": "user", "content": [PICTURE]}]), id="an address we do not fetch"),
    ],
)  # fmt: skip
def test_what_the_provider_may_judge_reaches_it_as_it_was_sent_and_is_stored(wired: Wired, stub: Stub, body: bytes):
    assert raw(wired, JSON, body=body)[0] == 200
    (seen,) = stub.seen
    served = json.dumps(seen.json["model"]).encode()
    assert served != b'"support"'
    assert seen.body == body.replace(b'"support"', served, 1)
    (call,) = wired.calls()
    assert call.outcome == "completed"
    assert call.is_cleaned == (rb"\ud800" in body)


def test_routing_fields_lead_nowhere_at_any_depth(wired: Wired, stub: Stub):
    routing = {"api_base": "http://evil", "base_url": "http://evil", "user_config": {"model_list": [{"api_key": "k"}]}}
    body = chat(**routing, __proto__={"api_base": "http://evil"}, metadata={"extra_headers": {"host": "evil"}})
    assert raw(wired, JSON, body=body)[0] == 200
    (seen,) = stub.seen
    assert (seen.headers["Host"], seen.headers["Authorization"]) == (f"127.0.0.1:{stub.port}", "Bearer sk-provider")


@pytest.mark.parametrize(
    ("given", "kept"),
    [("run-7.a_B", "run-7.a_B"), ("x" * 5000, "x" * 128), ("a b", ""), ("<script>", ""), ("é", "")],
)
def test_a_caller_s_id_of_the_request_is_kept_when_it_can_be_shown(wired: Wired, given: str, kept: str):
    assert raw(wired, JSON, f"x-request-id: {given}")[0] == 200
    assert wired.calls()[0].client_request_id == kept


def test_the_first_of_two_ids_counts(wired: Wired):
    assert raw(wired, JSON, "x-request-id: first", "x-request-id: second")[0] == 200
    assert wired.calls()[0].client_request_id == "first"


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([f"x-h{n}: {n}" for n in range(2_000)], id="2,000 headers"),
        pytest.param(["x-long: " + "x" * 70_000], id="a header of 70 KB"),
    ],
)
def test_headers_without_measure_are_refused_or_dropped(wired: Wired, stub: Stub, lines: list[str]):
    answer = speak(wired, post(wired, *lines, "connection: close"))
    assert answer.split(b" ")[1] in (b"200", b"400", b"431")
    assert all(not any(name.lower().startswith("x-h") for name in seen.headers) for seen in stub.seen)


def test_a_header_with_an_underscore_is_not_the_one_with_a_hyphen(wired: Wired, stub: Stub):
    assert_refused(raw(wired, JSON, f"authorization_: Bearer {wired.key}", key=None), 401, "missing_api_key", stub)
    assert_refused(raw(wired, "content_type: application/json"), 415, "unsupported_media_type", stub)


@pytest.mark.parametrize("line", ["x-forwarded-for: 6.6.6.6", "x-forwarded-host: evil", "forwarded: host=evil"])
def test_what_a_caller_says_of_itself_is_not_passed_on(wired: Wired, stub: Stub, line: str):
    assert raw(wired, JSON, line)[0] == 200
    (seen,) = stub.seen
    assert line.split(": ")[1] not in str(seen.headers)


def test_an_old_version_of_http_is_answered_and_the_connection_closed(wired: Wired):
    answer = speak(wired, post(wired, version="1.0"))
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"choices"' in answer


def test_two_requests_sent_at_once_are_answered_in_their_order(wired: Wired):
    first, second = chat(messages=[{"role": "user", "content": "One"}]), chat(user="second")
    answer = speak(wired, post(wired, body=first) + post(wired, "connection: close", body=second))
    assert answer.count(b"HTTP/1.1 200") == 2
    assert len(wired.calls(2)) == 2


def test_a_client_that_waits_to_be_told_to_go_on_is_told(wired: Wired):
    head, _, body = post(wired, "expect: 100-continue", "connection: close").partition(b"\r\n\r\n")
    address = urlsplit(wired.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        assert b"HTTP/1.1 200" in connection.recv(1 << 16)


def test_a_wish_for_another_protocol_is_passed_over(wired: Wired):
    lines = ["connection: upgrade", "upgrade: h2c", "http2-settings: AAMAAABkAAQCAAAAAAIAAAAA"]
    assert speak(wired, post(wired, *lines)).startswith((b"HTTP/1.1 200", b"HTTP/1.1 400", b"HTTP/1.1 426"))


def test_a_client_that_closes_its_half_harms_nobody(wired: Wired):
    """Closing the half counts as hanging up: what was under way has an end, and the next is served."""
    answer = speak(wired, post(wired), half_closes=True)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 200")
    assert raw(wired, JSON)[0] == 200
    assert {call.outcome for call in wired.calls()} <= {"completed", "client_gone"}


def test_a_length_beside_pieces_is_refused(wired: Wired, stub: Stub):
    answer = speak(wired, post(wired, "transfer-encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"))
    assert answer.startswith(b"HTTP/1.1 400")
    assert stub.seen == []


def test_a_body_that_never_ends_holds_up_nobody_else(wired: Wired, stub: Stub):
    head = post(wired, body=b"").replace(b"content-length: 0", b"content-length: 1000")
    address = urlsplit(wired.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(head + b'{"model":')
        time.sleep(0.2)
        assert raw(wired, JSON)[0] == 200
        assert len(stub.seen) == 1


@pytest.mark.parametrize("model", ["../../x", "m" * (1 << 20), "\u202e", ""])
def test_a_name_no_model_has_goes_to_the_provider_as_a_name(wired: Wired, stub: Stub, model: str):
    assert raw(wired, JSON, body=chat(model=model))[0] == 200
    (seen,) = stub.seen
    assert (seen.path, seen.json["model"]) == ("/v1/chat/completions", model)
    assert wired.calls()[0].requested_model == model[:200]
