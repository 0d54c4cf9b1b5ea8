"""How much a page takes: Django reads a whole body, to the disk if it must, before any view can ask who sent it."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class TooLong(Exception):
    """More came than the page takes, although less was announced, or nothing."""


async def bounded(app: App, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Serve the request by `app` unless its body is longer than its page takes: then 413, and the connection ends."""
    most = _most_bytes(scope["path"])
    announced = dict(scope["headers"]).get(b"content-length", b"")
    if announced.isdigit() and int(announced) > most:
        await _refuse(most, send)
        return
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            raise TooLong
        return message

    try:
        await app(scope, counted, send)
    except TooLong:
        await _refuse(most, send)


def _most_bytes(path: str) -> int:
    for pattern, most in settings.UPLOADS:
        if pattern.fullmatch(path):
            return most
    return settings.DATA_UPLOAD_MAX_MEMORY_SIZE


async def _refuse(most: int, send: Send) -> None:
    text = f"This page takes at most {most >> 20} MB at once. Send less.\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": text})
