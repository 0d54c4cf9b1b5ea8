"""Calls and feedback that applications send in by themselves, over HTTP."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from django.db import DatabaseError, transaction

from curation.models import ApiKey, Feedback, LoggedCall
from tests.gateway.conftest import Wired
from tests.gateway.servers import eventually

KEY = "sk-" + "proj-Ab3dEf6hIj9kLm2nOpQ5rSt8uVwX"


def post(wired: Wired, path: str, content: Any, kind: str = "application/json", key: str = "") -> httpx2.Response:
    body = content if isinstance(content, str | bytes) else json.dumps(content)
    headers = {"authorization": f"Bearer {key or wired.key}", "content-type": kind}
    return httpx2.post(wired.url + path, content=body, headers=headers, timeout=20)


def lines(*records: Any) -> str:
    return "\n".join(record if isinstance(record, str) else json.dumps(record) for record in records)


def a_call(prompt: str = "Where is gate 4?", answer: str = "Upstairs.", **columns: Any) -> dict[str, Any]:
    message = {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
    request = {"model": "gpt-4o", "messages": [{"role": "user", "content": prompt}]}
    return {
        "id": str(uuid.uuid4()),
        "request": request,
        "response": {"model": "gpt-4o-1", "choices": [message]},
    } | columns


def feedback_of(wired: Wired, count: int = 1) -> list[Feedback]:
    query = Feedback.objects.filter(project=wired.project).order_by("said_at", "id")
    eventually(lambda: query.count() >= count)
    return list(query)


def test_a_call_made_elsewhere_is_stored_like_one_through_the_gateway(wired):
    call = a_call(started_at="2026-05-06T07:08:09+00:00", duration_ms=120.5, first_byte_ms=80, status_code=200)
    answer = post(wired, "/calls", call | {"own_id": "order 17", "tags": ["web", "beta"]})
    assert answer.status_code == 200
    assert answer.json() == {"object": "list", "accepted": [call["id"]], "rejected": []}
    (row,) = wired.calls()
    assert str(row.pk) == call["id"]
    assert (row.source, row.outcome, row.answer) == (LoggedCall.Source.CLIENT, "completed", "Upstairs.")
    assert (row.requested_model, row.served_model, row.endpoint) == ("gpt-4o", "gpt-4o-1", "/v1/chat/completions")
    assert (row.own_id, row.tags) == ("order 17", ["web", "beta"])
    assert (row.started_at, row.duration_ms) == (datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC), 120.5)
    assert json.loads(row.request_body) == call["request"]
    assert wired.exchanges.get().user_prompt == "Where is gate 4?"


def test_the_same_call_twice_is_one_call(wired):
    call = a_call()
    for _ in range(2):
        assert post(wired, "/calls", [call, call]).status_code == 200
    post(wired, "/calls", a_call("another"))
    assert len(wired.calls(2)) == 2
    assert wired.exchanges.get(user_prompt="Where is gate 4?").seen_count == 1


def test_the_chunks_of_a_stream_become_an_answer(wired):
    chunks = [{"model": "m", "choices": [{"index": 0, "delta": {"content": piece}}]} for piece in ("Up", "stairs")]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    whole, cut = a_call("whole", response=[*chunks, end]), a_call("cut", response=chunks, is_whole=False)
    post(wired, "/calls", [whole, cut])
    rows = {json.loads(row.request_body)["messages"][0]["content"]: row for row in wired.calls(2)}
    assert (rows["whole"].outcome, rows["whole"].answer, rows["whole"].is_stream) == ("completed", "Upstairs", True)
    assert (rows["cut"].outcome, rows["cut"].answer, rows["cut"].exchange) == ("truncated", "Upstairs", None)


def test_a_failed_call_is_stored_without_an_exchange(wired):
    error = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
    post(wired, "/calls", [a_call(response=error, status_code=429, error="RateLimitError"), a_call(response=None)])
    assert {(row.outcome, row.error_code, row.status_code) for row in wired.calls(2)} == {
        ("failed", "RateLimitError", 429),
        ("failed", "no_answer", None),
    }
    assert not wired.exchanges.exists()


def test_one_bad_line_does_not_keep_the_others_out(wired):
    bad: list[tuple[Any, str]] = [
        ("{not json", "not valid JSON"),
        ('{"request": {}, "request": {}}', "same key twice"),
        ("[1]", "JSON object"),
        ({"request": "Hello"}, "“request”"),
        (a_call(response="Hello"), "“response”"),
        (a_call(response=[1]), "“response”"),
        (a_call(id="seventeen"), "“id” must be a UUID"),
        (a_call(id=17), "“id” must be a UUID"),
        (a_call(status_code=1000), "“status_code”"),
        (a_call(status_code=True), "“status_code”"),
        (a_call(duration_ms=-1), "“duration_ms”"),
        (a_call(duration_ms="1"), "“duration_ms”"),
        (a_call(started_at="yesterday"), "A moment"),
        (a_call(started_at=1e20), "A moment"),
        (a_call(endpoint="x" * 81), "“endpoint”"),
    ]
    good = [a_call("first"), a_call("last")]
    answer = post(wired, "/calls", lines(good[0], *(line for line, _ in bad), good[1]), "application/x-ndjson")
    assert answer.json()["accepted"] == [call["id"] for call in good]
    rejected = answer.json()["rejected"]
    assert [each["index"] for each in rejected] == list(range(1, len(bad) + 1))
    for each, (_line, reason) in zip(rejected, bad, strict=True):
        assert reason in each["message"]
    assert len(wired.calls(2)) == 2


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        ("", "application/json", 400),
        ("[]", "application/json", 400),
        ("\n\n", "application/x-ndjson", 400),
        ("{}", "application/json", 400),
        ("[" * 100_000, "application/json", 400),
        (b"\xff", "application/x-ndjson", 400),
        (json.dumps([{}] * 1001), "application/json", 400),
        ("{}", "text/plain", 415),
        (b" " * (17 << 20), "application/json", 413),
    ],
)
def test_a_body_of_which_nothing_can_be_taken_is_refused_in_words(wired, content, kind, status):
    answer = post(wired, "/calls", content, kind)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_text_no_database_takes_is_cleaned(wired):
    body = json.dumps(a_call()).replace("Where", "\\u0000\\ud800Where")
    assert post(wired, "/calls", body).status_code == 200
    (row,) = wired.calls()
    assert row.exchange.user_prompt == "\ufffd\ufffdWhere is gate 4?"


def test_ids_and_tags_come_with_headers_or_metadata_and_go_no_further(wired, stub, ask):
    client = wired.client(default_headers={"x-curation-id": "order 17", "x-curation-tags": "web, beta ,web,,"})
    ask(client)
    ask(wired.client(), metadata={"curation_id": "order 18", "curation_tags": "batch"})
    assert [(row.own_id, row.tags) for row in wired.calls(2)] == [
        ("order 17", ["web", "beta"]),
        ("order 18", ["batch"]),
    ]
    assert not [name for request in stub.seen for name in request.headers if name.lower().startswith("x-curation")]


def test_feedback_names_a_call_by_either_id(wired):
    call_id = str(uuid.uuid4())
    first = {"call_id": call_id, "thumb": -1, "comment": f"Wrong, see {KEY}", "demonstration": "Downstairs."}
    answer = post(wired, "/feedback", lines(first, {"own_id": "order 17", "score": 0.25}), "application/jsonl")
    assert answer.status_code == 200
    one, other = feedback_of(wired, 2)
    assert [str(one.pk), str(other.pk)] == answer.json()["accepted"]
    assert (str(one.call_id), one.thumb, one.score, one.demonstration) == (call_id, -1, None, "Downstairs.")
    assert (one.comment, one.masked_count) == ("Wrong, see [API key]", 1)
    assert (other.call_id, other.own_id, other.score, other.thumb) == (None, "order 17", 0.25, None)


def test_the_same_feedback_twice_is_one(wired):
    said = {"id": str(uuid.uuid4()), "own_id": "a", "thumb": 1}
    for record in (said, said | {"thumb": -1}, {"own_id": "b", "thumb": 1}):
        post(wired, "/feedback", record)
    assert {(row.own_id, row.thumb) for row in feedback_of(wired, 2)} == {("a", 1), ("b", 1)}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"thumb": 1}, "Name the call"),
        ({"own_id": "a"}, "Say something"),
        ({"own_id": "a", "thumb": 2}, "“thumb”"),
        ({"own_id": "a", "thumb": "up"}, "“thumb”"),
        ({"own_id": "a", "score": "9"}, "“score”"),
        ({"own_id": "a", "comment": 9}, "“comment”"),
        ({"call_id": "a", "thumb": 1}, "“call_id”"),
    ],
)
def test_feedback_that_says_nothing_of_nothing_is_refused(wired, record, reason):
    answer = post(wired, "/feedback", record)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]["message"]


def test_feedback_is_never_changed(wired):
    post(wired, "/feedback", {"own_id": "a", "thumb": 1})
    (row,) = feedback_of(wired)
    with pytest.raises(DatabaseError), transaction.atomic():
        Feedback.objects.filter(pk=row.pk).update(thumb=-1)
    with pytest.raises(DatabaseError), transaction.atomic():
        row.delete()


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [("capture", {"/calls", "/chat/completions"}), ("feedback", {"/feedback"}), ("read", {"/models"})],
)
def test_a_key_is_good_for_its_scopes_alone(wired, scope, allowed):
    _row, key = ApiKey.issue(wired.project, scope, scopes=[scope])
    for path in ("/calls", "/feedback", "/chat/completions"):
        answer = post(wired, path, {"own_id": "a", "thumb": 1, "messages": [], **a_call()}, key=key)
        assert (answer.status_code == 403) == (path not in allowed), path
    answer = httpx2.get(wired.url + "/models", headers={"authorization": f"Bearer {key}"})
    assert (answer.status_code == 403) == ("/models" not in allowed)
    if scope == "read":
        assert post(wired, "/calls", a_call(), key=key).json()["error"]["code"] == "missing_scope"


def test_a_key_that_calls_too_often_is_told_to_wait(wired):
    row, key = ApiKey.issue(wired.project, "slow", requests_per_minute=2)
    assert [post(wired, "/calls", a_call(), key=key).status_code for _ in range(3)] == [200, 200, 429]
    answer = post(wired, "/calls", a_call(), key=key)
    assert 1 <= int(answer.headers["retry-after"]) <= 30
    assert answer.headers["x-ratelimit-limit-requests"] == "2"
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"
    assert post(wired, "/calls", a_call()).status_code == 200  # another key has its own
    row.requests_per_minute = None
    row.save()
    assert post(wired, "/calls", a_call(), key=key).status_code == 200


def test_only_post_opens_these_doors(wired):
    for path in ("/calls", "/feedback"):
        answer = httpx2.get(wired.url + path, headers={"authorization": f"Bearer {wired.key}"})
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
