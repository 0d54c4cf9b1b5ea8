"""As much of Apache Parquet as a table of texts and lists of texts needs, written as a stream. Pure.

Columns are PLAIN UTF-8, gzipped, a page a row group; the metadata is Thrift's compact protocol. Written from the
specification (parquet-format 2.10); a library for the whole of it weighs a hundred times what the application does.
"""

import struct
import zlib
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

from .base import Sink

MAGIC = b"PAR1"
_BYTE_ARRAY, _UTF8, _LIST = 6, 0, 3
_REQUIRED, _OPTIONAL, _REPEATED = 0, 1, 2
_PLAIN, _RLE, _GZIP = 0, 3, 2
# The types of Thrift's compact protocol.
_I32, _I64, _BINARY, _LISTED, _STRUCT = 5, 6, 8, 9, 12


class Column(NamedTuple):
    """A text (path of one name) or a text in each element of a list (`list name, "list", "element", name`)."""

    path: tuple[str, ...]
    is_optional: bool = True

    @property
    def is_listed(self) -> bool:
        return len(self.path) > 1


class Writer:
    """Writes row groups one by one; `close` writes what makes a file of them."""

    def __init__(self, file: Sink, columns: Sequence[Column]) -> None:
        self._file, self._columns = file, columns
        self._groups: list[bytes] = []
        self._row_count = 0
        self._place = file.write(MAGIC)

    def write_group(self, rows: Sequence[Sequence[Any]]) -> None:
        """A row has a cell for each column: a text or None, or for a listed column a list of these, never empty."""
        chunks = [self._write_column(column, [row[i] for row in rows]) for i, column in enumerate(self._columns)]
        size = sum(size for _, size in chunks)
        fields = [(1, _LISTED, _list(_STRUCT, [chunk for chunk, _ in chunks])), (2, _I64, size), (3, _I64, len(rows))]
        self._groups.append(_fields(fields))
        self._row_count += len(rows)

    def close(self) -> None:
        schema = _list(_STRUCT, list(_schema(self._columns)))
        footer = _fields(
            [
                (1, _I32, 1),
                (2, _LISTED, schema),
                (3, _I64, self._row_count),
                (4, _LISTED, _list(_STRUCT, self._groups)),
                (6, _BINARY, "curation"),
            ]
        )
        self._file.write(footer + struct.pack("<I", len(footer)) + MAGIC)

    def _write_column(self, column: Column, cells: list[Any]) -> tuple[bytes, int]:
        """The column's metadata, and the size of what was written."""
        values = list(chain.from_iterable(cells)) if column.is_listed else cells
        data = _levels(column, cells, values) + _texts(value for value in values if value is not None)
        packed = zlib.compress(data, 1, wbits=31)
        page = _fields([(1, _I32, len(values)), (2, _I32, _PLAIN), (3, _I32, _RLE), (4, _I32, _RLE)])
        header = _fields([(1, _I32, 0), (2, _I32, len(data)), (3, _I32, len(packed)), (5, _STRUCT, page)])
        start = self._place
        self._place += self._file.write(header + packed)
        described = _fields(
            [
                (1, _I32, _BYTE_ARRAY),
                (2, _LISTED, _list(_I32, [_number(_PLAIN), _number(_RLE)])),
                (3, _LISTED, _list(_BINARY, [_text(name) for name in column.path])),
                (4, _I32, _GZIP),
                (5, _I64, len(values)),
                (6, _I64, len(header) + len(data)),
                (7, _I64, self._place - start),
                (9, _I64, start),
            ]
        )
        return _fields([(2, _I64, start), (3, _STRUCT, described)]), self._place - start


def _schema(columns: Sequence[Column]) -> Iterable[bytes]:
    tops = list(dict.fromkeys(column.path[0] for column in columns))
    yield _fields([(4, _BINARY, "schema"), (5, _I32, len(tops))])
    for top in tops:
        inside = [column for column in columns if column.path[0] == top]
        if inside[0].is_listed:
            yield _fields([(3, _I32, _REQUIRED), (4, _BINARY, top), (5, _I32, 1), (6, _I32, _LIST)])
            yield _fields([(3, _I32, _REPEATED), (4, _BINARY, "list"), (5, _I32, 1)])
            yield _fields([(3, _I32, _REQUIRED), (4, _BINARY, "element"), (5, _I32, len(inside))])
        for column in inside:
            repetition = _OPTIONAL if column.is_optional else _REQUIRED
            named = [(1, _I32, _BYTE_ARRAY), (3, _I32, repetition), (4, _BINARY, column.path[-1]), (6, _I32, _UTF8)]
            yield _fields(named)


def _levels(column: Column, cells: list[Any], values: list[Any]) -> bytes:
    """Where each list begins, and which values are there."""
    highest = int(column.is_listed) + int(column.is_optional)
    defined = [highest - (value is None) for value in values]
    data = _packed(defined, 1 if highest == 1 else 2) if highest else b""
    if column.is_listed:
        data = _packed([int(place > 0) for cell in cells for place in range(len(cell))], 1) + data
    return data


def _packed(levels: list[int], width: int) -> bytes:
    """Bit-packed in groups of eight, the lowest bit first, behind its length."""
    groups = (len(levels) + 7) // 8
    bits = 0
    packed = bytearray()
    for group in range(groups):
        bits = sum(level << (width * place) for place, level in enumerate(levels[group * 8 : group * 8 + 8]))
        packed += bits.to_bytes(width, "little")
    data = _varint(groups << 1 | 1) + bytes(packed)
    return struct.pack("<I", len(data)) + data


def _texts(texts: Iterable[str]) -> bytes:
    encoded = (text.encode() for text in texts)
    return b"".join(part for text in encoded for part in (struct.pack("<I", len(text)), text))


# Thrift's compact protocol


def _varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])


def _number(value: int) -> bytes:
    return _varint(value << 1)  # zigzag of what is never negative


def _text(text: str) -> bytes:
    return _varint(len(text.encode())) + text.encode()


def _list(kind: int, items: list[bytes]) -> bytes:
    size = bytes([len(items) << 4 | kind]) if len(items) < 15 else bytes([0xF0 | kind]) + _varint(len(items))
    return size + b"".join(items)


def _fields(fields: list[tuple[int, int, Any]]) -> bytes:
    """A struct: (id, type, value) in the order of ids; values of struct and list type are encoded already."""
    data, before = bytearray(), 0
    for number, kind, value in fields:
        data.append((number - before) << 4 | kind)
        before = number
        if kind in (_I32, _I64):
            data += _number(value)
        elif kind == _BINARY:
            data += _text(value)
        else:
            data += value
    return bytes(data) + b"\x00"
