"""A table for people, to be opened in a spreadsheet. No trainer wants it."""

import csv
import io
from collections.abc import Iterable, Iterator

import orjson

from .base import Format, Row, Sink, example_of, text_of

COLUMNS = ("row", "system", "earlier", "prompt", "answer", "captured")
# A spreadsheet takes a cell that begins so for a formula and runs it. The apostrophe itself is doubled, so that it can
# be told from one of ours when the table is read back.
_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write(rows: Iterable[Row], file: Sink) -> Iterator[int]:
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\r\n")
    table.writerow(COLUMNS)
    for row in rows:
        table.writerow(_cells(row))
        file.write(buffer.getvalue().encode())
        buffer.seek(0)
        buffer.truncate()
        yield row.exchange_id
    file.write(buffer.getvalue().encode())


def _cells(row: Row) -> list[str]:
    example = example_of(row.body)
    turns = example.turns
    last = max((place for place, turn in enumerate(turns) if turn["role"] == "user"), default=-1)
    earlier = [turn for place, turn in enumerate(turns) if place != last]
    texts = [
        example.system,
        orjson.dumps(earlier).decode() if earlier else "",
        text_of(turns[last].get("content")),
        example.answer,
        (row.captured or b"").decode(),
    ]
    return [str(row.exchange_id), *(harmless(text) for text in texts)]


def harmless(cell: str) -> str:
    """The cell as text that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_RISKY) else cell


FORMAT = Format(
    "csv",
    "Table (CSV)",
    "For people: prompt, answer and captured answer side by side. Cells like formulas begin with an apostrophe.",
    write,
    suffix="csv",
    content_type="text/csv; charset=utf-8; header=present",
    wants_captured=True,
)
