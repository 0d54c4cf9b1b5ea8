"""Training files on their way to a provider: in one piece, or in parts where they are large."""

import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

import openai
from openai.types import FileObject, Upload

from . import answers
from .base import ProviderError, RemoteFile
from .errors import in_words, not_json

# What the protocol allows for one part.
PART_BYTES = 64 * 1024 * 1024
# A provider that answers so to the first call of an upload in parts does not know them.
UNKNOWN_THERE = (400, 404, 405, 501)


class Window(io.RawIOBase):
    """A stretch of a file as a file of its own, which tells when it is read: a long one takes longer than a lease."""

    def __init__(self, path: Path, start: int, size: int, on_read: Callable[[], None]) -> None:
        super().__init__()
        self._file, self._start, self._size, self._on_read = path.open("rb"), start, size, on_read
        self._at = 0

    def close(self) -> None:
        self._file.close()
        super().close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        self._on_read()
        view = memoryview(buffer)
        self._file.seek(self._start + self._at)
        count = self._file.readinto(view[: max(0, self._size - self._at)])
        self._at += count
        return count


def send(
    client: openai.OpenAI, name: str, path: Path, on_read: Callable[[], None], part_bytes: int = PART_BYTES
) -> RemoteFile:
    """Send a file for training under that name; in parts when it is larger than one, where the provider takes parts.

    Nothing of an upload in parts exists for others until it is complete, so one that breaks off may be sent again.
    Raises ProviderError."""
    size = path.stat().st_size
    if size > part_bytes:
        try:
            upload = _begin(client, name, size)
        except ProviderError as error:
            if error.status not in UNKNOWN_THERE:
                raise
        else:
            return _in_parts(client, upload, path, on_read, part_bytes)
    with in_words(), Window(path, 0, size, on_read) as stream:
        sent = client.files.create(file=(name, cast(IO[bytes], stream), "application/jsonl"), purpose="fine-tune")
        return answers.file_of(answers.checked(sent, FileObject))


def _begin(client: openai.OpenAI, name: str, size: int) -> str:
    with in_words():
        begun = client.uploads.create(bytes=size, filename=name, mime_type="text/jsonl", purpose="fine-tune")
        if not (upload := answers.text(answers.checked(begun, Upload).id)):
            raise not_json()
        return upload


def _in_parts(
    client: openai.OpenAI, upload: str, path: Path, on_read: Callable[[], None], part_bytes: int
) -> RemoteFile:
    try:
        with in_words():
            parts = [_part(client, upload, window) for window in _windows(path, on_read, part_bytes)]
            digest = _md5(path, on_read)
            done = answers.checked(client.uploads.complete(upload, part_ids=parts, md5=digest), Upload)
            return answers.file_of(answers.checked(done.file, FileObject))
    except ProviderError as error:
        if error.status is not None:  # without an answer it may be complete; looking for its name will tell
            _drop(client, upload)
        raise


def _part(client: openai.OpenAI, upload: str, window: Window) -> str:
    with window:
        part_id = answers.text(client.uploads.parts.create(upload, data=("part", cast(IO[bytes], window))).id)
    if not part_id:
        raise not_json()
    return part_id


def _windows(path: Path, on_read: Callable[[], None], part_bytes: int) -> Iterator[Window]:
    size = path.stat().st_size
    for start in range(0, size, part_bytes):
        yield Window(path, start, min(part_bytes, size - start), on_read)


def _drop(client: openai.OpenAI, upload: str) -> None:
    try:
        with in_words():
            client.uploads.cancel(upload)
    except ProviderError:  # it ends by itself within the hour
        return


def _md5(path: Path, on_read: Callable[[], None]) -> str:
    """What the protocol compares the whole with; it guards against accidents, nothing else."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            on_read()
            digest.update(piece)
    return digest.hexdigest()
