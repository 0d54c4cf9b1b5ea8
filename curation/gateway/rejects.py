"""Records that no database will take. They are kept for a person, masked by the strictest policy there is."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from curation.redaction import STRICTEST, redactor

from .frames import Frame, Kind, encode
from .reading import put_together

log = logging.getLogger(__name__)


def set_aside(folder: Path, record_id: UUID, frames: Sequence[Frame], error: Exception) -> None:
    """As a segment that can be put back into the spool, with the reason beside it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    reason = f"{type(error).__name__} {sqlstate(error)}".strip()
    details, _counts = redactor(STRICTEST).text(str(error))
    _write(folder / f"{record_id}.000001.segment", _masked(record_id, frames))
    _write(folder / f"{record_id}.reason.txt", f"{reason}\n{details}\n".encode(errors="replace"))
    log.error("record %s cannot be stored and was set aside in %s: %s", record_id, folder, reason)


def sqlstate(error: Exception) -> str:
    """The database's code for what went wrong, "" where it was not the database."""
    return getattr(error.__cause__, "sqlstate", None) or ""


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def _masked(record_id: UUID, frames: Sequence[Frame]) -> bytes:
    mask = redactor(STRICTEST)
    if frames[0].kind is Kind.FEEDBACK:
        return encode(Kind.FEEDBACK, record_id, frames[0].facts, mask.body(frames[0].body)[0])
    facts, request, response = put_together(frames)
    masked: dict[str, Any] = orjson.loads(mask.body(orjson.dumps(facts))[0])
    request, response = mask.body(request)[0], mask.body(response)[0]
    return encode(Kind.POSTED, record_id, masked | {"request_bytes": len(request)}, request + response)
