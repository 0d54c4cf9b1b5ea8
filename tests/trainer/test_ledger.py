"""A job's moves from status to status, without a server: each happens once, from the statuses it may start from."""

import json
import sqlite3
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from jobs.trainer import ledger
from jobs.trainer.store import Facts, Store, insert

ORDER = {
    "model": "baseline",
    "training_file": "file-1",
    "validation_file": None,
    "suffix": None,
    "seed": 1,
    "hyperparameters": "{}",
    "metadata": None,
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def job(store: Store) -> Facts:
    return ledger.create(store, ORDER)


def status(store: Store, job: Facts) -> str:
    return str(ledger.get(store, job["id"])["status"])


def run(store: Store, job: Facts) -> bool:
    """Take the job into training."""
    return ledger.start(store, ledger.get(store, job["id"]))


def work(store: Store, job: Facts) -> None:
    """Leave a model in the work folder, as an engine would."""
    (store.work / job["id"] / "model").mkdir(parents=True)
    (store.work / job["id"] / "model" / "model.json").write_text("{}")


def test_a_job_that_takes_the_trainer_down_three_times_is_given_up(store: Store, job: Facts) -> None:
    ledger.move(store, job["id"], ("validating_files",), "queued")
    for _ in range(3):
        assert run(store, job)
        assert status(store, job) == "running"
    assert not run(store, job)
    ended = ledger.get(store, job["id"])
    assert (ended["status"], json.loads(ended["error"])["code"]) == ("failed", "interrupted")


def test_orderly_stops_are_not_counted(store: Store, job: Facts) -> None:
    ledger.move(store, job["id"], ("validating_files",), "queued")
    for _ in range(7):
        assert run(store, job)
        ledger.put_back(store, job["id"])
    assert status(store, job) == "running"


def test_an_interrupted_job_goes_before_older_ones(store: Store, job: Facts) -> None:
    later = ledger.create(store, ORDER)
    for each in (job, later):
        ledger.move(store, each["id"], ("validating_files",), "queued")
    assert (ledger.next_job(store, ("running", "queued")) or {})["id"] == job["id"]
    run(store, later)
    assert (ledger.next_job(store, ("running", "queued")) or {})["id"] == later["id"]


def test_a_model_becomes_public_with_all_its_rows(store: Store, job: Facts) -> None:
    run(store, job)
    ledger.move(store, job["id"], ("validating_files",), "running")
    work(store, job)
    (store.work / job["id"] / "checkpoint-2").mkdir()
    assert ledger.publish(store, job, 99, [{"step": 2, "metrics": {"train_loss": 0.5}}], b"step\n1\n")
    done = ledger.get(store, job["id"])
    assert (done["status"], done["trained_tokens"]) == ("succeeded", 99)
    assert (store.files / done["result_file"]).read_bytes() == b"step\n1\n"
    folders = {row["id"]: row["folder"] for row in store.rows("SELECT * FROM models")}
    name = done["fine_tuned_model"]
    assert folders == {name: f"{job['id']}/model", f"{name}:ckpt-step-2": f"{job['id']}/checkpoint-2"}
    assert all((store.models / folder).is_dir() for folder in folders.values())


def test_of_a_cancel_and_the_end_of_training_one_wins(store: Store, job: Facts) -> None:
    ledger.move(store, job["id"], ("validating_files",), "running")
    work(store, job)
    assert ledger.cancel(store, job["id"])
    assert not ledger.publish(store, job, 99, [], b"step\n")
    assert status(store, job) == "cancelled"
    assert store.rows("SELECT * FROM models") == store.rows("SELECT * FROM files") == []
    assert list(store.files.iterdir()) == []
    assert not ledger.cancel(store, job["id"])
    assert not ledger.fail(store, job["id"], "server_error", "too late", None)


def test_a_closed_job_gets_no_further_events(store: Store, job: Facts) -> None:
    ledger.cancel(store, job["id"])
    ledger.note(store, job["id"], "too late")
    ledger.step(store, job["id"], 1, 2, {"train_loss": 0.5}, 0)
    [last] = store.rows("SELECT message FROM events ORDER BY seq DESC LIMIT 1")
    assert last["message"] == "The job was cancelled"


def test_what_has_no_row_is_removed_at_the_next_start(tmp_path: Path) -> None:
    store = Store(tmp_path)
    kept = store.keep_contents(BytesIO(b"kept"), "a.jsonl", "fine-tune")
    with store.write() as db:
        insert(db, "files", kept)
    lost = store.keep_contents(BytesIO(b"lost"), "b.jsonl", "fine-tune")
    for folder in (store.work / "ftjob-1", store.models / "ftjob-2"):
        folder.mkdir()
        (folder / "model.json").write_text("{")
    store.close()
    store = Store(tmp_path)
    assert [path.name for path in store.files.iterdir()] == [kept["id"]]
    assert lost["id"] != kept["id"]
    assert [*store.work.iterdir(), *store.models.iterdir()] == []
    store.close()


def test_a_transaction_that_fails_leaves_nothing(store: Store, job: Facts) -> None:
    def forget_half() -> None:
        with store.write() as db:
            db.execute("DELETE FROM events")
            db.execute("DELETE FROM no_such_table")

    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        forget_half()
    assert len(store.rows("SELECT * FROM events")) == 2
    assert ledger.cancel(store, job["id"])


def test_a_folder_serves_one_trainer(store: Store, tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError):
        Store(tmp_path)
