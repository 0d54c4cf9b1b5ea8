"""Masking in plain text. Pure."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from . import cards
from .patterns import Pattern, any_of, patterns, set_of

# NUL and what replaces broken characters, soft hyphen, zero-width characters and marks of direction: they can stand
# in a number or a key without being seen.
INVISIBLE = re.compile("[\x00\ufffd\u00ad\u200b-\u200f\u2060\ufeff]")
CARD = "card number"
# What could hide a secret from a search of bytes: in JSON the escapes of visible ASCII, blanks and invisible characters
# and an escaped slash; and the invisible characters themselves.
_HIDERS = [
    r"\\u00[0-7Aa]|\\u20[06]|\\u[Ff][Ee][Ff][Ff]|\\u[Ff]{3}[Dd]|\\/",
    r"\x00|\xc2\xad|\xe2\x80[\x8b-\x8f]|\xe2\x81\xa0|\xef\xbb\xbf|\xef\xbf\xbd",
]


class Policy(NamedTuple):
    """What is masked; a project's settings."""

    secrets: bool = True
    cards: bool = True
    emails: bool = False
    phones: bool = False


class Span(NamedTuple):
    start: int
    end: int
    kind: str


class TextMasker:
    """Masks text by one policy."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        chosen = [pattern for pattern in patterns() if getattr(policy, pattern.group)]
        self._patterns = [(any_of([pattern.hint]), pattern) for pattern in chosen]
        hints = [pattern.hint for pattern in chosen] + ([cards.HINT] if policy.cards else [])
        self._hints = set_of([pattern.hint for pattern in chosen])
        self._any_hint = any_of([*hints, *_HIDERS] if hints else ["$^x"])  # the latter is found nowhere

    def may_hold(self, encoded: bytes) -> bool:
        """False when there is surely nothing to mask in this UTF-8 text, plain or JSON. Most texts end here, in the
        time of one pass.
        """
        return self._any_hint.search(encoded) is not None

    def mask(self, text: str, counts: Counter[str]) -> str:
        """The text with a mask like "[card number]" for each thing found; `counts` is raised by kind.

        Repeats until nothing more is found, so that masking twice is masking once.
        """
        while spans := self._spans(text):
            counts.update(span.kind for span in spans)
            text = _masked(text, spans)
        return text

    def _spans(self, text: str) -> list[Span]:
        if not INVISIBLE.search(text):
            return _merged(self._found(text))
        places = [index for index, letter in enumerate(text) if not INVISIBLE.match(letter)]
        seen = "".join(text[place] for place in places)
        return [Span(places[start], places[end - 1] + 1, kind) for start, end, kind in _merged(self._found(seen))]

    def _found(self, text: str) -> Iterator[Span]:
        encoded = text.encode("utf-8", "surrogatepass")
        if not self.may_hold(encoded):
            return
        # One pass tells which patterns to try. It tells nothing where its automaton grows too large: then ask each.
        told = self._hints.Match(encoded)
        places = sorted(told) if told else [n for n, (hint, _) in enumerate(self._patterns) if hint.search(encoded)]
        for place in places:
            yield from _matches(self._patterns[place][1], text)
        if self.policy.cards:
            yield from (Span(*span, CARD) for span in cards.spans(text))


def _matches(pattern: Pattern, text: str) -> Iterator[Span]:
    group = "secret" if "secret" in pattern.regex.groupindex else 0
    for match in pattern.regex.finditer(text):
        start, end = match.span() if match[group] is None else match.span(group)
        yield Span(start, end, pattern.kind)


def _merged(spans: Iterator[Span]) -> list[Span]:
    """In order, without overlaps: what overlaps becomes one span of the first one's kind."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start < merged[-1].end:
            merged[-1] = merged[-1]._replace(end=max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def _masked(text: str, spans: list[Span]) -> str:
    pieces, position = [], 0
    for start, end, kind in spans:
        pieces += [text[position:start], f"[{kind}]"]
        position = end
    return "".join(pieces) + text[position:]
