"""The calls in a file, one after the other, each with what tells it apart from all others. Pure."""

import hashlib
import sqlite3
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from curation.chat import ChatError, canonical, parse_strict

from .past_calls import PastCall, call_of_columns, past_call
from .past_files import lines
from .tables import open_table


@dataclass(frozen=True, slots=True)
class PastRow:
    """A line or a row: the call it tells of, or the `problem` with it. `identity` is the same in every file that has
    it, and another for each time it comes within one file. `size` is in bytes.
    """

    number: int
    identity: str
    call: PastCall | None
    problem: str = ""
    size: int = 0


class Occurrences:
    """How often each line came before. Exact, and in a file of its own beyond some megabytes."""

    def __init__(self) -> None:
        # An empty name is a database that SQLite keeps in its cache, spills to disk, and removes when it is closed.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY, times INTEGER) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def count(self, digest: bytes) -> int:
        """The times it came before this one."""
        statement = "INSERT INTO seen VALUES (?, 0) ON CONFLICT DO UPDATE SET times = times + 1 RETURNING times"
        times: int = self._database.execute(statement, [digest]).fetchone()[0]
        return times

    def close(self) -> None:
        self._database.close()


def rows_of_lines(stream: BinaryIO, mapping: Mapping[str, str], after: int) -> Generator[PastRow, None, None]:
    """The JSON lines behind the line `after`; with a mapping, their keys are columns. Raises FileError."""
    occurrences = Occurrences()
    try:
        for line in lines(stream):
            digest = hashlib.sha256(line.text).digest()
            times = occurrences.count(digest[:16])
            if line.number <= after:
                continue
            identity = f"{digest.hex()} {times}"
            if line.problem:
                yield PastRow(line.number, identity, None, line.problem)
                continue
            try:
                call = _call(parse_strict(line.text), mapping)
                yield PastRow(line.number, identity, call, size=len(line.text))
            except ChatError as error:
                yield PastRow(line.number, identity, None, str(error))
    finally:
        occurrences.close()


def rows_of_table(stream: BinaryIO, mapping: Mapping[str, str], after: int) -> Generator[PastRow, None, None]:
    """The rows behind the row `after`, the first below the names being 1. Raises TableError."""
    occurrences = Occurrences()
    try:
        for number, row in enumerate(open_table(stream), start=1):
            cells = canonical({part: row[name] for part, name in mapping.items() if name})
            digest = hashlib.sha256(cells.encode()).digest()
            times = occurrences.count(digest[:16])
            if number <= after:
                continue
            identity = f"{digest.hex()} {times}"
            try:
                yield PastRow(number, identity, call_of_columns(row, mapping), size=len(cells))
            except ChatError as error:
                yield PastRow(number, identity, None, str(error))
    finally:
        occurrences.close()


def _call(value: Any, mapping: Mapping[str, str]) -> PastCall:
    if not mapping:
        return past_call(value)
    if not isinstance(value, dict):
        raise ChatError("The line is no object.")
    return call_of_columns(value, mapping)
