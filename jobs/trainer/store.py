"""What the trainer remembers: one folder with a SQLite database for facts and plain files for contents. In it:

    trainer.sqlite3   files, jobs, events, checkpoints, models
    lock              held while a server uses the folder
    files/<file id>   uploaded and result files
    uploads/<id>/     parts of files that are not complete
    models/<job id>/  finished models
    work/<job id>/    models in the making, with what is needed to go on with them

A file or model folder is complete before its row is written: contents go to a temporary name, are flushed to the disk
and renamed. What has no row at the next start is a remainder of an interruption and is removed.
"""

import fcntl
import os
import secrets
import shutil
import sqlite3
import string
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from jobs.trainer.errors import ApiError, shown

Facts = dict[str, Any]
ALPHABET = string.ascii_letters + string.digits
# Rows of before the keys were told apart have no owner and are everybody's.
OWNED = "(owner = ? OR owner IS NULL)"
SCHEMA_1 = """
CREATE TABLE files (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL,
    filename TEXT NOT NULL, purpose TEXT NOT NULL, bytes INTEGER NOT NULL
);
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL, finished_at INTEGER,
    estimated_finish INTEGER, status TEXT NOT NULL, model TEXT NOT NULL, training_file TEXT NOT NULL,
    validation_file TEXT, suffix TEXT, seed INTEGER NOT NULL, hyperparameters TEXT NOT NULL, metadata TEXT,
    error TEXT, fine_tuned_model TEXT, result_file TEXT, trained_tokens INTEGER, starts INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX jobs_waiting ON jobs (status, seq);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, job_id TEXT NOT NULL REFERENCES jobs (id),
    created_at INTEGER NOT NULL, level TEXT NOT NULL, type TEXT NOT NULL, message TEXT NOT NULL, data TEXT
);
CREATE INDEX events_of_job ON events (job_id, seq);
CREATE TABLE checkpoints (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, job_id TEXT NOT NULL REFERENCES jobs (id),
    created_at INTEGER NOT NULL, step INTEGER NOT NULL, metrics TEXT NOT NULL, model TEXT NOT NULL
);
CREATE INDEX checkpoints_of_job ON checkpoints (job_id, seq);
CREATE TABLE models (
    id TEXT PRIMARY KEY, created_at INTEGER NOT NULL, base TEXT NOT NULL,
    job_id TEXT NOT NULL REFERENCES jobs (id), folder TEXT NOT NULL, is_checkpoint INTEGER NOT NULL
);
"""
SCHEMA_2 = """
ALTER TABLE files ADD COLUMN owner TEXT;
ALTER TABLE files ADD COLUMN expires_at INTEGER;
ALTER TABLE jobs ADD COLUMN owner TEXT;
ALTER TABLE jobs ADD COLUMN method TEXT NOT NULL DEFAULT 'supervised';
ALTER TABLE jobs ADD COLUMN integrations TEXT;
ALTER TABLE models ADD COLUMN owner TEXT;
CREATE TABLE uploads (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    filename TEXT NOT NULL, purpose TEXT NOT NULL, mime_type TEXT NOT NULL, bytes INTEGER NOT NULL,
    status TEXT NOT NULL, file_id TEXT, owner TEXT NOT NULL
);
CREATE TABLE parts (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL,
    upload_id TEXT NOT NULL REFERENCES uploads (id), bytes INTEGER NOT NULL
);
CREATE INDEX parts_of_upload ON parts (upload_id);
CREATE TABLE endpoints (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    name TEXT NOT NULL, url TEXT NOT NULL, event_types TEXT NOT NULL, secret TEXT NOT NULL, owner TEXT NOT NULL
);
CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL,
    endpoint_id TEXT NOT NULL REFERENCES endpoints (id), body TEXT NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER NOT NULL
);
CREATE INDEX deliveries_due ON deliveries (next_at);
"""
SCHEMAS = (SCHEMA_1, SCHEMA_2)


class Store:
    """The folder `home`, used by one server at a time. Safe to use from several threads."""

    def __init__(self, home: Path) -> None:
        """Open or create `home`. Raises BlockingIOError while another server uses it."""
        self.files, self.models, self.work = home / "files", home / "models", home / "work"
        self.uploads = home / "uploads"
        for folder in (home, self.files, self.models, self.work, self.uploads):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock_file = (home / "lock").open("w")
        fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._mutex = threading.RLock()
        self._db = sqlite3.connect(home / "trainer.sqlite3", check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
        known = self._db.execute("PRAGMA user_version").fetchone()[0]
        for version, schema in enumerate(SCHEMAS[known:], known + 1):
            self._db.executescript(f"BEGIN; {schema} PRAGMA user_version = {version}; COMMIT;")
        self._sweep()

    def close(self) -> None:
        """Give the folder free."""
        with self._mutex:
            self._db.close()
            self._lock_file.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction: everything inside happens, or nothing. Keep it short."""
        with self._mutex:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                self._db.rollback()
                raise

    def rows(self, sql: str, *values: Any) -> list[Facts]:
        """What a SELECT finds."""
        with self._mutex:
            return [dict(row) for row in self._db.execute(sql, values)]

    def row(self, sql: str, *values: Any) -> Facts | None:
        """The first row a SELECT finds, or None."""
        found = self.rows(f"{sql} LIMIT 1", *values)
        return found[0] if found else None

    def page(
        self, table: str, where: str, values: Sequence[Any], *, after: str | None, limit: int, ascending: bool = False
    ) -> tuple[list[Facts], bool]:
        """At most `limit` rows of `table`, newest first, those following the row `after`; and whether more follow.

        Raises ApiError 400 when there is no row `after`."""
        conditions, arguments = [where], [*values]
        if after is not None:
            start = self.row(f"SELECT seq FROM {table} WHERE {where} AND id = ?", *values, after)  # noqa: S608
            if start is None:
                raise ApiError(400, f"No item {shown(after)} to continue after.", param="after")
            conditions.append("seq > ?" if ascending else "seq < ?")
            arguments.append(start["seq"])
        order = "ASC" if ascending else "DESC"
        found = self.rows(
            f"SELECT * FROM {table} WHERE {' AND '.join(conditions)} ORDER BY seq {order} LIMIT ?",  # noqa: S608
            *arguments,
            limit + 1,
        )
        return found[:limit], len(found) > limit

    def keep_contents(self, source: BinaryIO, filename: str, purpose: str) -> Facts:
        """Store a file's bytes for good; returns the facts of its row, which the caller inserts.

        The name is a label only and never part of a path. Raises OSError when the disk is full."""
        file_id = new_id("file-")
        temporary = self.files / f".{file_id}"
        try:
            with temporary.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
                target.flush()
                os.fsync(target.fileno())
            temporary.rename(self.files / file_id)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(self.files)
        size = (self.files / file_id).stat().st_size
        return {"id": file_id, "created_at": now(), "filename": filename, "purpose": purpose, "bytes": size}

    def _sweep(self) -> None:
        """Remove what an interruption left: work of no open job, files and model folders without a row."""
        unfinished = {row["id"] for row in self.rows("SELECT id FROM jobs WHERE finished_at IS NULL")}
        for folder in self.work.iterdir():
            if folder.name not in unfinished:
                shutil.rmtree(folder)
        known = {row["id"] for row in self.rows("SELECT id FROM files")}
        for path in self.files.iterdir():
            if path.name not in known:
                path.unlink()
        published = {row["job_id"] for row in self.rows("SELECT job_id FROM models")}
        for folder in self.models.iterdir():
            if folder.name not in published:
                shutil.rmtree(folder)


def insert(db: sqlite3.Connection, table: str, facts: Facts) -> None:
    """Add one row. Table and column names are ours, values are bound."""
    marks = ", ".join("?" * len(facts))
    db.execute(f"INSERT INTO {table} ({', '.join(facts)}) VALUES ({marks})", list(facts.values()))  # noqa: S608


def new_id(prefix: str, length: int = 24) -> str:
    """A random id of letters and digits after its prefix."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(length))


def now() -> int:
    """Seconds since 1970."""
    return int(time.time())


def sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Flush every file and folder below `folder` to the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            sync_folder(path)
    sync_folder(folder)
