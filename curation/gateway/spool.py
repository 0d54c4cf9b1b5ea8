"""The gateway's own files: each call is written here before it is answered, so that no database stands in its way.

Each writing process has segments of its own, `<writer>.<number>.segment`, and holds a lock on `<writer>.lock` for life:
once the lock can be had, the writer is gone. A record is one write(2): from then on it survives the process. What a
power failure may take is what was not synced yet, `sync_seconds` at most; with 0 every answer waits for the disk.

Here stands what was said as it was said: masking would cost the callers time, so the recorder does it. Only this user
can read the files (0600 in a folder 0700), and they are removed when all in them is stored, about a minute after it was
written while the database takes it.
"""

import asyncio
import fcntl
import logging
import os
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

from .frames import Kind, encode

log = logging.getLogger(__name__)

_HOUSEKEEPING = 1.0  # seconds
_HELD_BYTES = 64 << 20


class SpoolFull(Exception):
    """The record could not be written: the disk, or the room the spool may take, is full."""


class Spool:
    """One process's writing end. All methods belong to the event loop's thread."""

    def __init__(
        self,
        folder: Path,
        *,
        sync_seconds: float,
        limit_bytes: int,
        segment_bytes: int = 64 << 20,
        segment_seconds: float = 60,
    ) -> None:
        self._folder = folder
        self._sync_seconds = sync_seconds
        self._limit_bytes = limit_bytes
        self._segment_bytes = segment_bytes
        self._segment_seconds = segment_seconds
        self._writer = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}"
        self._number = 0
        self._retired: list[int] = []
        self._held: list[bytes] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._dirty = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "spool")

    async def start(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _hold_lock(self._folder, self._writer)
        self._used = await self._in_thread(_measure, self._folder)
        self._open_segment()
        self._tasks = [asyncio.create_task(self._sync_forever()), asyncio.create_task(self._keep_house())]

    async def stop(self) -> None:
        """Everything appended is on the disk afterwards, and the recorder may take the files over."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._write_held()
        self._retired.append(self._file)
        await self._sync()
        self._thread.shutdown()
        os.close(self._lock)

    def append(self, kind: Kind, call_id: UUID, facts: dict[str, Any], body: bytes = b"") -> None:
        """Write one record. Raises SpoolFull; but what belongs to a call already begun is held in memory until there
        is room again, so that a full disk refuses new calls but loses none.
        """
        frame = encode(kind, call_id, facts, body)
        if kind not in (Kind.PART, Kind.COMPLETION):
            if self._held or self._used + len(frame) > self._limit_bytes:
                raise SpoolFull
            try:
                self._write(frame)
            except OSError as error:
                log.error("The spool in %s cannot be written: %s", self._folder, error.strerror)
                raise SpoolFull from error
        elif self._held or not self._can_write(frame):
            self._hold(call_id, frame)

    async def settle(self) -> None:
        """Wait until what was appended is as safe as was asked for."""
        if self._sync_seconds == 0:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter

    def _write(self, frame: bytes) -> None:
        if self._size and self._size + len(frame) > self._segment_bytes:
            self._rotate()
        try:
            view = memoryview(frame)
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            os.ftruncate(self._file, self._size)  # no half record in the middle of a file
            raise
        self._size += len(frame)
        self._used += len(frame)
        self._dirty.set()

    def _can_write(self, frame: bytes) -> bool:
        try:
            self._write(frame)
        except OSError as error:
            log.error("The spool in %s cannot be written: %s", self._folder, error.strerror)
            return False
        return True

    def _hold(self, call_id: UUID, frame: bytes) -> None:
        if sum(map(len, self._held)) + len(frame) > _HELD_BYTES:
            log.error("call %s: its record is lost, the disk is full and so is the memory kept for this", call_id)
            return
        self._held.append(frame)

    def _write_held(self) -> None:
        while self._held and self._can_write(self._held[0]):
            self._held.pop(0)

    def _open_segment(self) -> None:
        self._number += 1
        path = self._folder / f"{self._writer}.{self._number:06d}.segment"
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        self._size = 0
        self._opened_at = time.monotonic()
        self._has_new_file = True

    def _rotate(self) -> None:
        retired = self._file
        self._open_segment()
        self._retired.append(retired)
        self._dirty.set()

    async def _sync_forever(self) -> None:
        while True:
            await self._dirty.wait()
            await asyncio.sleep(self._sync_seconds)
            self._dirty.clear()
            waiting, self._waiting = self._waiting, []
            await self._sync()
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_result(None)

    async def _sync(self) -> None:
        retired, self._retired = self._retired, []
        folder = self._folder if self._has_new_file else None
        self._has_new_file = False
        await self._in_thread(_sync_files, {self._file, *retired}, retired, folder)

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING)
            self._used = await self._in_thread(_measure, self._folder)
            self._write_held()
            # Also without new calls: a merged segment can only be removed once there is a next one.
            if self._size and time.monotonic() - self._opened_at > self._segment_seconds:
                try:
                    self._rotate()
                except OSError as error:
                    log.error("The spool in %s has no room for a next segment: %s", self._folder, error.strerror)

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)


def _sync_files(files: set[int], retired: list[int], folder: Path | None) -> None:
    try:
        for file in files:
            os.fdatasync(file)
        if folder:
            _sync_folder(folder)
    except OSError as error:
        log.error("The spool could not be synced: %s", error.strerror)
    for file in retired:
        os.close(file)


def _measure(folder: Path) -> int:
    """How many bytes lie in the folder, of all writers."""
    return sum(_size_of(path) for path in folder.glob("*.segment"))


def _hold_lock(folder: Path, writer: str) -> int:
    """Locked before it has its name: under its name nobody ever sees it free while the writer lives."""
    nameless = folder / f"{writer}.new"
    lock = os.open(nameless, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    nameless.rename(folder / f"{writer}.lock")
    return lock


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # merged meanwhile
        return 0


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
