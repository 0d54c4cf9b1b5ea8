"""What applications send in by themselves, calls made elsewhere and feedback: from a body to facts for the spool.

A record that cannot be taken says why, and the others are taken all the same.
"""

import json
import time
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import orjson

from curation.chat import ChatError, clean, parse_strict
from curation.models import LoggedCall

from .labels import labels

MOST_RECORDS = 1000
_LONGEST_TEXT = 1_000_000  # characters of a comment or a demonstration
_DAY = 86400.0


class Unfit(ValueError):
    """A record that cannot be taken; the message says why and never quotes it."""


class PostedCall(NamedTuple):
    id: UUID
    facts: dict[str, Any]
    request: bytes
    response: bytes


class PostedFeedback(NamedTuple):
    id: UUID
    said: dict[str, Any]


def read_records(body: bytes, *, is_lines: bool) -> list[Any]:
    """The JSON values of a body: one on each line, or else one object or a list. A line that cannot be read is an Unfit
    in its place. Raises Unfit for a body that is nothing of this.
    """
    if is_lines:
        records = [_parse_or_unfit(line) for line in body.split(b"\n") if line.strip()]
    else:
        value = _parse(body)
        records = value if isinstance(value, list) else [value]
    if not records:
        raise Unfit("There is nothing in the body.")
    if len(records) > MOST_RECORDS:
        raise Unfit(f"There are {len(records)} records; send at most {MOST_RECORDS} at a time.")
    return records


def _parse(text: bytes) -> Any:
    try:
        return parse_strict(text)
    except ChatError as error:
        raise Unfit(str(error)) from None


def _parse_or_unfit(line: bytes) -> Any:
    try:
        return _parse(line)
    except Unfit as unfit:
        return unfit


def read_call(record: Any) -> PostedCall:
    """Raises Unfit."""
    given = _object(record)
    request, response = given.get("request"), given.get("response")
    if not isinstance(request, dict):
        raise Unfit("“request” must be an object: the body of the request.")
    if not (response is None or isinstance(response, dict) or _is_chunks(response)):
        raise Unfit("“response” must be an object, a list of a stream's chunks, or null.")
    facts = {
        "source": LoggedCall.Source.CLIENT.value,
        "endpoint": _text(given, "endpoint", 80) or "/v1/chat/completions",
        "requested_model": _model(request),
        "served_model": "",
        "is_stream": isinstance(response, list),
        "started_at": _moment(given.get("started_at")),
        **labels(given.get("own_id"), given.get("tags"), request.get("metadata")),
        "status": _whole_number(given, "status_code", 100, 599),
        "error_code": _text(given, "error", 200),
        "first_byte_ms": _milliseconds(given, "first_byte_ms"),
        "duration_ms": _milliseconds(given, "duration_ms"),
    }
    return PostedCall(_id(given, "id") or uuid4(), facts, _dump(request), _body(response, given))


def read_feedback(record: Any) -> PostedFeedback:
    """Raises Unfit."""
    given = _object(record)
    call_id = _id(given, "call_id")
    said = {
        "call_id": str(call_id) if call_id else None,
        "own_id": labels(given.get("own_id"), None, None)["own_id"],
        "thumb": _whole_number(given, "thumb", -1, 1),
        "score": _number(given, "score"),
        "comment": _text(given, "comment", _LONGEST_TEXT),
        "demonstration": _text(given, "demonstration", _LONGEST_TEXT),
        "said_at": _moment(given.get("said_at")),
    }
    if not (said["call_id"] or said["own_id"]):
        raise Unfit("Name the call: “call_id”, or “own_id” as it was given with the call.")
    if said["thumb"] is None and said["score"] is None and not (said["comment"] or said["demonstration"]):
        raise Unfit("Say something: “thumb” (-1, 0 or 1), “score”, “comment” or “demonstration”.")
    return PostedFeedback(_id(given, "id") or uuid4(), said)


def _object(record: Any) -> dict[str, Any]:
    if isinstance(record, Unfit):
        raise record
    if not isinstance(record, dict):
        raise Unfit("A record must be a JSON object.")
    return record


def _is_chunks(response: Any) -> bool:
    return isinstance(response, list) and all(isinstance(chunk, dict) for chunk in response)


def _body(response: Any, given: dict[str, Any]) -> bytes:
    """The answer as it would have come over the wire."""
    if response is None:
        return b""
    if isinstance(response, dict):
        return _dump(response)
    end = b"data: [DONE]\n\n" if given.get("is_whole", True) is True else b""
    return b"".join(b"data: " + _dump(chunk) + b"\n\n" for chunk in response) + end


def _dump(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # an unpaired surrogate, or an integer beyond 64 bits
        return json.dumps(value).encode()


def _model(request: dict[str, Any]) -> str:
    model = request.get("model")
    return clean(model)[0][:200] if isinstance(model, str) else ""


def _id(given: dict[str, Any], name: str) -> UUID | None:
    value = given.get(name)
    if value is None:
        return None
    try:
        return UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise Unfit(f"“{name}” must be a UUID.") from None


def _text(given: dict[str, Any], name: str, limit: int) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > limit:
        raise Unfit(f"“{name}” must be a text of at most {limit} characters.")
    return clean(value)[0]


def _number(given: dict[str, Any], name: str) -> float | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e300:
        raise Unfit(f"“{name}” must be a number.")
    return float(value)


def _milliseconds(given: dict[str, Any], name: str) -> float | None:
    value = _number(given, name)
    if value is not None and value < 0:
        raise Unfit(f"“{name}” must not be negative.")
    return value


def _whole_number(given: dict[str, Any], name: str, least: int, most: int) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Unfit(f"“{name}” must be a whole number from {least} to {most}.")
    return value


def _moment(value: Any) -> float:
    """Seconds since 1970, of a number of them or an ISO date with its offset; now, when nothing is given."""
    if value is None:
        return time.time()
    try:
        seconds = datetime.fromisoformat(value).timestamp() if isinstance(value, str) else _number({"": value}, "")
    except (Unfit, ValueError, OverflowError, OSError):
        seconds = None
    if seconds is None or not 0 < seconds < time.time() + _DAY:
        raise Unfit("A moment must be seconds since 1970 or an ISO date, and not in the future.")
    return seconds
