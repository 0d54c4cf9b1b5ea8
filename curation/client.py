"""Captures the calls another program makes to a model: copy this one file there; it needs nothing but Python 3.9.

    capture = Capture("https://curation.example.com/v1", "cur-…")
    client = capture.wrap(openai.OpenAI())          # also AsyncOpenAI; or, for calls made in any other way:
    capture.record(request={"model": …, "messages": […]}, response="The answer.")
    capture.feedback(capture.last_call_id, thumb=-1, demonstration="What should have been said.")

The program never waits for this and never sees an error of it. What is captured goes into a queue of limited size (when
it is full the oldest is dropped and counted), and one thread sends it in batches, again and again until it is taken.
At a normal end of the program that thread gets `exit_seconds` to finish. A process that ends by a signal or by
`os._exit` (so do children of `multiprocessing`) takes its queue along, unless it calls `flush()` before.
"""

from __future__ import annotations

import atexit
import encodings.idna  # noqa: F401 - used for every host name; a fork in the middle of its first import breaks it for good
import functools
import http.client
import inspect
import json
import logging
import os
import random
import threading
import time
import uuid
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

log = logging.getLogger(__name__)

Client = TypeVar("Client")
_BATCH_ITEMS = 200
_BATCH_BYTES = 4 << 20
_LONGEST_ANSWER = 8 << 20  # bytes of one streamed answer that are kept
_LONGEST_WAIT = 30.0  # seconds between two attempts
_OUR_HEADERS = ("x-curation-id", "x-curation-tags")
_NOT_IN_BODY = ("extra_headers", "extra_query", "extra_body", "timeout")
_last_call_id: ContextVar[str | None] = ContextVar("curation_last_call_id", default=None)


class _Item(NamedTuple):
    path: str
    line: bytes  # one JSON object


class Capture:
    """`url` ends in /v1 and `key` is a key of a project with the scopes capture and feedback.

    `dropped_count`: what the queue had no room for. `refused_count`: what the service would not take, such as with a
    wrong key. `sent_count`: what it took. Raises ValueError for an address or key that can be none.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        queue_items: int = 10_000,
        queue_bytes: int = 64 << 20,
        timeout: float = 10.0,
        exit_seconds: float = 5.0,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("Give the address that ends in /v1, for example https://curation.example.com/v1.")
        if not (key and key.isascii() and key.isprintable()):
            raise ValueError("This is no key of the service: those begin with cur-.")
        self._connect: Callable[[], http.client.HTTPConnection] = functools.partial(
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection,
            parts.hostname,
            parts.port,
            timeout=timeout,
        )
        self._path = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
        self._limits = (queue_items, queue_bytes)
        self._exit_seconds = exit_seconds
        self._reset()
        _captures.add(self)

    def _reset(self) -> None:
        """As new; also in a forked child, whose parent still has the queue and the thread."""
        self.sent_count = self.dropped_count = self.refused_count = 0
        self._queue: deque[_Item] = deque()
        self._queued_bytes = 0
        self._in_hand = 0  # items the thread is sending now
        self._changed = threading.Condition()
        self._is_hurried = False
        self._has_failed = False
        self._thread: threading.Thread | None = None

    # What a program calls

    @property
    def last_call_id(self) -> str | None:
        """The id of the call captured last in this thread or task."""
        return _last_call_id.get()

    def wrap(self, client: Client) -> Client:
        """The same client, sync or async, of which each completion and response (create, parse, stream) is captured
        from now on.

        One call's own id and tags are given as extra_headers x-curation-id and x-curation-tags; they are not sent on to
        the provider. Clients made of this one (`with_options`, `copy`) have to be wrapped themselves.
        """
        places = [("/v1/chat/completions", client.chat.completions)]  # type: ignore[attr-defined]
        for endpoint, name in (("/v1/completions", "completions"), ("/v1/responses", "responses")):
            if hasattr(client, name):
                places.append((endpoint, getattr(client, name)))
        for endpoint, resource in places:
            for name in ("create", "parse"):
                if hasattr(resource, name) and not hasattr(getattr(resource, name), "is_captured"):
                    setattr(resource, name, _captured(self, endpoint, getattr(resource, name)))
        return client

    def record(
        self,
        *,
        request: str | dict[str, Any],
        response: str | dict[str, Any] | list[Any] | None = None,
        call_id: str | None = None,
        endpoint: str = "/v1/chat/completions",
        error: str = "",
        status_code: int | None = None,
        started_at: float | None = None,
        duration_ms: float | None = None,
        own_id: str = "",
        tags: Iterable[str] = (),
    ) -> str:
        """Capture a call by hand; returns its id. A text as request is the user's message, a text as response the
        answer, a list as response the chunks of a stream. `started_at` is in seconds since 1970. The same `call_id`
        twice is one call.
        """
        call = _Call(self, endpoint, call_id=call_id, started_at=started_at)
        call.take_request(request, own_id, tags)
        call.finish(response, error=error, status_code=status_code, duration_ms=duration_ms)
        return call.id

    def feedback(
        self,
        call_id: str | None = None,
        *,
        own_id: str = "",
        thumb: int | None = None,
        score: float | None = None,
        comment: str = "",
        demonstration: str = "",
        feedback_id: str | None = None,
    ) -> str:
        """What somebody said of a call, named by its id or by the program's own id of it; returns the feedback's id.

        `thumb` is 1, 0 or -1; `demonstration` is the answer that should have been given.
        """
        feedback_id = feedback_id or str(uuid.uuid4())
        said = {"id": feedback_id, "call_id": call_id, "own_id": own_id, "thumb": thumb, "score": score}
        with _quiet(self):
            self._put("/feedback", json.dumps({**said, "comment": comment, "demonstration": demonstration}))
        return feedback_id

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all is sent; False when that took longer than `timeout` seconds."""
        with self._changed:
            self._is_hurried = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_empty or not self._is_sending, timeout)
            self._is_hurried = False
            return self._is_empty

    @property
    def _is_empty(self) -> bool:
        return not (self._queue or self._in_hand)

    @property
    def _is_sending(self) -> bool:
        """Python starts no new thread once it has begun to end."""
        return self._thread is not None and self._thread.is_alive()

    # The queue and its thread

    def _put(self, path: str, line: str) -> None:
        item = _Item(path, line.encode("ascii"))
        with self._changed:
            self._queue.append(item)
            self._queued_bytes += len(item.line)
            while len(self._queue) > self._limits[0] or self._queued_bytes > self._limits[1]:
                self._queued_bytes -= len(self._queue.popleft().line)
                self.dropped_count += 1
            if not self._is_sending:
                self._thread = threading.Thread(target=self._send_forever, name="curation-capture", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _send_forever(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue)
                batch = self._take_batch()
            try:
                self._send_until_taken(batch)
            finally:
                with self._changed:
                    self._in_hand = 0
                    self._changed.notify_all()

    def _take_batch(self) -> list[_Item]:
        """The oldest items of one path, so many as one request should carry."""
        batch: list[_Item] = []
        size = 0
        while self._queue and len(batch) < _BATCH_ITEMS and size < _BATCH_BYTES:
            if batch and self._queue[0].path != batch[0].path:
                break
            batch.append(self._queue.popleft())
            size += len(batch[-1].line)
        self._queued_bytes -= size
        self._in_hand = len(batch)
        return batch

    def _send_until_taken(self, batch: list[_Item]) -> None:
        wait = 0.2
        while True:
            status, refused, retry_after = self._post(batch)
            if 200 <= status < 300:
                self.sent_count += len(batch) - refused
                self.refused_count += refused
                self._has_failed = False
                return
            if status == 413 and len(batch) > 1:
                self._send_until_taken(batch[: len(batch) // 2])
                self._send_until_taken(batch[len(batch) // 2 :])
                return
            if 400 <= status < 500 and status not in (408, 425, 429):
                self.refused_count += len(batch)
                self._tell_once("The service does not take what is captured: it answers %s", status)
                return
            self._tell_once("What is captured waits, the service does not take it now (%s)", status or "no answer")
            with self._changed:
                pause = max(wait, retry_after) * random.uniform(0.7, 1.3)  # noqa: S311
                self._changed.wait_for(lambda: self._is_hurried, pause)
            if self._is_hurried:
                time.sleep(0.1)
            wait = min(wait * 2, _LONGEST_WAIT)

    def _post(self, batch: list[_Item]) -> tuple[int, int, float]:
        """Status (0 without an answer), how many the service refused, and for how many seconds it wants to be left."""
        connection = self._connect()
        try:
            body = b"\n".join(item.line for item in batch)
            connection.request("POST", self._path + batch[0].path, body, self._headers)
            response = connection.getresponse()
            answer = json.loads(response.read(1 << 20) or b"{}") if response.status == 200 else {}
            return response.status, len(answer.get("rejected", ())), _seconds(response.getheader("retry-after"))
        except (OSError, http.client.HTTPException):
            return 0, 0, 0.0
        except Exception as error:  # noqa: BLE001 - such as something else that answers: no trace in the program's output
            log.debug("Sending failed: %s", type(error).__name__)
            return 502, 0, 0.0
        finally:
            connection.close()

    def _tell_once(self, message: str, what: object) -> None:
        if not self._has_failed:
            self._has_failed = True
            log.warning(message, what)

    def _finish_at_exit(self) -> None:
        if not self.flush(self._exit_seconds):
            log.warning("%d captured items were not sent before the end", len(self._queue) + self._in_hand)


class _quiet:
    """Whatever goes wrong in capturing is counted and told once; the program goes on."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        self._capture.dropped_count += 1
        self._capture._tell_once("A call could not be captured: %s", type(error).__name__)
        return True


class _Call:
    """One call while it happens. No method raises. What is given is turned into text at once: the caller may change its
    lists and messages as soon as it has them back.
    """

    def __init__(
        self, capture: Capture, endpoint: str, *, call_id: str | None = None, started_at: float | None = None
    ) -> None:
        self.id = call_id or str(uuid.uuid4())
        self._capture = capture
        self._began = time.monotonic()
        self._facts: dict[str, Any] = {"id": self.id, "endpoint": endpoint, "started_at": started_at or time.time()}
        self._request = ""
        self._chunks: list[str] = []
        self._size = 0
        self._is_open = True
        _last_call_id.set(self.id)

    def take_request(self, request: Any, own_id: str = "", tags: Iterable[str] = ()) -> None:
        with _quiet(self._capture):
            if isinstance(request, str):
                request = {"messages": [{"role": "user", "content": request}]}
            self._request = _json(request)
            self._facts.update(own_id=own_id, tags=list(tags))

    def take_chunk(self, chunk: Any) -> None:
        with _quiet(self._capture):
            if not self._chunks:
                self._facts["first_byte_ms"] = self._elapsed_ms()
            if self._is_open and self._size < _LONGEST_ANSWER:
                self._chunks.append(_json(chunk))
                self._size += len(self._chunks[-1])

    def end_stream(self, *, is_whole: bool, error: BaseException | None = None) -> None:
        reason = type(error).__name__ if error else ""
        if self._size >= _LONGEST_ANSWER:
            is_whole, reason = True, "answer_too_long_to_keep"
        self._put(f"[{','.join(self._chunks)}]", error=reason, is_whole=is_whole)

    def fail(self, error: BaseException) -> None:
        """The call raised: keep what the provider said, if it said something."""
        body = getattr(error, "body", None)
        response = {"error": body} if isinstance(body, dict) else None
        self.finish(response, error=type(error).__name__, status_code=getattr(error, "status_code", None))

    def finish(self, response: Any, **facts: Any) -> None:
        with _quiet(self._capture):
            if isinstance(response, str):
                message = {"role": "assistant", "content": response}
                response = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
            self._put(_json(response), **facts)

    def _put(self, response: str, **facts: Any) -> None:
        if not self._is_open or not self._request:
            return
        self._is_open = False
        if facts.get("duration_ms") is None:
            facts["duration_ms"] = self._elapsed_ms()
        with _quiet(self._capture):
            start = _json({**self._facts, **facts})[:-1]
            self._capture._put("/calls", f'{start}, "request": {self._request}, "response": {response}}}')

    def _elapsed_ms(self) -> float:
        return round((time.monotonic() - self._began) * 1000, 3)


def _json(value: Any) -> str:
    """As JSON in ASCII, of plain values and of the openai package's objects."""
    return json.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump") and not isinstance(value, type):
        return value.model_dump(mode="json", exclude_unset=True, warnings=False)
    if isinstance(value, Iterable):
        return list(value)
    return getattr(value, "__name__", None) or type(value).__name__


# Around the methods of a client


def _captured(capture: Capture, endpoint: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def captured(*args: Any, **options: Any) -> Any:
        call = _Call(capture, endpoint)
        with _quiet(capture):
            options = _begin(call, options)
        try:
            result = original(*args, **options)
        except BaseException as error:
            call.fail(error)
            raise
        return _await(call, result) if inspect.isawaitable(result) else _take(call, result)

    captured.is_captured = True  # type: ignore[attr-defined]  # so that wrapping twice is wrapping once
    return captured


async def _await(call: _Call, result: Awaitable[Any]) -> Any:
    _last_call_id.set(call.id)
    try:
        answer = await result
    except BaseException as error:
        call.fail(error)
        raise
    return _take(call, answer)


def _begin(call: _Call, options: dict[str, Any]) -> dict[str, Any]:
    """Note the request; returns the options without what is meant for us alone."""
    headers = dict(options.get("extra_headers") or {})
    ours = {name.lower(): headers.pop(name) for name in list(headers) if name.lower() in _OUR_HEADERS}
    body = {
        name: value
        for name, value in options.items()
        if name not in _NOT_IN_BODY and type(value).__name__ not in ("NotGiven", "Omit")
    }
    tags = [tag.strip() for tag in ours.get("x-curation-tags", "").split(",") if tag.strip()]
    call.take_request({**body, **(options.get("extra_body") or {})}, ours.get("x-curation-id", ""), tags)
    return {**options, "extra_headers": headers} if ours else options


def _take(call: _Call, answer: Any) -> Any:
    """Note the answer; returns it, a stream in a shell that notes each chunk as the caller reads it."""
    if hasattr(answer, "http_response"):  # with_raw_response
        with _quiet(call._capture):
            if answer.http_response.is_closed:
                call.finish(json.loads(answer.http_response.content))
        return answer
    if hasattr(answer, "__aiter__"):
        return _AsyncStream(answer, call)
    if hasattr(answer, "__next__"):
        return _Stream(answer, call)
    call.finish(answer)
    return answer


class _Shell:
    """A stream of the openai package, in all but what is written below."""

    def __init__(self, stream: Any, call: _Call) -> None:
        self._stream = stream
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __del__(self) -> None:
        self._call.end_stream(is_whole=False)  # dropped before its end; after that, this does nothing

    @contextmanager
    def _noting(self, end: type[Exception]) -> Iterator[None]:
        try:
            yield
        except end:
            self._call.end_stream(is_whole=True)
            raise
        except BaseException as error:
            self._call.end_stream(is_whole=False, error=error)
            raise

    def _noted(self, chunk: Any) -> Any:
        self._call.take_chunk(chunk)
        return chunk


class _Stream(_Shell):
    def __iter__(self) -> _Stream:
        return self

    def __next__(self) -> Any:
        with self._noting(StopIteration):
            return self._noted(next(self._stream))

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._call.end_stream(is_whole=False)
        self._stream.close()


class _AsyncStream(_Shell):
    def __aiter__(self) -> _AsyncStream:
        return self

    async def __anext__(self) -> Any:
        with self._noting(StopAsyncIteration):
            return self._noted(await self._stream.__anext__())

    async def __aenter__(self) -> _AsyncStream:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        self._call.end_stream(is_whole=False)
        await self._stream.close()


def _seconds(header: str | None) -> float:
    """What Retry-After says, when it says seconds."""
    try:
        return min(float(header or 0), _LONGEST_WAIT)
    except ValueError:
        return 0.0


_captures: weakref.WeakSet[Capture] = weakref.WeakSet()


@atexit.register
def _finish_all() -> None:
    for capture in list(_captures):
        capture._finish_at_exit()


def _forget_all() -> None:
    for capture in _captures:
        capture._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
