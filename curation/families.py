"""Which prompts are the same question in slightly other words. Pure.

A prompt's sketch is a few numbers; prompts that share one are near-duplicates and form a family, which stays on one
side of the split. The numbers are MinHash bands over the normalised text, so a new prompt finds its family by a handful
of look-ups however many there are. Two texts share a band with a probability of about 0.93 when 95 % of their
five-letter pieces are the same, 0.65 at 90 %, 0.16 at 80 % and 0.03 at 70 %.
"""

import hashlib
import re
import unicodedata
from typing import Any

import numpy as np

from .chat import Message, text_of

BANDS, ROWS = 4, 14
PIECE = 5  # letters
# The rest of a very long prompt says little that is new.
LENGTH = 20_000
# A conversation is known by its first question, if that says enough to be told from any other greeting.
OPENING_WORDS = 6
_WORD, _DIGIT = re.compile(r"\w+"), re.compile(r"\d")
_BINS = np.uint64(BANDS * ROWS)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_POWERS = [np.uint64(0x9E3779B97F4A7C15**power % 2**64) for power in range(1, PIECE + 1)]
_SYSTEM_ROLES = ("system", "developer")


def plain(text: str) -> str:
    """The words alone: case, accents, punctuation and blanks make no difference."""
    text = text[:LENGTH].casefold()
    if not text.isascii():
        text = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return " ".join(_WORD.findall(text))


def asked(messages: list[Message]) -> str:
    """All that was said before the answer, system prompts aside, as plain words."""
    turns = [message for message in messages if message.get("role") not in _SYSTEM_ROLES]
    return plain("\n".join(text_of(turn.get("content")) for turn in turns))


def sketch(messages: list[Message], context_digest: str = "") -> list[int]:
    """The numbers that near-duplicates share, as signed 64-bit integers.

    Words that hold a digit must be the same ones: gate 4 is not gate 5. What is no text (attachments, tool results) is
    only compared as a whole, by the digest of the context.
    """
    text = asked(messages)
    numbers = " ".join(word for word in text.split(" ") if _DIGIT.search(word))
    other = context_digest if _has_more_than_text(messages) else ""
    salt = f"{numbers}\x00{other}"
    if not text:
        return [_number(f"empty\x00{salt}\x00{context_digest}")]
    lows = _lows(text)
    keys = [_number(f"{band}\x00{salt}\x00{row.tobytes().hex()}") for band, row in enumerate(lows.reshape(BANDS, ROWS))]
    if opening := _opening(messages):
        keys.append(_number(f"opening\x00{opening}"))
    return keys


def question(messages: list[Message], context_digest: str = "") -> int:
    """One number for all prompts that ask the same word for word."""
    return _number(f"{asked(messages)}\x00{context_digest if _has_more_than_text(messages) else ''}")


def _has_more_than_text(messages: list[Message]) -> bool:
    return any(
        message.get("role") == "tool"
        or (isinstance(content := message.get("content"), list) and any(not _is_text(part) for part in content))
        for message in messages
    )


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str)


def _opening(messages: list[Message]) -> str:
    """The first question, where it is long enough: an answer to it stands in every later turn's prompt."""
    first = next((message for message in messages if message.get("role") == "user"), None)
    content = first.get("content") if first else None
    words = plain(content) if isinstance(content, str) else ""
    return words if len(words.split()) >= OPENING_WORDS else ""


def _lows(text: str) -> np.ndarray:
    """The lowest hash in each bin (one-permutation MinHash); an empty bin takes its right neighbour's, marked."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    if codes.size < PIECE:
        codes = np.pad(codes, (0, PIECE - codes.size))
    count = codes.size - PIECE + 1
    hashes = codes[:count] * _POWERS[0]
    for place in range(1, PIECE):
        hashes += codes[place : place + count] * _POWERS[place]
    hashes = _mixed(hashes)
    lows = np.full(int(_BINS), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(lows, (hashes % _BINS).astype(np.intp), hashes // _BINS)
    filled = np.flatnonzero(lows != np.iinfo(np.uint64).max)
    places = np.arange(int(_BINS))
    donor = filled[np.searchsorted(filled, places) % filled.size]
    return _mixed(lows[donor] + ((donor - places) % int(_BINS)).astype(np.uint64))


def _mixed(value: np.ndarray) -> np.ndarray:
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * _MIX[0]
    value = (value ^ (value >> np.uint64(27))) * _MIX[1]
    return value ^ (value >> np.uint64(31))


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), signed=True)
