"""Log files: each service writes its own, we keep them small."""

import logging
import logging.handlers
import shutil
import sys
from pathlib import Path
from typing import IO

LIMIT = 10_000_000  # bytes; one older file of the same size is kept
_LINE = "%(asctime)s %(levelname)s %(message)s"

log = logging.getLogger("curation.supervisor")


def configure(file: Path, *, quiet: bool) -> None:
    """Our own lines: all into `file`; to the terminal as they are, when `quiet` only warnings and to stderr."""
    log.setLevel(logging.INFO)
    log.propagate = False
    to_file = logging.handlers.RotatingFileHandler(file, maxBytes=LIMIT, backupCount=1)
    to_file.setFormatter(logging.Formatter(_LINE))
    to_terminal = logging.StreamHandler(sys.stderr if quiet else sys.stdout)
    to_terminal.setLevel(logging.WARNING if quiet else logging.INFO)
    log.handlers = [to_file, to_terminal]
    logging.raiseExceptions = False  # a closed terminal is no reason to stop


def open_log(file: Path) -> IO[bytes]:
    """For a child's stdout and stderr. Appending, so that `rotate` can empty the file under its writer."""
    return file.open("ab", buffering=0)


def rotate(file: Path, limit: int = LIMIT) -> None:
    """Keep a copy and empty the file once it is longer than `limit` bytes; its writers keep their open file."""
    try:
        if file.stat().st_size <= limit:
            return
    except FileNotFoundError:
        return
    shutil.copyfile(file, file.with_name(file.name + ".1"))
    with file.open("r+b") as stream:
        stream.truncate()


def tail(file: Path, lines: int = 5) -> str:
    """The last lines, for a message about a process that failed."""
    if not file.exists():
        return ""
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - 4000))
        return "\n".join("  " + line for line in stream.read().decode(errors="replace").splitlines()[-lines:])
