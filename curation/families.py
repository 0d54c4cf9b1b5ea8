"""Which prompts are the same question in slightly other words. Pure.

A prompt's sketch is a few numbers; prompts that share one are near-duplicates and form a family, which stays on one
side of the split. The numbers are MinHash bands over the normalised text, so a new prompt finds its family by a handful
of look-ups however many there are. Two texts share a band with a probability of about 0.93 when 95 % of their
five-letter pieces are the same, 0.65 at 90 %, 0.16 at 80 % and 0.03 at 70 %.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from .chat import Message, text_of

BANDS, ROWS = 4, 14
BINS = BANDS * ROWS
PIECE = 5  # letters
# The rest of a very long prompt says little that is new.
LENGTH = 20_000
# A conversation is known by its first question, if that says enough to be told from any other greeting.
OPENING_WORDS = 6
_WORD = re.compile(r"\w+")
_NUMBERED = re.compile(r"(?<![^ ])[^\d ]*+\d[^ ]*+")  # a word with a digit
_NONE = np.uint64(np.iinfo(np.uint64).max)
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
    return sketches([(messages, context_digest)])[0]


def sketches(prompts: Sequence[tuple[list[Message], str]]) -> list[list[int]]:
    """`sketch` of many prompts, each its messages and the digest of its context, in a third of the time."""
    texts = [asked(messages) for messages, _ in prompts]
    lows = iter(_lows([text for text in texts if text]))
    return [
        _keys(text, messages, digest, next(lows) if text else None)
        for text, (messages, digest) in zip(texts, prompts, strict=True)
    ]


def _keys(text: str, messages: list[Message], context_digest: str, lows: np.ndarray | None) -> list[int]:
    numbers = " ".join(_NUMBERED.findall(text))
    other = context_digest if _has_more_than_text(messages) else ""
    salt = f"{numbers}\x00{other}"
    if lows is None:
        return [_number(f"empty\x00{salt}\x00{context_digest}")]
    bands = [row.tobytes().hex() for row in lows.reshape(BANDS, ROWS)]
    keys = [_number(f"{number}\x00{salt}\x00{band}") for number, band in enumerate(bands)]
    if opening := _opening(messages, text):
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


def _opening(messages: list[Message], text: str) -> str:
    """The first question, where it is long enough: an answer to it stands in every later turn's prompt."""
    first = next((message for message in messages if message.get("role") == "user"), None)
    content = first.get("content") if first else None
    if not isinstance(content, str):
        return ""
    is_all = sum(message.get("role") not in _SYSTEM_ROLES for message in messages) == 1
    words = text if is_all else plain(content)
    return words if words.count(" ") >= OPENING_WORDS - 1 else ""


def _lows(texts: list[str]) -> np.ndarray:
    """For each text the lowest hash in each bin (one-permutation MinHash), BANDS x ROWS of them in a row; an empty bin
    takes its right neighbour's, marked.
    """
    parts, part, size = [], list[str](), 0
    for text in texts:
        part.append(text.ljust(PIECE, "\x00"))
        size += len(text)
        if size >= LENGTH:  # so that a batch of long texts takes no more memory than one
            parts.append(_lows_at_once(part))
            part, size = [], 0
    return np.concatenate([*parts, _lows_at_once(part)])


def _lows_at_once(texts: list[str]) -> np.ndarray:
    if not texts:
        return np.empty((0, BINS), dtype=np.uint64)
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    lengths = np.array([len(text) for text in texts])
    count = codes.size - PIECE + 1
    hashes = codes[:count] * _POWERS[0]
    for place in range(1, PIECE):
        hashes += codes[place : place + count] * _POWERS[place]
    hashes = _mixed(hashes)
    owners = np.repeat(np.arange(len(texts)), lengths)
    is_whole = owners[:count] == owners[PIECE - 1 :]  # not half of one text and half of the next
    hashes, owners = hashes[is_whole], owners[:count][is_whole]
    lowest = np.full(len(texts) * BINS, _NONE)
    np.minimum.at(lowest, owners * BINS + (hashes % np.uint64(BINS)).astype(np.intp), hashes // np.uint64(BINS))
    lows = lowest.reshape(-1, BINS)
    places = np.arange(BINS)
    filled = np.where(lows != _NONE, places, 2 * BINS)
    twice = np.concatenate([filled, filled + BINS], axis=1)  # round the corner
    donors = np.minimum.accumulate(twice[:, ::-1], axis=1)[:, ::-1][:, :BINS]
    taken = np.take_along_axis(lows, donors % BINS, axis=1)
    return _mixed(taken + (donors - places).astype(np.uint64))


def _mixed(value: np.ndarray) -> np.ndarray:
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * _MIX[0]
    value = (value ^ (value >> np.uint64(27))) * _MIX[1]
    return value ^ (value >> np.uint64(31))


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), signed=True)
