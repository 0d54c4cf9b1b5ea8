"""Sending a large file to a browser: from any byte on, so that a download that broke off can go on."""

import asyncio
import os
import re
import zlib
from collections.abc import AsyncIterator
from typing import BinaryIO

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

CHUNK = 256 * 1024
# One range; of several, as of nonsense, the whole file is sent, which HTTP allows.
_RANGE = re.compile(r"bytes=(\d{1,18})?-(\d{1,18})?")
_GZIP = 31  # zlib's word for a gzip header; it writes no time into it, so the bytes are the same each time


def send(request: HttpRequest, stream: BinaryIO, name: str, content_type: str, tag: str) -> HttpResponseBase:
    """The open file, or the part of it that is asked for. `tag` stands for its content: a part of another content is
    never sent as the rest of this one.
    """
    size = stream.seek(0, os.SEEK_END)
    headers = _headers(name) | {"ETag": f'"{tag}"', "Accept-Ranges": "bytes"}
    wanted = _RANGE.fullmatch(request.headers.get("Range", ""))
    same = request.headers.get("If-Range", headers["ETag"]) == headers["ETag"]
    if request.method != "GET" or not wanted or not same or wanted.groups() == (None, None):
        headers["Content-Length"] = str(size)
        return StreamingHttpResponse(_pieces(stream, 0, size), content_type=content_type, headers=headers)
    first, end = _part(wanted, size)
    if first >= end:
        stream.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    headers |= {"Content-Length": str(end - first), "Content-Range": f"bytes {first}-{end - 1}/{size}"}
    return StreamingHttpResponse(_pieces(stream, first, end), status=206, content_type=content_type, headers=headers)


def pack(source: BinaryIO, target: BinaryIO) -> None:
    """Gzip what is read; the same bytes come out the same each time."""
    packer = zlib.compressobj(6, wbits=_GZIP)
    while piece := source.read(CHUNK):
        target.write(packer.compress(piece))
    target.write(packer.flush())


def _headers(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}


def _part(wanted: re.Match[str], size: int) -> tuple[int, int]:
    """First byte and end of what is asked for; an empty part where there is no such byte."""
    first, last = wanted.groups()
    if first is None:
        return max(size - int(last), 0), size
    return int(first), size if last is None else min(int(last) + 1, size)


async def _pieces(stream: BinaryIO, first: int, end: int) -> AsyncIterator[bytes]:
    """An asynchronous stream: under ASGI a file handed over as it is would first be read into memory as a whole."""
    try:
        stream.seek(first)
        while first < end and (piece := await asyncio.to_thread(stream.read, min(CHUNK, end - first))):
            first += len(piece)
            yield piece
    finally:
        stream.close()
