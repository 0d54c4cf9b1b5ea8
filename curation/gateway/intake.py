"""The doors for what was not asked through this gateway: POST /v1/calls and POST /v1/feedback."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson

from .auth import Caller
from .frames import Kind
from .posted import PostedCall, PostedFeedback, Unfit, read_call, read_feedback, read_records
from .refusals import Refusal, spool_full
from .requests import Request
from .spool import Spool, SpoolFull

CALLS, FEEDBACK = "/v1/calls", "/v1/feedback"
_BODY_BYTES = 16 << 20
_QUICK_BYTES = 64 << 10  # what is read at once; more is read in a thread, so that the calls of others need not wait
_JSON, _LINES = ("application/json",), ("application/x-ndjson", "application/jsonl", "application/x-jsonlines")

Posted = PostedCall | PostedFeedback


async def take(request: Request, caller: Caller, spool: Spool) -> bytes:
    """Take what a request brings; returns the answer: the ids of what was taken, and why the rest was not.

    What was taken is as safe as a call through the gateway. Raises Refusal when nothing of it can be taken. Sending the
    same ids again changes nothing.
    """
    kind = request.check_is_json(_JSON + _LINES)
    body = await request.body(_BODY_BYTES)
    read = read_call if request.path == CALLS else read_feedback
    if len(body) > _QUICK_BYTES:
        taken, rejected = await asyncio.to_thread(_read, body, kind in _LINES, read)
    else:
        taken, rejected = _read(body, kind in _LINES, read)
    if not taken:
        raise Refusal(400, "nothing_taken", rejected[0]["message"])
    try:
        for posted in taken:
            _append(spool, posted, caller, request.header(b"user-agent")[:200])
    except SpoolFull:
        raise spool_full() from None
    await spool.settle()
    ids = [str(posted.id) for posted in taken]
    return orjson.dumps({"object": "list", "accepted": ids, "rejected": rejected})


def _read(body: bytes, is_lines: bool, read: Callable[[Any], Posted]) -> tuple[list[Posted], list[dict[str, Any]]]:
    try:
        records = read_records(body, is_lines=is_lines)
    except Unfit as unfit:
        raise Refusal(400, "invalid_json", str(unfit)) from None
    taken: list[Posted] = []
    rejected: list[dict[str, Any]] = []
    for index, record in enumerate(records):
        try:
            taken.append(read(record))
        except Unfit as unfit:
            rejected.append({"index": index, "message": str(unfit)})
    return taken, rejected


def _append(spool: Spool, posted: Posted, caller: Caller, user_agent: str) -> None:
    whose = {"project": caller.project_id, "key": caller.key_id}
    if isinstance(posted, PostedFeedback):
        spool.append(Kind.FEEDBACK, posted.id, whose, orjson.dumps(posted.said))
        return
    facts = whose | {"provider": None, "client_request_id": "", "user_agent": user_agent} | posted.facts
    facts |= {"request_bytes": len(posted.request)}
    spool.append(Kind.POSTED, posted.id, facts, posted.request + posted.response)
