"""The recorder: what is in the spool gets into the table, whatever else is in there."""

import signal
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection

from curation import recording
from curation.gateway import merging
from curation.gateway.frames import Kind, encode
from curation.gateway.merging import Merger, Stopped
from curation.models import Exchange, LoggedCall, Project, SearchText
from curation.projects import create_project

from .proxy import proxy_before_postgres
from .servers import ROOT, environment, eventually, record_once, running_recorder

REQUEST = b'{"messages":[{"role":"user","content":"Question %d"}]}'
ANSWER = b'{"choices":[{"index":0,"message":{"content":"Answer"}}]}'


def facts(owner: Project, /, **changes: Any) -> dict[str, Any]:
    return {
        "project": owner.pk,
        "key": None,
        "provider": None,
        "endpoint": "/v1/chat/completions",
        "requested_model": "support",
        "served_model": "m-1",
        "is_stream": False,
        "client_request_id": "",
        "user_agent": "test",
        "started_at": 1_700_000_000.5,
    } | changes


def put(folder: Path, *records: bytes, name: str = "w.000001.segment") -> Path:
    """A segment of a writer that is gone."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(b"".join(records))
    return path


def call(owner: Project, n: int = 0, /, call_id: uuid.UUID | None = None, **changes: Any) -> bytes:
    call_id = call_id or uuid.uuid4()
    begin = encode(Kind.INTENT, call_id, facts(owner, **changes), REQUEST % n)
    return begin + encode(Kind.COMPLETION, call_id, {"status": 200, "duration_ms": 5.0}, ANSWER)


def merge(folder: Path) -> Merger:
    merger = Merger(folder, threading.Event())
    merger.run_once()
    return merger


def test_a_spool_is_merged_and_removed(project: Project, tmp_path: Path):
    put(tmp_path, *(call(project, n) for n in range(1200)))
    assert merge(tmp_path).stored_count == LoggedCall.objects.count() == Exchange.objects.count() == 1200
    assert list(tmp_path.iterdir()) == []


def test_an_answer_in_parts_is_put_together(project: Project, tmp_path: Path):
    call_id = uuid.uuid4()
    put(
        tmp_path,
        encode(Kind.INTENT, call_id, facts(project), REQUEST % 1),
        call(project, 2),
        encode(Kind.PART, call_id, {"status": 200, "first_byte_ms": 3.0}, ANSWER[:10]),
        encode(Kind.PART, call_id, {}, ANSWER[10:20]),
        name="w.000001.segment",
    )
    put(tmp_path, encode(Kind.COMPLETION, call_id, {"duration_ms": 9.0}, ANSWER[20:]), name="w.000002.segment")
    merge(tmp_path)
    stored = LoggedCall.objects.get(pk=call_id)
    assert (stored.outcome, stored.answer, stored.first_byte_ms, stored.duration_ms) == (
        "completed",
        "Answer",
        3.0,
        9.0,
    )
    assert stored.started_at.timestamp() == 1_700_000_000.5


def test_a_call_whose_writer_is_gone_without_an_end_was_interrupted(project: Project, tmp_path: Path):
    call_id = uuid.uuid4()
    begin = encode(Kind.INTENT, call_id, facts(project), REQUEST % 1)
    put(tmp_path, begin, encode(Kind.PART, call_id, {"status": 200}, ANSWER[:10]), ANSWER)
    merge(tmp_path)
    stored = LoggedCall.objects.get()
    assert (stored.outcome, stored.response_body, stored.exchange) == ("interrupted", ANSWER[:10].decode(), None)
    assert list(tmp_path.iterdir()) == []


def test_a_spool_merged_before_adds_nothing(project: Project, tmp_path: Path):
    records = [call(project, n) for n in range(3)]
    put(tmp_path, *records)
    merge(tmp_path)
    put(tmp_path, *records, name="again.000001.segment")
    merge(tmp_path)
    assert LoggedCall.objects.count() == 3
    assert set(Exchange.objects.values_list("seen_count", flat=True)) == {1}


def test_the_end_of_a_call_whose_beginning_was_removed_is_passed_over(project: Project, tmp_path: Path):
    put(tmp_path, encode(Kind.COMPLETION, uuid.uuid4(), {"status": 200}, ANSWER), call(project))
    assert merge(tmp_path).stored_count == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "changes",
    [
        {"project": 10**9},
        {"project": "x"},
        {"started_at": "yesterday"},
        {"started_at": 1e300},
        {"user_agent": None},
        {"endpoint": 7},
    ],
)
def test_calls_that_cannot_be_stored_are_set_aside_and_the_others_are_stored(
    project: Project, tmp_path: Path, changes: dict[str, Any]
):
    bad = [uuid.uuid4(), uuid.uuid4()]
    records = [call(project, n) for n in range(21)]
    records[3:3] = [call(project, call_id=bad[0], **changes)]
    records[20:20] = [call(project, call_id=bad[1], **changes)]
    put(tmp_path, *records)
    assert merge(tmp_path).stored_count == LoggedCall.objects.count() == 21
    rejected = tmp_path / "rejected"
    assert {path.name for path in rejected.iterdir()} == {
        name for call_id in bad for name in (f"{call_id}.000001.segment", f"{call_id}.reason.txt")
    }
    assert b"Question" not in (rejected / f"{bad[0]}.reason.txt").read_bytes()


@pytest.mark.django_db(transaction=True)
def test_a_call_that_was_set_aside_can_be_put_back(project: Project, tmp_path: Path):
    call_id = uuid.uuid4()
    put(tmp_path, call(project, call_id=call_id, project=project.pk + 1))
    merge(tmp_path)
    Project.objects.create(pk=project.pk + 1, slug="late")
    (tmp_path / "rejected" / f"{call_id}.000001.segment").rename(tmp_path / f"{call_id}.000001.segment")
    assert merge(tmp_path).stored_count == 1
    assert LoggedCall.objects.get().pk == call_id


def test_facts_that_lack_something_are_set_aside(project: Project, tmp_path: Path):
    call_id = uuid.uuid4()
    put(tmp_path, encode(Kind.INTENT, call_id, {}, b""), encode(Kind.COMPLETION, call_id, {}, b""), call(project))
    assert merge(tmp_path).stored_count == 1
    assert (tmp_path / "rejected" / f"{call_id}.reason.txt").read_text().startswith("KeyError")


def test_whatever_goes_wrong_with_one_call_the_others_are_stored(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """There is no such call known; the day there is one, it must not stop the log."""
    prepare = recording.prepare

    def prepare_but_not_seven(calls: Any, policies: Any) -> Any:
        if any(b"Question 7" in one.request_body for one in calls):
            raise RuntimeError("seven")
        return prepare(calls, policies)

    for module in (merging, recording):
        monkeypatch.setattr(module, "prepare", prepare_but_not_seven)
    monkeypatch.setattr(merging, "_BATCH_CALLS", 4)
    put(tmp_path, *(call(project, n) for n in range(10)))
    assert merge(tmp_path).stored_count == 9
    assert len(list((tmp_path / "rejected").glob("*.reason.txt"))) == 1


def test_it_waits_for_the_database_and_ends_when_it_is_told_to(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    stopping = threading.Event()
    attempts: list[int] = []

    def never(prepared: Any) -> Any:
        attempts.append(len(prepared.rows))
        if len(attempts) == 3:
            stopping.set()
        raise OperationalError("the server is away")

    monkeypatch.setattr(merging, "store", never)
    put(tmp_path, call(project))
    with pytest.raises(Stopped):
        Merger(tmp_path, stopping).run_once()
    assert attempts == [1, 1, 1]
    assert len(list(tmp_path.glob("*.segment"))) == 1


def test_the_recorder_can_be_asked_for_one_round(committed_db: None, tmp_path: Path):
    project = create_project("once")
    put(tmp_path / "spool", call(project))
    done = record_once(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert LoggedCall.objects.filter(project=project).count() == 1
    eventually(lambda: SearchText.objects.filter(project=project).count() == 1)  # the suite's recorder may be at it


def test_calls_are_stored_while_the_search_cannot_take_rows(committed_db: None, tmp_path: Path):
    project = create_project("unsearchable")
    _run("ALTER TABLE curation_searchtext RENAME TO away")
    try:
        with running_recorder(tmp_path):
            put(tmp_path / "spool", call(project))
            eventually(lambda: LoggedCall.objects.filter(project=project).count() == 1)
            eventually(lambda: "into the search" in (tmp_path / "recorder.log").read_text())
            _run("ALTER TABLE away RENAME TO curation_searchtext")
            eventually(lambda: SearchText.objects.filter(project=project).exists())
    finally:
        _run("ALTER TABLE IF EXISTS away RENAME TO curation_searchtext")


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_only_one_recorder_works_on_a_spool(committed_db: None, tmp_path: Path):
    with running_recorder(tmp_path):
        second = subprocess.run(
            [sys.executable, "manage.py", "recorder"],
            cwd=ROOT,
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert second.returncode == 1
    assert "already at work" in second.stderr


def test_a_recorder_ends_at_once_though_the_database_is_away(committed_db: None, tmp_path: Path):
    with proxy_before_postgres() as proxy:
        proxy.cut()
        put(tmp_path / "spool", call(Project(pk=1)))
        with running_recorder(tmp_path, DATABASE_URL=proxy.database_url) as recorder:
            eventually(lambda: "wait in the spool" in (tmp_path / "recorder.log").read_text() or recorder.poll())
            recorder.send_signal(signal.SIGTERM)
            assert recorder.wait(20) == 0
