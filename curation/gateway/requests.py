"""Reading what a client sends: path, key, body. Everything wrong with it is answered here, before anything is spent."""

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from .refusals import Refusal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_BODY_SECONDS = 60.0
_DRAIN_BYTES = 256 << 20
_SEGMENT = re.compile(rb"[A-Za-z0-9._~:@-]+")
_ID = re.compile(r"[A-Za-z0-9._-]+")


class ClientGone(Exception):
    """The client hung up while it was sending."""


class Request:
    """One request of a client: a reading view of the ASGI scope."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.query: bytes = scope["query_string"]
        self.headers: list[tuple[bytes, bytes]] = scope["headers"]
        self.receive = receive
        self._first = dict(reversed(self.headers))
        self.path = _path(scope)

    def header(self, name: bytes) -> str:
        """The first header of that name (in lower case), or ""."""
        return self._first.get(name, b"").decode("latin-1")

    def key(self) -> str:
        """The caller's key from `Authorization: Bearer …`. Raises Refusal."""
        values = [value for name, value in self.headers if name == b"authorization"]
        if len(values) > 1:
            raise Refusal(400, "invalid_authorization", "Send one Authorization header, not several.")
        scheme, _, key = (values[0] if values else b"").decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not (key := key.strip()):
            raise Refusal(
                401,
                "missing_api_key",
                "Send an API key of this service: Authorization: Bearer KEY",
                headers=[(b"www-authenticate", b"Bearer")],
            )
        return key

    def client_request_id(self) -> str:
        """The caller's own id of the request, when it is one that can be kept and shown."""
        given = (self.header(b"x-client-request-id") or self.header(b"x-request-id"))[:128]
        return given if _ID.fullmatch(given) else ""

    def check_is_json(self, kinds: Sequence[str] = ("application/json",)) -> str:
        """The media type, one of `kinds`. Raises Refusal."""
        kind, _, parameters = self.header(b"content-type").partition(";")
        kind = kind.strip().lower()
        charset = parameters.strip().lower().removeprefix("charset=").strip('"')
        if kind not in kinds or charset not in ("", "utf-8", "utf8"):
            raise Refusal(415, "unsupported_media_type", f"Send JSON in UTF-8: Content-Type: {kinds[0]}")
        if self.header(b"content-encoding").lower() not in ("", "identity"):
            raise Refusal(415, "unsupported_encoding", "Send the body uncompressed.")
        return kind

    async def body(self, limit: int) -> bytes:
        """The whole body. Raises Refusal when it is too large or too slow, ClientGone when it breaks off."""
        declared = self.header(b"content-length")
        with _Patience(_BODY_SECONDS):
            if declared.isdigit() and int(declared) > limit:
                await self._drain(0)
                raise _too_large(limit)
            return await self._read(limit)

    async def _read(self, limit: int) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > limit:
                chunks.clear()
                await self._drain(size)
                raise _too_large(limit)
            if not message.get("more_body", False):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _drain(self, size: int) -> None:
        """Let the client finish, to a point: one that is cut off while sending never reads why."""
        while size < _DRAIN_BYTES:
            message = await self.receive()
            size += len(message.get("body", b""))
            if not message.get("more_body", False):
                return


class _Patience:
    """Raises Refusal where what is inside takes longer. Not asyncio.timeout(): it took a twentieth of a call's work."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_over = False

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._end)

    def _end(self) -> None:
        self._is_over = True
        assert self._task
        self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._timer.cancel()
        # Cancelled by others too, the task has to end as they want.
        if self._is_over and self._task and self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            message = f"The body did not arrive within {self._seconds:.0f} seconds."
            raise Refusal(408, "request_timeout", message, headers=_CLOSE) from None


_CLOSE = [(b"connection", b"close")]


def _too_large(limit: int) -> Refusal:
    return Refusal(
        413, "request_too_large", f"The body is larger than the {limit >> 20} MB this service takes.", headers=_CLOSE
    )


def _path(scope: Scope) -> str:
    """The path as it was sent. Raises Refusal for one that two servers could understand differently."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    segments = raw.partition(b"?")[0].split(b"/")[1:]
    if all(_SEGMENT.fullmatch(segment) and segment.strip(b".") for segment in segments):
        return "/" + b"/".join(segments).decode("ascii")
    raise Refusal(404, "unknown_url", "There is nothing at this address.")
