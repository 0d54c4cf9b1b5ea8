"""What changed between two texts, word by word. Pure."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

_WORD = re.compile(r"\s+|\w+|[^\w\s]")
# SequenceMatcher compares each word with each like word; beyond this the page would wait for it.
MAX_WORD_PAIRS = 4_000_000
MAX_WORDS = 20_000


class Piece(NamedTuple):
    kind: Literal["same", "gone", "new"]
    text: str


def words_changed(before: str, after: str) -> list[Piece] | None:
    """The pieces that, read in order, show both texts; None when the texts are too long to compare here."""
    if len(before) > 20 * MAX_WORDS or len(after) > 20 * MAX_WORDS:
        return None
    old, new = _WORD.findall(before), _WORD.findall(after)
    start, end = _common_ends(old, new)
    inner_old, inner_new = old[start : len(old) - end], new[start : len(new) - end]
    if len(inner_old) * len(inner_new) > MAX_WORD_PAIRS:
        return None
    head, tail = "".join(old[:start]), "".join(old[len(old) - end :])
    pieces = [Piece("same", head), *_inner(inner_old, inner_new), Piece("same", tail)]
    return [piece for piece in pieces if piece.text]


def _common_ends(old: list[str], new: list[str]) -> tuple[int, int]:
    """How many words both lists share at the start, and after those at the end."""
    shortest = min(len(old), len(new))
    start = next((i for i in range(shortest) if old[i] != new[i]), shortest)
    rest = shortest - start
    end = next((i for i in range(rest) if old[-1 - i] != new[-1 - i]), rest)
    return start, end


def _inner(old: list[str], new: list[str]) -> Iterator[Piece]:
    for kind, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield Piece("same", "".join(old[i:j]))
            continue
        yield Piece("gone", "".join(old[i:j]))
        yield Piece("new", "".join(new[k:m]))
