"""Passing an answer on to the client, with a copy for the record."""

import asyncio
import re
import time
from typing import Any, Self
from uuid import UUID

from curation import responses
from curation.models import LoggedCall

from .frames import Kind
from .refusals import Refusal
from .requests import Receive, Send
from .spool import Spool
from .upstream import Response, response_headers

COMPLETED = LoggedCall.Outcome.COMPLETED.value
CLIENT_GONE = LoggedCall.Outcome.CLIENT_GONE.value
FAILED = LoggedCall.Outcome.FAILED.value
INTERRUPTED = LoggedCall.Outcome.INTERRUPTED.value

_COPY_BYTES = 16 << 20
_PART_BYTES = 64 << 10
_PART_SECONDS = 1.0
_DONE = re.compile(rb"[\r\n]data: ?\[DONE\]")
_RESPONSE_ENDS = re.compile(
    rb'[\r\n](?:event: ?|data: ?\{"type": ?")(?:response\.(?:completed|failed|incomplete)|error)["\r\n]'
)
_BLANK_LINES = (b"\n\n", b"\r\n\r\n", b"\r\r")
_WATCH_AFTER = 0.02  # seconds: a quicker answer is not worth a task to watch over it
_TAIL = 48  # bytes, more than the patterns match


class LastEvent:
    """Knows from the pieces of a stream when there is all of it that clients wait for: chat ends with a short line, the
    Responses API with an event that repeats the whole answer and may come in many pieces.
    """

    def __init__(self, endpoint: str) -> None:
        self._is_response = endpoint == responses.ENDPOINT
        self._has_begun = False
        self._tail = b"\n"

    def is_whole(self, chunk: bytes) -> bool:
        window = self._tail + chunk
        self._tail = window[-_TAIL:]
        if not self._is_response:
            return b"[DONE]" in window and _DONE.search(window) is not None
        self._has_begun = self._has_begun or _RESPONSE_ENDS.search(window) is not None
        return self._has_begun and window.endswith(_BLANK_LINES)


class Recorded:
    """What the spool keeps of one call: its beginning, its answer in pieces, its end. Every method but `end` is quick
    and none waits for anything but, in `end`, the disk.
    """

    def __init__(self, spool: Spool, call_id: UUID) -> None:
        self.call_id = call_id
        self.is_open = True
        self._spool = spool
        self._began = time.monotonic()
        self._facts: dict[str, Any] = {}
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._copied = 0
        self._timer: asyncio.TimerHandle | None = None
        self.last_event = LastEvent("")

    def begin(self, facts: dict[str, Any], body: bytes) -> None:
        """Raises SpoolFull; then the call must not be made."""
        self.last_event = LastEvent(facts["endpoint"])
        self._spool.append(Kind.INTENT, self.call_id, facts | {"started_at": time.time()}, body)

    def answered(self, response: Response) -> None:
        self._facts |= {"status": response.status, "first_byte_ms": self._elapsed_ms()}
        if encoding := response.header(b"content-encoding"):
            self._facts["encoding"] = encoding.lower()

    def add(self, chunk: bytes, *, is_last: bool = False) -> None:
        """Keep a piece of the answer, up to _COPY_BYTES; beyond, the call goes on and its copy is marked as cut. After
        the last the end is written at once.
        """
        room = _COPY_BYTES - self._copied
        if len(chunk) > room:
            chunk = chunk[:room]
            self._facts |= {"outcome": COMPLETED, "error_code": "answer_too_long_to_keep"}
        self._copied += len(chunk)
        self._buffered += len(chunk)
        self._buffer.append(chunk)
        if self._buffered >= _PART_BYTES:
            self._write(Kind.PART)
        elif self._timer is None and not is_last:
            self._timer = asyncio.get_running_loop().call_later(_PART_SECONDS, self._write, Kind.PART)

    async def end(self, **facts: Any) -> None:
        """Write the end of the call; returns when it is as safe as was asked for. A second end is none."""
        if not self.is_open:
            return
        self.is_open = False
        self._facts |= facts | {"duration_ms": self._elapsed_ms()}
        self._write(Kind.COMPLETION)
        await self._spool.settle()

    def _write(self, kind: Kind) -> None:
        facts, self._facts = self._facts, {}
        body, self._buffer, self._buffered = b"".join(self._buffer), [], 0
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._spool.append(kind, self.call_id, facts, body)

    def _elapsed_ms(self) -> float:
        return round((time.monotonic() - self._began) * 1000, 3)


async def relay(response: Response, send: Send, watch: "Watch", recorded: Recorded | None) -> None:
    """Pass the answer on as it comes. The record is written before the client has the last byte of it. Raises Refusal
    for what is no answer at all, before anything was passed on.
    """
    _check(response, recorded)
    headers = response_headers(response)
    if recorded:
        recorded.answered(response)
        headers.append((b"x-curation-call-id", str(recorded.call_id).encode()))
    headers.append((b"x-content-type-options", b"nosniff"))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if response.content_type == "text/event-stream":
        rest = await _pass_events(response, send, recorded)
    else:
        rest = await _pass_body(response, send, recorded)
    if recorded:
        await recorded.end()
    watch.stop()
    await send({"type": "http.response.body", "body": rest, "more_body": False})


def _check(response: Response, recorded: Recorded | None) -> None:
    if 300 <= response.status < 400 and response.status != 304:
        message = "The provider answered with a redirect, which is not followed. Check its address."
        raise Refusal(502, "upstream_redirect", message, kind="server_error")
    if recorded and response.is_ok and response.content_type == "text/html":
        message = "The provider answered with a web page. Check its address."
        raise Refusal(502, "upstream_not_an_api", message, kind="server_error")


async def _pass_events(response: Response, send: Send, recorded: Recorded | None) -> bytes:
    """Every piece at once. Clients stop reading at the last event: the record is written before that is passed on."""
    async for chunk in response.pieces():
        if recorded and recorded.is_open:
            recorded.add(chunk)
            if recorded.last_event.is_whole(chunk):
                await recorded.end()
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    return b""


async def _pass_body(response: Response, send: Send, recorded: Recorded | None) -> bytes:
    """One piece behind: the last is returned and not passed on yet."""
    held = b""
    async for chunk in response.pieces():
        if recorded:
            recorded.add(chunk, is_last=response.is_whole)
        if held:
            await send({"type": "http.response.body", "body": held, "more_body": True})
        held = chunk
    return held


class Watch:
    """Cancels the task that serves a client when the client hangs up, so that nothing is paid for that nobody reads;
    `with` it, until that is left.
    """

    def __init__(self, receive: Receive) -> None:
        self.is_client_gone = False
        self._server = asyncio.current_task()
        self._receive = receive
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(_WATCH_AFTER, self._begin)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.stop()

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._wait(self._receive))

    async def _wait(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.is_client_gone = True
        assert self._server
        self._server.cancel()

    def stop(self) -> None:
        self._timer.cancel()
        if self._task:
            self._task.cancel()
