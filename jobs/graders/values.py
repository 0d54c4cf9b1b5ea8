"""JSON values, labels and scores held against those that were expected."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from typing import Any

from .plain import same, strict


@dataclass(frozen=True)
class Counts:
    """What is both wanted and found, found alone, and wanted alone."""

    hits: int
    spurious: int
    missed: int

    @property
    def f1(self) -> float:
        """1 where nothing was wanted and nothing found: that is right."""
        all_of_it = 2 * self.hits + self.spurious + self.missed
        return 2 * self.hits / all_of_it if all_of_it else 1.0


def fields_agreement(expected: str, answer: str, names: list[str] | None) -> Counts:
    """Of two JSON objects, field by field; a null is a field that is not there. A wrong value is both one too many and
    one missed. All is missed where the answer is no object.
    """
    wanted, said = (_fields(text, names) for text in (expected, answer))
    hits = sum(same(value, said[name]) for name, value in wanted.items() if name in said)
    return Counts(hits, len(said) - hits, len(wanted) - hits)


def _fields(text: str, names: list[str] | None) -> dict[str, Any]:
    value = _object(text)
    return {name: each for name, each in value.items() if each is not None and (names is None or name in names)}


def _object(text: str) -> dict[str, Any]:
    try:
        value = strict(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def labels_agreement(expected: str, answer: str, separator: str) -> Counts:
    """Of labels, however ordered and whatever their capitals; each counts once."""
    wanted, said = (set(_labels(text, separator)) for text in (expected, answer))
    return Counts(len(wanted & said), len(said - wanted), len(wanted - said))


def _labels(text: str, separator: str) -> Iterable[str]:
    """Of a JSON list, an object's true fields, or of text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    if isinstance(value, dict):
        value = [name for name, is_so in value.items() if is_so]
    if not isinstance(value, list):
        value = str(value).split(separator)
    return (word for word in (" ".join(str(each).split()).casefold() for each in value) if word)


def number_in(text: str, field: str) -> float | None:
    """The number a text is, or that stands in a field of the JSON object it is."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if field:
        value = value.get(field) if isinstance(value, dict) else None
    return _number(value)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def scores(expected: str, answer: str, names: list[str] | None) -> dict[str, tuple[float | None, float]]:
    """By field of the expected object that holds a number: what the answer says (None: no number) and what is true."""
    said = _object(answer)
    found = {}
    for name, value in _object(expected).items():
        true = _number(_plain(value))
        if true is not None and (names is None or name in names):
            found[name] = (_number(_plain(said.get(name))), true)
    return found


def _plain(value: Any) -> Any:
    """Numbers were read exactly; here a float will do."""
    return float(value) if hasattr(value, "as_tuple") else value
