"""OpenAI's format for supervised fine-tuning, which most trainers take: the example as it was frozen."""

from collections.abc import Iterable, Iterator

from .base import Format, Row, Sink, safe_line


def write(rows: Iterable[Row], file: Sink) -> Iterator[int]:
    for row in rows:
        file.write(safe_line(row.body) + b"\n")
        yield row.exchange_id


FORMAT = Format(
    "openai-chat",
    "OpenAI chat",
    "Supervised fine-tuning at OpenAI and at all that follow it, with tools where the calls had them.",
    write,
)
