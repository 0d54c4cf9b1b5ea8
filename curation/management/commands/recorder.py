"""Merge the gateway's spool into the database, for as long as this runs."""

import fcntl
import signal
import threading
from pathlib import Path
from typing import Any, TextIO

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from curation.gateway.merging import Merger, Stopped

POLL_SECONDS = 0.05


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
                merger.run_once()
                while not options["once"] and not stopping.wait(POLL_SECONDS):
                    merger.run_once()
            except Stopped:
                return


def _take(lock: TextIO) -> None:
    """Two recorders would not harm the data, but each would remove files under the other."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CommandError(f"A recorder is already at work here (lock on {lock.name}).") from None
