"""The reading end of the spool: which writers there are, which of them live, and what they have written so far."""

import fcntl
import io
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from . import frames
from .frames import Frame

log = logging.getLogger(__name__)


class Segment:
    """One file of a writer, read once from its beginning to its end while it may still grow."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unfinished = 0  # records read from here whose call is not stored yet
        self._file: BinaryIO = path.open("rb")
        self._offset = 0

    def read_on(self, *, is_final: bool) -> Iterator[tuple[Frame, "Span"]]:
        """What is new. In a file nobody writes to any more (`is_final`), damage is skipped and told of."""
        while True:
            self._file.seek(self._offset)
            try:
                found = frames.read(self._file)
            except frames.Torn:
                if not is_final:
                    return  # still being written
                self._skip_damage()
                continue
            if found is None:
                return
            frame, length = found
            span = Span(self, self._offset, length, len(frame.body))
            self._offset += length
            yield frame, span

    def _skip_damage(self) -> None:
        begin = self._offset
        self._offset = frames.find_next(self._file, begin + 1) or self.size
        log.warning("%s: skipped %d torn bytes at %d", self.path.name, self._offset - begin, begin)

    @property
    def size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    @property
    def is_done(self) -> bool:
        return self.unfinished == 0 and self._offset == self.size

    def bytes_at(self, offset: int, length: int) -> bytes:
        return os.pread(self._file.fileno(), length, offset)

    def remove(self) -> None:
        self._file.close()
        self.path.unlink()


class Span(NamedTuple):
    """Where a record lies; reading it again is cheaper than keeping it in memory for as long as its call lasts."""

    segment: Segment
    offset: int
    length: int
    body_length: int

    @property
    def raw(self) -> bytes:
        return self.segment.bytes_at(self.offset, self.length)

    @property
    def body(self) -> bytes:
        return self.segment.bytes_at(self.offset + self.length - self.body_length, self.body_length)

    @property
    def frame(self) -> Frame:
        found = frames.read(io.BytesIO(self.raw))
        assert found  # it was read before
        return found[0]


@dataclass
class Writer:
    """A process that writes, or wrote, here."""

    name: str
    lock: Path
    segments: dict[str, Segment] = field(default_factory=dict)  # by file name, which is their order

    def is_gone(self) -> bool:
        """Whether nothing more can come from it. The kernel gives its lock free when it ends, however it ends."""
        try:
            lock = os.open(self.lock, os.O_WRONLY)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(lock)
        return True

    def read_on(self, *, is_gone: bool) -> Iterator[tuple[Frame, Span]]:
        newest = max(self.segments, default="")
        for name in sorted(self.segments):
            yield from self.segments[name].read_on(is_final=is_gone or name != newest)

    def remove_done(self, *, is_gone: bool) -> None:
        """Remove what is stored, the oldest first: the end of a call never goes before its beginning."""
        newest = max(self.segments, default="")
        for name in sorted(self.segments):
            if (name == newest and not is_gone) or not self.segments[name].is_done:
                return
            self.segments.pop(name).remove()
        if is_gone:
            self.lock.unlink(missing_ok=True)


class SpoolFolder:
    """All writers of one folder, as far as they have been seen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writers: dict[str, Writer] = {}

    def writers(self) -> list[Writer]:
        """Those with something in the folder, the one that began first at the front."""
        names = sorted(entry.name for entry in os.scandir(self.folder) if entry.is_file())
        for name in names:
            writer, _, suffix = name.partition(".")
            if suffix == "lock" or suffix.endswith(".segment"):
                known = self._writers.setdefault(writer, Writer(writer, self.folder / f"{writer}.lock"))
                if suffix != "lock" and name not in known.segments:
                    known.segments[name] = Segment(self.folder / name)
        present = {name.partition(".")[0] for name in names}
        self._writers = {name: writer for name, writer in self._writers.items() if name in present}
        return [self._writers[name] for name in sorted(self._writers)]
