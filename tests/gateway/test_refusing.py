"""What the gateway refuses by itself: always in words, in OpenAI's shape, and before the provider hears of it."""

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from curation.models import ApiKey

from .conftest import Wired
from .stub import Stub

CHAT = b'{"model":"support","messages":[{"role":"user","content":"Hi"}]}'
JSON = "content-type: application/json"


def raw(wired: Wired, *lines: str, body: bytes = CHAT, line: str = "POST /v1/chat/completions", key: str = "") -> Any:
    """Speaks HTTP by hand; returns the status, the headers as text, and the body."""
    head = [f"{line} HTTP/1.1", "host: x", "connection: close", *lines]
    if not any(one.lower().startswith("authorization") for one in lines) and key is not None:
        head.append(f"authorization: Bearer {key or wired.key}")
    if not any(one.lower().startswith(("content-length", "transfer-encoding")) for one in lines):
        head.append(f"content-length: {len(body)}")
    address = urlsplit(wired.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body)
        received = b""
        while data := connection.recv(1 << 16):
            received += data
    head_bytes, _, rest = received.partition(b"\r\n\r\n")
    return int(head_bytes.split(b" ")[1]), head_bytes.decode("latin-1").lower(), rest


def assert_refused(answer: Any, status: int, code: str, stub: Stub) -> None:
    assert answer[0] == status
    assert "content-type: application/json" in answer[1]
    assert "x-request-id: req_" in answer[1]
    error = json.loads(answer[2])["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
    assert stub.seen == []


@pytest.mark.parametrize(
    "line",
    ["x-none: 1", "authorization: ", "authorization: Bearer", "authorization: Bearer ", "authorization: Basic YTpi"],
)
def test_a_call_without_a_key_is_told_to_send_one(wired: Wired, stub: Stub, line: str):
    answer = raw(wired, JSON, line, key=None)
    assert_refused(answer, 401, "missing_api_key", stub)
    assert "www-authenticate: bearer" in answer[1]


@pytest.mark.parametrize(
    "key",
    ["cur-wrong", "sk-provider", "x" * 60_000, "a\xff", "'; select pg_sleep(9)--", "a, Bearer b"],
)
def test_a_wrong_key_is_refused_and_never_echoed(wired: Wired, stub: Stub, key: str):
    answer = raw(wired, JSON, f"authorization: Bearer {key}")
    assert_refused(answer, 401, "invalid_api_key", stub)
    assert "www-authenticate: bearer" in answer[1]
    assert key[:20].encode("latin-1") not in answer[2]


def test_a_key_in_the_address_is_no_key(wired: Wired, stub: Stub):
    answer = raw(wired, JSON, line=f"POST /v1/chat/completions?api_key={wired.key}", key=None)
    assert_refused(answer, 401, "missing_api_key", stub)


def test_two_authorization_headers_are_refused(wired: Wired, stub: Stub):
    answer = raw(wired, JSON, f"authorization: Bearer {wired.key}", "authorization: Bearer other")
    assert_refused(answer, 400, "invalid_authorization", stub)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_word_bearer_may_be_written_in_any_case(wired: Wired, scheme: str):
    assert raw(wired, JSON, f"authorization: {scheme} {wired.key}")[0] == 200


def test_a_revoked_key_and_the_key_of_an_archived_project_stop_at_once(wired: Wired, stub: Stub):
    second = ApiKey.issue(wired.project, "second")[1]
    assert raw(wired, JSON, key=second)[0] == 200
    wired.project.api_keys.filter(name="second").update(revoked_at=timezone.now())
    stub.seen.clear()
    assert_refused(raw(wired, JSON, key=second), 401, "invalid_api_key", stub)
    wired.project.archived_at = timezone.now()
    wired.project.save()
    assert_refused(raw(wired, JSON), 401, "invalid_api_key", stub)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"1",
        b'{"model":',
        CHAT + b"x",
        b"{} // comment",
        b'{"a":1,}',
        CHAT.decode().encode("utf-16"),
        b"\xef\xbb\xbf" + CHAT,
        b'{"a":"\xff"}',
        b'{"temperature":NaN}',
        b'{"temperature":1e999}',
        b'{"seed":' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"messages":[],"messages":[]}',
    ],
)
def test_a_body_that_is_not_one_clear_json_object_is_refused(wired: Wired, stub: Stub, body: bytes):
    assert_refused(raw(wired, JSON, body=body), 400, "invalid_json", stub)


@pytest.mark.parametrize(
    "line",
    [
        "x-no-type: 1",
        "content-type: text/plain",
        "content-type: multipart/form-data",
        "content-type: application/json; charset=latin-1",
    ],
)
def test_what_is_not_declared_as_json_is_refused(wired: Wired, stub: Stub, line: str):
    assert_refused(raw(wired, line), 415, "unsupported_media_type", stub)


def test_a_compressed_body_is_refused(wired: Wired, stub: Stub):
    assert_refused(raw(wired, JSON, "content-encoding: gzip", body=b"\x1f\x8b"), 415, "unsupported_encoding", stub)


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", 'application/json; charset="UTF-8"']
)
def test_json_may_be_declared_in_every_usual_way(wired: Wired, content_type: str):
    assert raw(wired, f"content-type: {content_type}")[0] == 200


@pytest.mark.parametrize(
    ("line", "status", "code"),
    [
        ("GET /v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE /v1/models/ft:mine", 405, "method_not_allowed"),
        ("PUT /v1/embeddings", 405, "method_not_allowed"),
        ("POST /v1/chat/completions/", 404, "unknown_url"),
        ("POST /v1//chat/completions", 404, "unknown_url"),
        ("POST /v1/../v1/chat/completions", 404, "unknown_url"),
        ("POST /v1/%2e%2e/chat/completions", 404, "unknown_url"),
        ("POST /v1/chat%2fcompletions", 404, "unknown_url"),
        ("POST /v1/", 404, "unknown_url"),
        ("GET /v1/files", 403, "not_allowed"),
        ("POST /v1/fine_tuning/jobs", 403, "not_allowed"),
        ("POST /v1/batches", 403, "not_allowed"),
    ],
)
def test_addresses_and_methods_that_lead_nowhere(wired: Wired, stub: Stub, line: str, status: int, code: str):
    assert_refused(raw(wired, JSON, line=line), status, code, stub)


def chat_of(size: int) -> bytes:
    empty = b'{"model":"support","messages":[{"role":"user","content":""}]}'
    return empty.replace(b'""', b'"' + b"x" * (size - len(empty)) + b'"')


LIMIT = 32 << 20


def test_a_body_at_the_limit_passes_and_one_byte_more_does_not(wired: Wired, stub: Stub):
    assert raw(wired, JSON, body=chat_of(LIMIT))[0] == 200
    stub.seen.clear()
    answer = raw(wired, JSON, body=chat_of(LIMIT + 1))
    assert_refused(answer, 413, "request_too_large", stub)
    assert b"32 MB" in answer[2]


def test_a_large_body_without_a_declared_length_is_refused_too(wired: Wired, stub: Stub):
    block = b"x" * (1 << 20)
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(block), block) for _ in range(40)) + b"0\r\n\r\n"
    assert_refused(raw(wired, JSON, "transfer-encoding: chunked", body=chunked), 413, "request_too_large", stub)


@pytest.mark.parametrize(
    "lines",
    [["content-length: -1"], ["content-length: x"], ["content-length: 10", "content-length: 11"]],
)
def test_a_length_that_cannot_be_is_refused(wired: Wired, stub: Stub, lines: list[str]):
    assert raw(wired, JSON, *lines)[0] == 400
    assert stub.seen == []


def test_the_caller_s_own_routing_fields_lead_nowhere(wired: Wired, stub: Stub):
    body = b'{"model":"support","messages":[],"api_base":"http://evil","extra_headers":{"host":"evil"},"api_key":"k"}'
    assert raw(wired, JSON, body=body)[0] == 200
    (seen,) = stub.seen
    assert seen.headers["Authorization"] == "Bearer sk-provider"
    assert seen.headers["Host"] == f"127.0.0.1:{stub.port}"
