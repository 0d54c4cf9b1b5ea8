"""Merge the gateway's spool into the database, and rows into the search, for as long as this runs."""

import fcntl
import logging
import signal
import threading
import time
from pathlib import Path
from typing import Any, TextIO

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseFailure
from django.db import connection

from curation import indexing
from curation.gateway.merging import Merger, Stopped

log = logging.getLogger(__name__)
POLL_SECONDS = 0.05
PRESSED = 500  # calls stored in one go: then the search has to wait
REST_SECONDS = 5.0  # before the search is tried again after a failure


class Command(BaseCommand):
    help = "Merge the gateway's spool into the database until it is stopped. One for each spool folder."
    requires_system_checks = ()

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--once", action="store_true", help="merge what lies there, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        stopping = threading.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: stopping.set())
        folder: Path = settings.SPOOL_DIR
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (folder / "recorder.flock").open("w") as lock:
            _take(lock)
            merger = Merger(folder, stopping)
            try:
                _work(merger, stopping, options["once"])
            except Stopped:
                return


def _work(merger: Merger, stopping: threading.Event, is_once: bool) -> None:
    index = _Indexing()
    while not stopping.is_set():
        stored = merger.run_once()
        indexed = index.run_once() if stored < PRESSED else 0
        if is_once and not stored and not indexed:
            return
        stopping.wait(0 if indexed else POLL_SECONDS)


class _Indexing:
    """Rows come into the search when that is possible; calls are stored whether it is or not."""

    def __init__(self) -> None:
        self._rests_until = 0.0

    def run_once(self) -> int:
        if time.monotonic() < self._rests_until:
            return 0
        try:
            return indexing.catch_up()
        except DatabaseFailure as error:
            connection.close()
            self._rests_until = time.monotonic() + REST_SECONDS
            log.warning("Rows cannot be brought into the search now: %s", str(error).partition("\n")[0])
            return 0


def _take(lock: TextIO) -> None:
    """Two recorders would not harm the data, but each would remove files under the other."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CommandError(f"A recorder is already at work here (lock on {lock.name}).") from None
