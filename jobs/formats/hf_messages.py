"""Hugging Face: a Parquet file with a column `messages`, a list of {role, content, …}, as TRL and others read it."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from curation.chat import text_of

from . import parquet
from .base import Format, Row, Sink

_ELEMENT = ("messages", "list", "element")
_COLUMNS = (
    parquet.Column((*_ELEMENT, "role"), is_optional=False),
    parquet.Column((*_ELEMENT, "content")),
    parquet.Column((*_ELEMENT, "tool_calls")),
    parquet.Column((*_ELEMENT, "tool_call_id")),
    parquet.Column((*_ELEMENT, "name")),
    parquet.Column(("tools",)),
)
GROUP_ROWS, GROUP_BYTES = 4_000, 16 << 20


def write(rows: Iterable[Row], file: Sink) -> Iterator[int]:
    """Tool calls and tools stand as JSON text: their arguments have another shape for each tool."""
    table = parquet.Writer(file, _COLUMNS)
    group: list[list[Any]] = []
    size = 0
    for row in rows:
        group.append(_cells(row.body))
        size += len(row.body)
        if len(group) == GROUP_ROWS or size > GROUP_BYTES:
            table.write_group(group)
            group, size = [], 0
        yield row.exchange_id
    if group:
        table.write_group(group)
    table.close()


def _cells(body: bytes) -> list[Any]:
    value = orjson.loads(body)
    messages = value["messages"]
    return [
        [message["role"] for message in messages],
        [_content(message.get("content")) for message in messages],
        [_json(message.get("tool_calls")) for message in messages],
        [message.get("tool_call_id") for message in messages],
        [message.get("name") for message in messages],
        _json(value.get("tools")),
    ]


def _content(content: Any) -> str | None:
    return None if content is None else text_of(content)


def _json(value: Any) -> str | None:
    return orjson.dumps(value).decode() if value else None


FORMAT = Format(
    "hf-messages",
    "Hugging Face messages",
    "Parquet with a column of messages, for TRL, Axolotl and everything that reads Hugging Face datasets.",
    write,
    suffix="parquet",
    content_type="application/vnd.apache.parquet",
)
