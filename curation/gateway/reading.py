"""From records of the spool to what is stored."""

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from curation.models import Feedback, LoggedCall
from curation.recording import Call

from .frames import Frame, Kind

_UNPACKED_BYTES = 16 << 20


def put_together(frames: Sequence[Frame]) -> tuple[dict[str, Any], bytes, bytes]:
    """Facts, request and answer of one call, from all its records in their order."""
    first, *rest = frames
    if first.kind is Kind.POSTED:
        length = first.facts["request_bytes"]
        return first.facts, first.body[:length], first.body[length:]
    facts = dict(first.facts)
    for frame in rest:
        facts |= frame.facts
    return facts, first.body, b"".join(frame.body for frame in rest)


def call_of(call_id: UUID, facts: dict[str, Any], request: bytes, response: bytes) -> Call:
    """Raises KeyError, TypeError, ValueError or OverflowError for facts that another version wrote."""
    return Call(
        id=call_id,
        source=facts.get("source", LoggedCall.Source.GATEWAY),
        project_id=facts["project"],
        api_key_id=facts["key"],
        provider_id=facts["provider"],
        endpoint=facts["endpoint"],
        requested_model=facts["requested_model"],
        served_model=facts["served_model"],
        is_stream=facts["is_stream"],
        client_request_id=facts["client_request_id"],
        user_agent=facts["user_agent"],
        own_id=facts.get("own_id", ""),
        tags=facts.get("tags", ()),
        started_at=datetime.fromtimestamp(facts["started_at"], UTC),
        request_body=request,
        response_body=_unpacked(response, facts.get("encoding", "")),
        outcome=facts.get("outcome", ""),
        error_code=facts.get("error_code", ""),
        status_code=facts.get("status"),
        first_byte_ms=facts.get("first_byte_ms"),
        duration_ms=facts.get("duration_ms"),
    )


def feedback_of(frame: Frame) -> Feedback:
    """The row, not stored yet. Raises as `call_of` does."""
    said = orjson.loads(frame.body)
    return Feedback(
        id=frame.call_id,
        project_id=frame.facts["project"],
        api_key_id=frame.facts["key"],
        call_id=said["call_id"] and UUID(said["call_id"]),
        own_id=said["own_id"],
        thumb=said["thumb"],
        score=said["score"],
        comment=said["comment"],
        demonstration=said["demonstration"],
        said_at=datetime.fromtimestamp(said["said_at"], UTC),
    )


def _unpacked(body: bytes, encoding: str) -> bytes:
    """A provider may compress though it was asked not to. Never more than _UNPACKED_BYTES come out."""
    if encoding not in ("gzip", "deflate"):
        return body
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(body, _UNPACKED_BYTES)
    except zlib.error:
        return body
