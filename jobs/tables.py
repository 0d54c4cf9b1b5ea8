"""An uploaded table: CSV, TSV or JSON lines, whatever program wrote it. Pure; a cell is text and nothing else.

Read as a stream, a row at a time, within limits; what cannot be read is refused with its row, never half-read.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, cast

from curation.chat import ChatError, canonical, clean, parse_strict

MAX_BYTES = 20 * 1024 * 1024
MAX_ROWS = 50_000
MAX_COLUMNS = 100
MAX_CELL = 20_000  # characters
MAX_COLUMN_NAME = 100  # characters
# What separates cells when no line has a separator: a character no text has.
_NOTHING = "\x1f"
_SEPARATORS = (",", ";", "\t", "|")
_PIECE = 64 * 1024
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

Row = dict[str, str]


class TableError(ValueError):
    """The file cannot be used as a table; the message says where and what to do."""


@dataclass(frozen=True)
class Table:
    """What is known of a table before its rows are read. Iterating reads the rows, and may raise TableError."""

    stream: BinaryIO
    encoding: str
    columns: tuple[str, ...]
    separator: str = ""  # empty for JSON lines

    def __iter__(self) -> Iterator[Row]:
        rows = _csv_rows(self) if self.separator else _json_rows(self)
        for count, row in enumerate(rows, start=1):
            if count > MAX_ROWS:
                raise TableError(f"The table has more than {MAX_ROWS:,} rows. Split it into smaller ones.")
            yield row


def open_table(stream: BinaryIO) -> Table:
    """Look at a file's size, encoding, separator and columns. Raises TableError. The stream must be seekable."""
    size = stream.seek(0, io.SEEK_END)
    if size > MAX_BYTES:
        raise TableError(f"The file has {size / 2**20:.1f} MB; {MAX_BYTES // 2**20} MB are the most. Split it.")
    encoding = _encoding(stream)
    first = next((line.strip() for line in _lines(stream, encoding) if line.strip()), "")
    if not first:
        raise TableError("The file is empty. A table has a first row with the columns' names, and rows below it.")
    if first.startswith("{"):
        if encoding not in ("utf-8", "utf-8-sig"):
            raise TableError("JSON lines are UTF-8, and this file is not. Save it as UTF-8.")
        return Table(stream, encoding, _json_columns(stream))
    if first.startswith("[{") or first == "[":
        raise TableError("This is one JSON list. Write one object to a line (JSON lines), or save the table as CSV.")
    separator = _separator(stream, encoding)
    header = next(_records(stream, encoding, separator))[1]
    return Table(stream, encoding, _named(header), separator)


# Encoding


def _encoding(stream: BinaryIO) -> str:
    stream.seek(0)
    head = stream.read(_PIECE)
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF", b"\x1f\x8b")):
        raise TableError("This is a spreadsheet, an archive or a PDF, not a table as text. Save it as CSV (UTF-8).")
    if head.count(0) * 8 > len(head):
        raise TableError("The file is binary, or UTF-16 without a mark that says so. Save it as CSV (UTF-8).")
    for encoding in ("utf-8", "cp1252"):
        if _is(stream, encoding):
            return encoding
    raise TableError("The file is neither UTF-8 nor Windows-1252. Save it as CSV (UTF-8).")


def _is(stream: BinaryIO, encoding: str) -> bool:
    stream.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while piece := stream.read(_PIECE):
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _lines(stream: BinaryIO, encoding: str) -> Iterator[str]:
    """The lines of a binary stream from its start, with their ends as they are."""
    stream.seek(0)
    try:
        yield from io.TextIOWrapper(cast(BinaryIO, _Kept(stream)), encoding=encoding, newline="")
    except UnicodeDecodeError:  # its mark says UTF-8 or UTF-16, and it is not
        name = encoding.upper().removesuffix("-SIG")
        raise TableError(f"The file says that it is {name}, and is not. Save it as CSV (UTF-8).") from None


class _Kept(io.BufferedIOBase):
    """Lends a stream to a TextIOWrapper, which would close what it reads when it is thrown away."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        return self._stream.read(size)


# CSV


def _separator(stream: BinaryIO, encoding: str) -> str:
    """The separator that cuts the first rows most evenly, then into most columns."""
    best, found = (False, 1), _NOTHING
    for separator in _SEPARATORS:
        widths: list[int] = []
        with suppress(TableError):  # said when the rows are read in earnest
            for _, cells in islice(_records(stream, encoding, separator), 20):
                widths.append(len(cells))
        width = widths[0] if widths else 0
        rank = (len(set(widths)) == 1, width)
        if width > 1 and rank > best:
            best, found = rank, separator
    return found


def _records(stream: BinaryIO, encoding: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with their numbers as a spreadsheet counts them; those without any text are left out."""
    reader = csv.reader(_lines(stream, encoding), delimiter=separator, strict=True)
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise TableError(_csv_words(number, error)) from None
        if any(cell.strip() for cell in cells):
            yield number, cells


def _csv_words(number: int, error: csv.Error) -> str:
    said = str(error)
    if "limit" in said or "end of data" in said:
        return f"Row {number}: a quotation mark opens a cell and none closes it, or the cell is far too long."
    if "expected after" in said:
        return f"Row {number}: after a quotation mark the cell goes on. Inside a quoted cell, write two of them."
    return f"Row {number} cannot be read: {said}."


def _csv_rows(table: Table) -> Iterator[Row]:
    records = _records(table.stream, table.encoding, table.separator)
    next(records)  # the columns' names
    width = len(table.columns)
    for number, cells in records:
        if len(cells) != width:
            raise TableError(
                f"Row {number} has {_count(len(cells), 'cell')}, the first row has {width}. A cell that holds the "
                "separator must stand in quotation marks."
            )
        yield dict(zip(table.columns, _cells(cells, f"Row {number}"), strict=True))


def _named(header: list[str]) -> tuple[str, ...]:
    """The columns' names: white space made plain, columns without a name numbered. Raises TableError."""
    names = [" ".join(clean(name)[0].split()) or f"column {place}" for place, name in enumerate(header, start=1)]
    _check_names(names)
    return tuple(names)


def _check_names(names: list[str]) -> None:
    if len(names) > MAX_COLUMNS:
        raise TableError(f"The table has {len(names)} columns; {MAX_COLUMNS} are the most. Leave some out.")
    for place, name in enumerate(names):
        if name in names[:place]:
            raise TableError(f"Two columns are named “{name}”. Give each its own name in the first row.")
        if len(name) > MAX_COLUMN_NAME:
            raise TableError(f"The name of column {place + 1} is longer than {MAX_COLUMN_NAME} characters.")
        if "{" in name or "}" in name:
            raise TableError(f"The name of column {place + 1} has a brace in it, which templates cannot say.")


# JSON lines


def _objects(stream: BinaryIO) -> Iterator[tuple[int, dict[str, object]]]:
    stream.seek(0)
    for number, line in enumerate(stream, start=1):
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if not line.strip():
            continue
        try:
            value = parse_strict(line.strip())
        except ChatError as error:
            raise TableError(f"Line {number}: {error}") from None
        if not isinstance(value, dict):
            raise TableError(f'Line {number} is no object. Each line is one: {{"column": "cell", …}}.')
        yield number, value


def _json_columns(stream: BinaryIO) -> tuple[str, ...]:
    """The keys of all objects, in the order they first come."""
    names: dict[str, None] = {}
    for number, value in _objects(stream):
        names |= dict.fromkeys(value)
        if len(names) > MAX_COLUMNS:
            raise TableError(f"Line {number}: with it there are more than {MAX_COLUMNS} columns. Leave some out.")
    if not names:
        raise TableError("The objects have no keys, so there are no columns.")
    for name in names:
        if name != " ".join(clean(name)[0].split()) or not name:
            raise TableError("A key is empty, or has line breaks or doubled spaces in it. Rename that column.")
    _check_names(list(names))
    return tuple(names)


def _json_rows(table: Table) -> Iterator[Row]:
    for number, value in _objects(table.stream):
        cells = _cells((_text(value.get(name)) for name in table.columns), f"Line {number}")
        yield dict(zip(table.columns, cells, strict=True))


def _text(value: object) -> str:
    """A JSON value as a cell: texts as they are, null as nothing, all else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else canonical(value)


# Both


def _cells(cells: Iterable[str], where: str) -> Iterator[str]:
    for place, cell in enumerate(cells, start=1):
        if len(cell) > MAX_CELL:
            raise TableError(f"{where}: cell {place} has {len(cell):,} characters; {MAX_CELL:,} are the most.")
        yield clean(cell)[0]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
