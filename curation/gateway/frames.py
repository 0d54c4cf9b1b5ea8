"""How a record lies in a spool file: a frame that shows by itself whether it is whole. Pure."""

import struct
import zlib
from enum import IntEnum
from typing import Any, BinaryIO, NamedTuple
from uuid import UUID

import orjson

_MAGIC = b"\xc5\xf1SP"
_HEADER = struct.Struct(">4sIIBI")  # magic, payload length, CRC-32 of the rest, kind, length of the facts
_ID_BYTES = 16
LONGEST = 1 << 30  # a length beyond this is damage, not a record


class Kind(IntEnum):
    INTENT = 1  # a call has come in: facts and the request's body
    PART = 2  # a piece of its answer, of an answer that takes long
    COMPLETION = 3  # it has ended: facts and the rest of the answer
    POSTED = 4  # a call made elsewhere, whole: facts, the request's body, of `request_bytes` bytes, and the answer's
    FEEDBACK = 5  # what somebody said of a call: its body is JSON, the id its own


_KINDS = frozenset(Kind)


class Frame(NamedTuple):
    kind: Kind
    call_id: UUID
    facts: dict[str, Any]
    body: bytes


class Torn(Exception):
    """Here lies no whole frame: the file ends within it, it is not written yet, or it is damaged."""


def encode(kind: Kind, call_id: UUID, facts: dict[str, Any], body: bytes) -> bytes:
    packed = orjson.dumps(facts)
    payload = b"".join((call_id.bytes, packed, body))
    tail = struct.pack(">BI", kind, len(packed))
    return b"".join((_MAGIC, struct.pack(">II", len(payload), zlib.crc32(payload, zlib.crc32(tail))), tail, payload))


def read(file: BinaryIO) -> tuple[Frame, int] | None:
    """The frame at the file's position and its length in bytes; None at the end of the file. Raises Torn."""
    header = file.read(_HEADER.size)
    if not header:
        return None
    if len(header) < _HEADER.size:
        raise Torn
    magic, length, checksum, kind, facts_length = _HEADER.unpack(header)
    if magic != _MAGIC or length > LONGEST or kind not in _KINDS:
        raise Torn
    payload = file.read(length)
    if len(payload) < length or zlib.crc32(payload, zlib.crc32(header[-5:])) != checksum:
        raise Torn
    facts_end = _ID_BYTES + facts_length
    try:
        facts = orjson.loads(payload[_ID_BYTES:facts_end])
    except orjson.JSONDecodeError:
        raise Torn from None
    return Frame(Kind(kind), UUID(bytes=payload[:_ID_BYTES]), facts, payload[facts_end:]), _HEADER.size + length


def find_next(file: BinaryIO, start: int) -> int | None:
    """Where after `start` the next frame may begin, to go on behind a damaged one."""
    file.seek(start)
    kept = b""
    while block := file.read(1 << 20):
        window = kept + block
        if (found := window.find(_MAGIC)) >= 0:
            return start - len(kept) + found
        kept = window[-(len(_MAGIC) - 1) :]
        start += len(block)
    return None
