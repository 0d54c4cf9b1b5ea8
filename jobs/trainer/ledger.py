"""The life of a fine-tuning job as rows: created, moved from status to status, reported on, finished.

Every move names the statuses it may start from, so of two that compete (a cancel and the end of training, say) exactly
one happens.
"""

import logging
import re
import shutil
import sqlite3
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import orjson

from jobs.trainer import hooks
from jobs.trainer.store import Facts, Store, insert, new_id, now, sync_folder, sync_tree

logger = logging.getLogger(__name__)

OPEN = ("validating_files", "queued", "running", "pausing", "paused")
MOST_STARTS = 3


def create(store: Store, order: Facts) -> Facts:
    """A new job in `validating_files`; `order` holds the checked columns."""
    job = {**order, "id": new_id("ftjob-"), "created_at": now(), "status": "validating_files"}
    with store.write() as db:
        insert(db, "jobs", job)
        _event(db, job["id"], f"Created fine-tuning job: {job['id']}")
        _event(db, job["id"], f"Validating training file: {job['training_file']}")
    logger.info("job %s created on %s", job["id"], job["training_file"])
    return get(store, job["id"])


def get(store: Store, job_id: str) -> Facts:
    """The job's row. Raises KeyError."""
    job = store.row("SELECT * FROM jobs WHERE id = ?", job_id)
    if job is None:
        raise KeyError(job_id)
    return job


def next_job(store: Store, statuses: Sequence[str]) -> Facts | None:
    """The job to work on: one that was interrupted while running goes first, then the oldest."""
    marks = ", ".join("?" * len(statuses))
    order = "ORDER BY status = 'running' DESC, seq"
    return store.row(f"SELECT * FROM jobs WHERE status IN ({marks}) {order}", *statuses)  # noqa: S608


def move(store: Store, job_id: str, source: Sequence[str], status: str, message: str = "", **columns: Any) -> bool:
    """Move a job to `status` if it is in one of `source`; says whether it moved."""
    with store.write() as db:
        return _move(db, job_id, source, status, message, "info", columns)


def start(store: Store, job: Facts) -> bool:
    """Take a job into training, for the first time or again after an interruption; says whether it may start.

    A job that was started three times and never came to an end takes the server down with it, so it ends here."""
    if job["starts"] >= MOST_STARTS:
        fail(store, job["id"], "interrupted", f"Training was interrupted {MOST_STARTS} times and was given up.", None)
        return False
    message = "Fine-tuning job started"
    if job["status"] == "running":
        message = "Training was interrupted; it starts again"
        with store.write() as db:
            db.execute("DELETE FROM checkpoints WHERE job_id = ?", [job["id"]])
    return move(store, job["id"], ("queued", "running"), "running", message, starts=job["starts"] + 1)


def fail(store: Store, job_id: str, code: str, message: str, param: str | None) -> bool:
    """End a job with an error; says whether it was still open."""
    error = orjson.dumps({"code": code, "message": message, "param": param}).decode()
    columns = {"error": error, "finished_at": now(), "estimated_finish": None}
    with store.write() as db:
        return _move(db, job_id, OPEN, "failed", message, "error", columns)


def cancel(store: Store, job_id: str) -> bool:
    """End a job at its owner's wish; says whether it was still open."""
    columns = {"finished_at": now(), "estimated_finish": None}
    return move(store, job_id, OPEN, "cancelled", "The job was cancelled", **columns)


def pause(store: Store, job_id: str) -> bool:
    """Put a job down at its owner's wish; says whether it waited or ran. One that runs is `pausing` until it lies."""
    return move(store, job_id, ("queued",), "paused", "The job was paused") or move(
        store, job_id, ("running",), "pausing", "The job is being paused"
    )


def put_down(store: Store, job_id: str) -> None:
    """The training of a job that was pausing has ended, with all it needs to go on."""
    move(store, job_id, ("pausing",), "paused", "The job was paused", estimated_finish=None)


def put_all_down(store: Store) -> None:
    """Jobs that were pausing when the server ended lie still now."""
    for job in store.rows("SELECT id FROM jobs WHERE status = 'pausing'"):
        put_down(store, job["id"])


def resume(store: Store, job_id: str) -> bool:
    """Queue a paused job again; says whether it was paused."""
    return move(store, job_id, ("paused",), "queued", "The job was resumed")


def put_back(store: Store, job_id: str) -> None:
    """Training was put down in an orderly way: this start does not count as one that ended badly."""
    with store.write() as db:
        db.execute("UPDATE jobs SET starts = max(starts - 1, 0) WHERE id = ?", [job_id])


def forgive(store: Store, job_id: str) -> None:
    """A part of the training is saved for good, so the job gets somewhere, however often it is interrupted."""
    with store.write() as db:
        db.execute("UPDATE jobs SET starts = 0 WHERE id = ?", [job_id])


def note(store: Store, job_id: str, message: str, level: str = "info") -> None:
    """One sentence in the job's events, while the job is open."""
    with store.write() as db:
        if _is_open(db, job_id):
            _event(db, job_id, message, level)


def settle_hyperparameters(store: Store, job_id: str, values: Facts) -> None:
    """Put in place of "auto" what the engine chose."""
    with store.write() as db:
        db.execute("UPDATE jobs SET hyperparameters = ? WHERE id = ?", [orjson.dumps(values).decode(), job_id])


def step(store: Store, job_id: str, number: int, total: int, metrics: dict[str, float], estimated_finish: int) -> None:
    """Report one pass."""
    message = f"Step {number}/{total}: training loss={metrics['train_loss']:.2f}"
    if "valid_loss" in metrics:
        message += f", validation loss={metrics['valid_loss']:.2f}"
    with store.write() as db:
        if _is_open(db, job_id):
            db.execute("UPDATE jobs SET estimated_finish = ? WHERE id = ?", [estimated_finish, job_id])
            _event(db, job_id, message, "info", {"step": number, "total_steps": total, **metrics})


def publish(store: Store, job: Facts, trained_tokens: int, steps: list[Facts], result: bytes) -> bool:
    """Make a finished model public: flush its folder, move it to its place, then write every row at once.

    `steps` are the checkpoints, {"step", "metrics"}, with folders checkpoint-<step>; `result` is the result file. Says
    whether the job was still running; if it was not, nothing becomes public. Raises OSError when the disk is full."""
    folder = store.models / job["id"]
    shutil.rmtree(folder, ignore_errors=True)
    sync_tree(store.work / job["id"])
    (store.work / job["id"]).rename(folder)
    sync_folder(store.models)
    name = f"{job['id']}-step_metrics.csv"
    file = {**store.keep_contents(BytesIO(result), name, "fine-tune-results"), "owner": job["owner"]}
    columns = {
        "fine_tuned_model": model_name(job),
        "result_file": file["id"],
        "trained_tokens": trained_tokens,
        "finished_at": now(),
        "estimated_finish": None,
    }
    with store.write() as db:
        if not _is_open(db, job["id"]):
            (store.files / file["id"]).unlink()
            return False
        insert(db, "files", file)
        _publish_models(db, job, steps)
        return _move(db, job["id"], OPEN, "succeeded", "The job has successfully completed", "info", columns)


def model_name(job: Facts) -> str:
    """`ft:<base>:local:<suffix>:<id>`; characters that names cannot hold become hyphens."""
    suffix = re.sub(r"[^A-Za-z0-9_-]+", "-", job["suffix"] or "").strip("-")
    return f"ft:{job['model']}:local:{suffix}:{job['id'].removeprefix('ftjob-')[:8]}"


def _publish_models(db: sqlite3.Connection, job: Facts, steps: list[Facts]) -> None:
    name = model_name(job)
    shared = {"created_at": now(), "base": job["model"], "job_id": job["id"], "owner": job["owner"]}
    insert(db, "models", {**shared, "id": name, "folder": f"{job['id']}/model", "is_checkpoint": 0})
    for checkpoint in steps:
        step_name = f"{name}:ckpt-step-{checkpoint['step']}"
        folder = f"{job['id']}/checkpoint-{checkpoint['step']}"
        insert(db, "models", {**shared, "id": step_name, "folder": folder, "is_checkpoint": 1})
        row = {
            "id": new_id("ftckpt_"),
            "job_id": job["id"],
            "created_at": now(),
            "step": checkpoint["step"],
            "metrics": orjson.dumps(checkpoint["metrics"]).decode(),
            "model": step_name,
        }
        insert(db, "checkpoints", row)
        _event(db, job["id"], f"Checkpoint created at step {checkpoint['step']}: {step_name}")
    _event(db, job["id"], f"New fine-tuned model created: {name}")


def _move(
    db: sqlite3.Connection, job_id: str, source: Sequence[str], status: str, message: str, level: str, columns: Facts
) -> bool:
    changes = ", ".join(f"{column} = ?" for column in ("status", *columns))
    marks = ", ".join("?" * len(source))
    moved = db.execute(
        f"UPDATE jobs SET {changes} WHERE id = ? AND status IN ({marks})",  # noqa: S608
        [status, *columns.values(), job_id, *source],
    ).rowcount
    if moved:
        _event(db, job_id, message, level)
        if status not in OPEN:
            hooks.announce(db, job_id, status)
        logger.info("job %s %s", job_id, status)
    return bool(moved)


def _is_open(db: sqlite3.Connection, job_id: str) -> bool:
    marks = ", ".join("?" * len(OPEN))
    found = db.execute(f"SELECT 1 FROM jobs WHERE id = ? AND status IN ({marks})", [job_id, *OPEN])  # noqa: S608
    return found.fetchone() is not None


def _event(db: sqlite3.Connection, job_id: str, message: str, level: str = "info", data: Facts | None = None) -> None:
    row = {
        "id": new_id("ftevent-"),
        "job_id": job_id,
        "created_at": now(),
        "level": level,
        "type": "metrics" if data else "message",
        "message": message,
        "data": orjson.dumps(data).decode() if data else None,
    }
    insert(db, "events", row)
