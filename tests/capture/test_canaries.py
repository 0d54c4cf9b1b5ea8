"""No secret that was said anywhere is found anywhere afterwards: not in a table, not in a file, not in a log."""

import json
import uuid
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from django.apps import apps
from django.db import connection

from curation.gateway.frames import Kind, encode
from curation.models import Feedback, LoggedCall
from tests.gateway.conftest import Wired, wire
from tests.gateway.servers import record_once, running_web
from tests.gateway.stub import Stub

CARD, PASSWORD = "4111 1111 1111 1111", "hunter2hunter2"
KEY = "sk-" + "proj-Ab3dEf6hIj9kLm2nOpQ5rSt8uVwX"
CANARIES = (CARD, PASSWORD, KEY, CARD.replace(" ", ""))
SECRET = f"card {CARD}, key {KEY}, redis://:{PASSWORD}@cache/0"


def everything_stored() -> str:
    texts = []
    with connection.cursor() as cursor:
        for model in apps.get_models():
            cursor.execute(f'SELECT t::text FROM "{model._meta.db_table}" t')
            texts += [row[0] for row in cursor.fetchall()]
    return "\n".join(texts)


def everything_written(home: Path) -> str:
    return "\n".join(path.read_bytes().decode("latin-1") for path in home.rglob("*") if path.is_file())


def send_everywhere(wired: Wired, stub: Stub) -> None:
    client = wired.client()
    said: dict[str, Any] = {"model": "support", "messages": [{"role": "user", "content": SECRET}]}
    said |= {"metadata": {"curation_id": KEY, "curation_tags": f"a,{KEY}"}}
    client.chat.completions.create(**said)
    client.chat.completions.create(**said, extra_headers={"x-stub": f"ok {SECRET}", "user-agent": f"x {KEY}"})
    error = json.dumps({"error": {"message": SECRET, "code": KEY}})
    for answer in (
        f"raw 429 application/json {error}",
        f"raw 500 text/plain {SECRET}",
        "redirect http://other.example/",
    ):
        with pytest.raises(openai.APIError):
            client.chat.completions.create(**said, extra_headers={"x-stub": answer})
    list(client.chat.completions.create(**said, stream=True))
    headers = {"authorization": f"Bearer {wired.key}"}
    call = {"request": said, "response": {"choices": [{"message": {"content": SECRET}, "finish_reason": "stop"}]}}
    chunks = [{"choices": [{"index": 0, "delta": {"content": SECRET[at : at + 3]}}]} for at in range(0, len(SECRET), 3)]
    records = [call | {"own_id": KEY, "tags": [KEY], "error": KEY}, {"request": said, "response": chunks}]
    assert httpx2.post(f"{wired.url}/calls", json=records, headers=headers).status_code == 200
    said_of_it = {"own_id": f"x {KEY}", "comment": SECRET, "demonstration": SECRET}
    assert httpx2.post(f"{wired.url}/feedback", json=said_of_it, headers=headers).status_code == 200
    for content in (SECRET, json.dumps([SECRET]), json.dumps({"request": SECRET})):
        answer = httpx2.post(
            f"{wired.url}/calls", content=content, headers=headers | {"content-type": "application/json"}
        )
        assert answer.status_code == 400
        assert KEY not in answer.text


def write_what_no_table_takes(spool: Path) -> list[uuid.UUID]:
    """A call cut into pieces, a call sent in and feedback, of a project that is none."""
    ids = [uuid.uuid4() for _ in range(3)]
    facts = {"project": 0, "key": None, "provider": None, "endpoint": "/v1/chat/completions", "requested_model": KEY}
    facts |= {"served_model": "", "is_stream": False, "client_request_id": "", "user_agent": "", "started_at": 1.7e9}
    request = json.dumps({"messages": [{"role": "user", "content": SECRET}]}).encode()
    said = {"call_id": None, "own_id": "a", "thumb": 1, "score": None, "comment": SECRET, "demonstration": ""}
    frames = [
        encode(Kind.INTENT, ids[0], facts, request),
        encode(Kind.PART, ids[0], {"status": 200}, b'{"choices": [{"message": {"content": "4111 11'),
        encode(Kind.COMPLETION, ids[0], {"duration_ms": 1.0}, b'11 1111 1111"}}]}'),
        encode(Kind.POSTED, ids[1], facts | {"request_bytes": len(request)}, request + request),
        encode(Kind.FEEDBACK, ids[2], {"project": 0, "key": None}, json.dumps(said | {"said_at": 1.7e9}).encode()),
    ]
    (spool / "00000000000000000001-1-aaaaaaaa.000001.segment").write_bytes(b"".join(frames))
    return ids


@pytest.fixture
def own_wired(committed_db: None, stub: Stub, own_home: Path) -> Wired:
    with running_web(own_home) as server:
        wired = wire(stub, server)
        send_everywhere(wired, stub)
    return wired


def test_no_canary_is_found_anywhere(own_wired, own_home):
    assert any(canary in everything_written(own_home / "spool") for canary in CANARIES), "the search finds nothing"
    merged = record_once(own_home)
    stored, written = everything_stored(), everything_written(own_home) + merged.stdout + merged.stderr
    for canary in CANARIES:
        assert canary not in stored
        assert canary not in written
    calls = LoggedCall.objects.filter(project=own_wired.project)
    assert calls.count() == 8
    assert not calls.filter(masked_count=0).exists()
    assert Feedback.objects.get(project=own_wired.project).masked_count == 7


def test_what_no_table_takes_is_kept_masked_and_can_be_put_back(own_wired, own_home):
    spool = own_home / "spool"
    ids = write_what_no_table_takes(spool)
    merged = record_once(own_home)
    assert merged.returncode == 0
    rejected = spool / "rejected"
    assert sorted(path.name.partition(".")[0] for path in rejected.glob("*.segment")) == sorted(map(str, ids))
    assert [path for path in rejected.iterdir() if path.stat().st_mode & 0o077] == []
    written = everything_written(own_home) + merged.stdout + merged.stderr
    assert not [canary for canary in CANARIES if canary in written]
    assert written.count("[card number]") >= 4
    assert "23503" in written  # the reason: there is no such project

    for path in rejected.glob("*.segment"):
        raw = path.read_bytes()
        path.rename(spool / path.name)
        assert record_once(own_home).returncode == 0
        assert (rejected / path.name).read_bytes() == raw  # masked already: the same again
