"""An import as a worker's job: it goes on where it was, stops when told so, and says how it ended."""

import json
import os
import signal
import time

import pytest

from curation.models import Exchange, LoggedCall
from jobs import imports, uploads
from jobs.models import Import
from tests.imports.conftest import chat_line
from tests.machines import drive, forked, step
from tests.provider_stub import refusal

pytestmark = pytest.mark.django_db


def test_nothing_is_stored_before_somebody_says_so(brought):
    upload = brought(chat_line(1))
    assert upload.is_parked
    step(upload)
    assert not LoggedCall.objects.exists()
    assert imports.start(upload)
    assert not imports.start(upload)
    assert drive(upload).status == "succeeded"
    assert LoggedCall.objects.count() == 1


def test_a_long_import_goes_on_turn_by_turn(brought, monkeypatch):
    monkeypatch.setattr(imports, "TURN", 0)
    monkeypatch.setattr(imports, "BATCH_ROWS", 2)
    lines = [chat_line(n % 4) for n in range(9)]
    upload = step(brought(*lines, starts=True))
    assert (upload.status, upload.imported_count, upload.line_number) == ("running", 2, 2)
    assert drive(upload).status == "succeeded"
    assert (upload.imported_count, upload.known_count) == (9, 0)
    assert sorted(Exchange.objects.values_list("seen_count", flat=True)) == [2, 2, 2, 3]
    again = drive(brought(*lines, starts=True))
    assert (again.imported_count, again.known_count) == (0, 9)


@pytest.mark.django_db(transaction=True)
def test_a_killed_worker_loses_nothing_and_doubles_nothing(brought, monkeypatch):
    monkeypatch.setattr(imports, "BATCH_ROWS", 20)
    upload = brought(*[chat_line(n) for n in range(5_000)], starts=True)
    worker = forked(imports.advance, upload.pk)
    deadline = time.monotonic() + 60
    while upload.imported_count < 40 and time.monotonic() < deadline:
        time.sleep(0.01)
        upload.refresh_from_db()
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    upload.refresh_from_db()
    assert 40 <= upload.imported_count < 5_000
    assert LoggedCall.objects.count() == upload.imported_count == upload.line_number
    assert drive(upload).status == "succeeded"
    assert (upload.imported_count, upload.known_count, LoggedCall.objects.count()) == (5_000, 0, 5_000)


def test_a_worker_whose_import_was_taken_over_stores_nothing_more(brought, monkeypatch):
    monkeypatch.setattr(imports, "BATCH_ROWS", 1)
    upload = brought(chat_line(1), chat_line(2), starts=True)
    stored = imports._store

    def overtaken(*words):
        stored(*words)
        Import.objects.filter(pk=upload.pk).update(attempts=7)

    monkeypatch.setattr(imports, "_store", overtaken)
    imports.advance(upload.pk)
    upload.refresh_from_db()
    assert (upload.imported_count, LoggedCall.objects.count()) == (1, 1)
    assert upload.status == "running"


def test_a_cancelled_import_says_what_it_has_stored(brought, monkeypatch):
    monkeypatch.setattr(imports, "TURN", 0)
    monkeypatch.setattr(imports, "BATCH_ROWS", 1)
    upload = step(brought(chat_line(1), chat_line(2), starts=True))
    assert upload.ask_to_cancel()
    assert step(upload).status == "cancelled"
    assert imports.sentence(upload).startswith("Cancelled: 1 imported")


def test_the_file_goes_when_the_import_ends(brought, media, django_capture_on_commit_callbacks):
    upload = brought(chat_line(1), starts=True)
    assert len(list(media.rglob("*.upload"))) == 1
    with django_capture_on_commit_callbacks(execute=True):
        drive(upload)
    assert not list(media.rglob("*.upload"))
    assert not upload.file


def test_a_file_that_is_gone_is_said(brought):
    upload = brought(chat_line(1), starts=True)
    upload.file.storage.delete(upload.file.name)
    assert "Upload it again. Nothing was imported." in drive(upload).error


def test_remarks_are_kept_up_to_a_limit_and_counted_beyond(brought, monkeypatch):
    monkeypatch.setattr(imports, "MOST_REMARKS", 3)
    upload = drive(brought(chat_line(1), *[b"{"] * 5, starts=True))
    assert (upload.refused_count, upload.remarks.count()) == (5, 3)


# Stored completions


def completion(n: int, **more):
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"Answer {n}"}}
    return {
        "id": f"chatcmpl-{n}", "object": "chat.completion", "created": 1_700_000_000 + n, "model": "m-1",
        "choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        "metadata": {"app": "desk"}, **more,
    }  # fmt: skip


def message(n: int):
    return {"id": f"chatcmpl-{n}-0", "role": "user", "content": f"Question {n}", "name": None, "content_parts": None}


@pytest.fixture
def store(stub):
    """The stub has 45 stored completions; the messages of number 7 are gone."""
    kept = [completion(n) for n in range(45)]
    asked = stub.handle

    def handle(method, path, query, body):
        if (method, path) == ("GET", "/chat/completions"):
            ids = [one["id"] for one in kept]
            start = ids.index(query["after"][0]) + 1 if "after" in query else 0
            limit = int(query["limit"][0])
            return 200, {"object": "list", "data": kept[start : start + limit], "has_more": start + limit < len(kept)}
        if path.startswith("/chat/completions/") and path.endswith("/messages"):
            n = int(path.split("/")[3].removeprefix("chatcmpl-"))
            if n == 7:
                return refusal(404, message="gone")
            return 200, {"object": "list", "data": [message(n)], "has_more": False}
        return asked(method, path, query, body)

    stub.handle = handle
    return stub


def test_stored_completions_become_calls_once(project, provider, store):
    upload = drive(uploads.request_stored(project, provider))
    assert (upload.status, upload.imported_count, upload.refused_count) == ("succeeded", 44, 1)
    assert upload.remarks.get().reason == "The provider does not have its messages any more."
    call = LoggedCall.objects.get(answer="Answer 3")
    assert (call.served_model, call.prompt_tokens, call.provider_id) == ("m-1", 3, provider.pk)
    assert call.started_at.timestamp() == 1_700_000_003
    assert json.loads(call.request_body)["messages"] == [{"role": "user", "content": "Question 3"}]
    assert json.loads(call.response_body)["metadata"] == {"app": "desk"}
    again = drive(uploads.request_stored(project, provider))
    assert (again.imported_count, again.known_count) == (0, 44)


def test_a_provider_in_trouble_is_asked_again_where_it_was(project, provider, store):
    store.refuse["GET /chat/completions/chatcmpl-30/messages"] = [refusal(500, message="oops")]
    asked = store.handle

    def handle(method, path, query, body):
        if waiting := store.refuse.get(f"{method} {path}"):
            return waiting.pop(0)
        return asked(method, path, query, body)

    store.handle = handle
    upload = step(uploads.request_stored(project, provider))
    assert (upload.status, upload.imported_count, upload.cursor) == ("running", 19, "chatcmpl-19")
    assert "It is tried again by itself" in imports.sentence(upload)
    assert drive(upload).imported_count == 44


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {"object": "list", "data": [], "has_more": False}), "made with store=true"),
        (refusal(404), "does not know what was asked for. It said: “no” Nothing was imported."),
    ],
)
def test_a_provider_that_stores_nothing_says_so(project, provider, stub, answer, words):
    stub.refuse["GET /chat/completions"] = [answer]
    upload = drive(uploads.request_stored(project, provider))
    assert upload.status == "failed"
    assert words in upload.error
