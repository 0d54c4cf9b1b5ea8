"""Long and hostile text made fit for a page: bounded, and with nothing in it that a reader cannot see. Pure."""

import re
import unicodedata
from typing import NamedTuple

LIMIT, HEAD, TAIL = 20_000, 12_000, 4_000  # characters
# Control characters, direction marks and what else has no shape of its own. The joiners U+200C and U+200D stay: Persian
# and emoji are spelled with them.
_UNSEEN = re.compile(
    "(?P<one>[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f])(?P=one)*"
)


class Preview(NamedTuple):
    """The beginning and the end of a text; `left_out` characters are missing between them."""

    head: str
    tail: str = ""
    left_out: int = 0


def preview(text: str, limit: int = LIMIT) -> Preview:
    """The text whole up to `limit` characters, else its first three quarters and last quarter of 80 % of them."""
    if len(text) <= limit:
        return Preview(text)
    head, tail = limit * HEAD // LIMIT, limit * TAIL // LIMIT
    return Preview(text[:head], text[-tail:], len(text) - head - tail)


class Unseen(NamedTuple):
    """A run of one character that shows no shape."""

    code: str  # such as U+202E
    name: str
    times: int


def has_unseen(text: str) -> bool:
    return _UNSEEN.search(text) is not None


def seen_and_unseen(text: str) -> list[str | Unseen]:
    """The text in pieces: what can be read as it is, and runs of characters that need a sign to be seen."""
    text = text.replace("\r\n", "\n")
    pieces: list[str | Unseen] = []
    end = 0
    for found in _UNSEEN.finditer(text):
        if found.start() > end:
            pieces.append(text[end : found.start()])
        character = found["one"]
        name = unicodedata.name(character, "control character").lower()
        pieces.append(Unseen(f"U+{ord(character):04X}", name, found.end() - found.start()))
        end = found.end()
    if end < len(text):
        pieces.append(text[end:])
    return pieces
