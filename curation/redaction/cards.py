"""Numbers of payment cards: found by arithmetic, not by a pattern alone. Pure."""

import re
from collections.abc import Iterator
from functools import cache

# What begins a number, and how many digits it may have then.
ISSUERS: tuple[tuple[str, frozenset[int]], ...] = (
    ("4", frozenset({13, 16, 19})),  # Visa
    (r"5[1-5]|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720", frozenset({16})),  # Mastercard
    ("3[47]", frozenset({15})),  # American Express
    ("6011|64[4-9]|65", frozenset({16, 19})),  # Discover
    (r"30[0-5]|3095|36|3[89]", frozenset({14, 16})),  # Diners Club
    (r"352[89]|35[3-8]\d", frozenset({16})),  # JCB
    ("62", frozenset({16, 17, 18, 19})),  # UnionPay
    ("5018|5020|5038|5893|6304|6759|676[1-3]", frozenset({12, 13, 14, 15, 16, 17, 18, 19})),  # Maestro
)
_DOUBLED = dict(zip("0123456789", (0, 2, 4, 6, 8, 1, 3, 5, 7, 9), strict=True))
SHORTEST = 12
HINT = r"[2-6](?:(?:[ -]|\xc2?\xa0)?[0-9]){11}"  # in UTF-8 and in Latin-1, for the search that decides whether to look
# One run of digits, or groups of four or more (the last may be shorter) with one blank or hyphen between; not part of a
# longer word or decimal number, nor the inner part of a UUID. Looked for at every place: it may stand in a list.
_CANDIDATE = re.compile(
    r"(?<!\w)(?<![0-9][.,-])(?=([2-6][0-9]{3,18}+(?:[ \u00a0-][0-9]{4,13}+){0,3}+(?:[ \u00a0-][0-9]{1,13}+)?+))"
)
_GROUP = re.compile("[0-9]+")
_GOES_ON = re.compile(r"\w|[.,][0-9]|-\w")


def spans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each card number, from left to right."""
    behind = 0
    for candidate in _CANDIDATE.finditer(text):
        start, end = candidate.span(1)
        if start >= behind and end - start >= SHORTEST and (found := _end_of_card(text, start, end)):
            yield start, found
            behind = found


def _end_of_card(text: str, start: int, end: int) -> int | None:
    """Where the longest card number ends that begins at `start`; a number ends where a group ends."""
    lengths = _lengths(text[start : start + 4])
    digits, found = "", None
    for group in _GROUP.finditer(text, start, end) if lengths else ():
        digits += group[0]
        if len(digits) in lengths and _is_checked(digits) and not _GOES_ON.match(text, group.end()):
            found = group.end()
    return found


@cache
def _lengths(beginning: str) -> frozenset[int]:
    """How many digits a number may have that begins with these four."""
    return frozenset().union(*(lengths for prefix, lengths in ISSUERS if re.match(prefix, beginning)))


def _is_checked(digits: str) -> bool:
    """Whether the last digit is the right check digit (Luhn)."""
    return (sum(map(int, digits[-1::-2])) + sum(map(_DOUBLED.__getitem__, digits[-2::-2]))) % 10 == 0


def is_card(digits: str) -> bool:
    """Whether an issuer gives out numbers like this."""
    return len(digits) in _lengths(digits[:4]) and _is_checked(digits)
