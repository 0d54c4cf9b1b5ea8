"""Masking inside JSON text: on the decoded strings, so that no escape hides a secret, and in place, so that all else
stays byte for byte. Pure.

Nothing is parsed as a whole: broken JSON, a body cut in the middle, a key twice or nesting without end are no special
cases.
"""

import json
import re
from collections import Counter

from . import cards
from .patterns import is_named_secret
from .text import CARD, TextMasker

_LITERAL = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*)("?)', re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.+-])[0-9]{12,19}(?:\.0*)?(?![\w.+-])")
_DECODER = json.JSONDecoder(strict=False)
_DEEPEST = 4  # JSON inside a string inside JSON …


class JsonMasker:
    """Masks one JSON text; made anew for each, because it remembers which keys were masked."""

    def __init__(self, masker: TextMasker, counts: Counter[str]) -> None:
        self._masker = masker
        self._counts = counts
        self._masked_keys: Counter[str] = Counter()

    def mask(self, text: str, depth: int = 0) -> str:
        pieces: list[str] = []
        position, name = 0, None
        for literal in _LITERAL.finditer(text):
            between = text[position : literal.start()]
            pieces.append(self._outside(between))
            is_key = text[literal.end() : literal.end() + 20].lstrip()[:1] == ":"
            key = name if between.strip() == ":" else None
            masked, name = self._literal(literal, is_key, key, depth)
            pieces.append(masked)
            position = literal.end()
        pieces.append(self._outside(text[position:]))
        return "".join(pieces)

    def _outside(self, text: str) -> str:
        """What stands between strings: a card number written as a number becomes a string, so that JSON stays JSON."""
        if len(text) < cards.SHORTEST:
            return text
        return self._masker.mask(_NUMBER.sub(self._number, text), self._counts)

    def _number(self, number: re.Match[str]) -> str:
        if not (self._masker.policy.cards and cards.is_card(number[0].partition(".")[0])):
            return number[0]
        self._counts[CARD] += 1
        return f'"[{CARD}]"'

    def _literal(self, literal: re.Match[str], is_key: bool, key: str | None, depth: int) -> tuple[str, str | None]:
        """The string's text as it shall stand, quotes and all; and what it says."""
        inner, closing = literal.groups()
        try:
            said = _DECODER.decode(f'"{inner}"') if "\\" in inner else inner
        except ValueError:  # an escape that is none
            return f'"{self._masker.mask(inner, self._counts)}{closing}', None
        masked = self._pair(key, said) or self.string(said, depth)
        if masked == said:
            return literal[0], said
        if is_key:
            masked = self._once(masked)
        return json.dumps(masked, ensure_ascii="\\u" in inner)[:-1] + closing, said

    def _pair(self, key: str | None, said: str) -> str | None:
        if key is None or not self._masker.policy.secrets or not is_named_secret(key, said):
            return None
        self._counts["password"] += 1
        return "[password]"

    def string(self, said: str, depth: int = 0) -> str:
        """What a string says, masked; a string that is JSON itself (the arguments of a tool call) stays JSON."""
        if depth < _DEEPEST and looks_like_json(said):
            said = self.mask(said, depth + 1)
        return self._masker.mask(said, self._counts)

    def _once(self, key: str) -> str:
        """Two keys of an object must not become one."""
        self._masked_keys[key] += 1
        count = self._masked_keys[key]
        return key if count == 1 else f"{key} ({count})"


def looks_like_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[") and '"' in text
