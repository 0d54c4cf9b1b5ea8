"""A file of past calls, as it came: what it is, and its lines within limits. Pure.

A file may be larger than memory. What packed it shows in its first bytes, not in its name.
"""

import codecs
import gzip
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple, cast

LONGEST_LINE = 32 << 20  # bytes; as long as a request to the gateway may be
# How much larger than itself a packed file may unpack, once it has unpacked to so many bytes.
MOST_RATIO = 500
RATIO_FROM = 256 << 20
_GZIP = b"\x1f\x8b"
_PIECE = 64 << 10
_KINDS = {
    b"PK\x03\x04": "a zip archive or a spreadsheet. Unpack it, or save the sheet as CSV",
    b"%PDF": "a PDF",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"GIF8": "an image",
    b"BZh": "packed with bzip2. Unpack it, or pack it with gzip",
    b"\xfd7zXZ": "packed with xz. Unpack it, or pack it with gzip",
    b"\x28\xb5\x2f\xfd": "packed with zstd. Unpack it, or pack it with gzip",
    _GZIP: "packed twice. Unpack it once",
}


class FileError(ValueError):
    """The file, or the rest of it, cannot be read. The message says why and what to do."""


class Line(NamedTuple):
    """A line without its end; `problem` says why it could not be read, and then there is no text."""

    number: int
    text: bytes
    problem: str = ""


class Unpacked:
    """A file's content, unpacked where it is packed with gzip. Raises FileError where it goes on beyond reason."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        raw.seek(0)
        self.is_packed = raw.read(2) == _GZIP
        raw.seek(0)
        self._file = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if self.is_packed else raw
        self._size = 0
        self._lines = 0

    def readline(self, limit: int) -> bytes:
        text = self._counted(self._file.readline, limit)
        self._lines += text.endswith(b"\n")
        return text

    def read(self, size: int) -> bytes:
        return self._counted(self._file.read, size)

    def _counted(self, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            text = read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FileError(f"The file is damaged behind line {self._lines}: {error}.") from error
        except OSError as error:
            raise FileError(f"The file cannot be read: {error.strerror}.") from error
        self._size += len(text)
        if self.is_packed and self._size > RATIO_FROM and self._size > MOST_RATIO * self._raw.tell():
            raise FileError(f"The file unpacks to more than {MOST_RATIO} times its size, so the rest was not read.")
        return text


def head(raw: BinaryIO) -> bytes:
    """The first line that is not blank, or what of it comes first; empty for a file without any.

    Raises FileError for what is neither text nor packed text, with a guess at what it is.
    """
    file = Unpacked(raw)
    piece = file.read(_PIECE)
    for mark, kind in _KINDS.items():
        if piece.startswith(mark):
            raise FileError(f"This file is {kind}.")
    if piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        piece = piece.decode("utf-16", "ignore").encode()
        if piece.lstrip().startswith((b"{", b"[")):
            raise FileError("JSON lines are UTF-8, and this file is UTF-16. Save it as UTF-8.")
    if piece.count(0) * 8 > len(piece):
        raise FileError("This file is binary, or UTF-16 without a mark that says so. Save it as UTF-8.")
    while piece and not piece.removeprefix(codecs.BOM_UTF8).strip():
        piece = file.read(_PIECE)
    return piece.removeprefix(codecs.BOM_UTF8).lstrip().partition(b"\n")[0]


def check_encoding(line: bytes) -> None:
    """Raises FileError for a line that is not UTF-8, with a guess at what it is; it may end within a character."""
    for encoding in ("utf-8", "shift_jis", "cp1252", "latin-1"):
        try:
            codecs.getincrementaldecoder(encoding)().decode(line)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8":
            return
        raise FileError(f"The first line is not UTF-8; it may be {encoding}. Save the file as UTF-8.")


def lines(raw: BinaryIO) -> Iterator[Line]:
    """The lines that are not blank. Rows end at a line feed only: other separators that Unicode knows occur within
    texts. Raises FileError.
    """
    file, number = Unpacked(raw), 0
    while text := file.readline(LONGEST_LINE + 1):
        number += 1
        if number == 1:
            text = text.removeprefix(codecs.BOM_UTF8)
        if len(text) > LONGEST_LINE and not text.endswith(b"\n"):
            _skip_line(file)
            yield Line(number, b"", f"The line is longer than {LONGEST_LINE >> 20} MB.")
        elif text := text.strip(b" \t\r\n"):
            yield Line(number, text)


def _skip_line(file: Unpacked) -> None:
    while (text := file.readline(1 << 20)) and not text.endswith(b"\n"):
        pass
