"""Who may come in, and the one shape of every refusal."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.trainer.conftest import KEY, Trainer

Answer = tuple[int, dict[str, str], Any]


def send(trainer: Trainer, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
    """Status, headers and decoded JSON of one raw request."""
    place = urlsplit(trainer.base_url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    sent = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, {name: value for name, value in sent.items() if value})
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, json.loads(answer.read())
    connection.close()
    return found


def assert_refused(answer: Answer, status: int, text: str = "") -> None:
    code, headers, body = answer
    assert code == status
    assert headers["content-type"] == "application/json"
    assert headers["x-request-id"].startswith("req_")
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert text in body["error"]["message"]
    assert KEY not in json.dumps(body)


def test_health_needs_no_key_and_says_what_is_here(trainer: Trainer) -> None:
    status, headers, body = send(trainer, "GET", "/health", Authorization="")
    assert (status, body["status"], body["base_models"]) == (200, "ok", ["baseline"])
    assert headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("given", ["", KEY, "Bearer", "Bearer ", f"Basic {KEY}"])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/files", "/v1/nowhere"])
def test_without_a_key_nobody_comes_in(trainer: Trainer, path: str, given: str) -> None:
    assert_refused(send(trainer, "GET", path, Authorization=given), 401, "API key")


@pytest.mark.parametrize("given", ["wrong", KEY[:-1], KEY + "x", f"another-key, {KEY}", "ÿ"])
def test_a_wrong_key_is_refused_and_not_repeated(trainer: Trainer, given: str) -> None:
    answer = send(trainer, "GET", "/v1/models", Authorization=f"Bearer {given}")
    assert_refused(answer, 401, "Incorrect API key provided.")
    assert answer[2]["error"]["code"] == "invalid_api_key"
    assert given not in answer[2]["error"]["message"]


def test_each_of_several_keys_opens(trainer: Trainer) -> None:
    assert send(trainer, "GET", "/v1/models", Authorization="Bearer another-key")[0] == 200


def test_unknown_addresses_and_methods_are_refused_in_the_same_shape(trainer: Trainer) -> None:
    assert_refused(send(trainer, "GET", "/v1/answers"), 404, "Invalid URL (GET /v1/answers)")
    assert_refused(send(trainer, "GET", "/v1/models/"), 404)
    answer = send(trainer, "PUT", "/v1/files")
    assert_refused(answer, 405, "Not allowed to PUT /v1/files")
    assert set(answer[1]["allow"].replace(" ", "").split(",")) >= {"POST"}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/fine_tuning/jobs"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"a": NaN}', b"[" * 50_000])
def test_a_broken_body_is_refused(trainer: Trainer, path: str, body: bytes) -> None:
    assert_refused(send(trainer, "POST", path, body), 400, "JSON")


def test_a_body_that_is_too_large_is_refused_before_and_while_it_comes(trainer: Trainer) -> None:
    size = str(600 * 1024 * 1024)
    for path in ("/v1/files", "/v1/chat/completions"):
        assert_refused(send(trainer, "POST", path, b"{", Content_Length=size), 413, "exceeded")
    place = urlsplit(trainer.base_url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    chunks = (b" " * (1 << 20) for _ in range(18))
    connection.request("POST", "/v1/chat/completions", chunks, {"Authorization": f"Bearer {KEY}"}, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, "exceeded" in json.loads(answer.read())["error"]["message"]) == (413, True)
    connection.close()


def test_a_broken_upload_is_refused(trainer: Trainer) -> None:
    answer = send(trainer, "POST", "/v1/files", b"nothing", Content_Type="multipart/form-data")
    assert_refused(answer, 400)
    answer = send(trainer, "POST", "/v1/files", b"--x\r\nnothing", Content_Type="multipart/form-data; boundary=x")
    assert_refused(answer, 400)
    form = b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n--x--\r\n'
    answer = send(trainer, "POST", "/v1/files", form, Content_Type="multipart/form-data; boundary=x")
    assert_refused(answer, 400, "'file' is a required property")
