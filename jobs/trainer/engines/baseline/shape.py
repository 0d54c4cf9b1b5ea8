"""The shape of the answers: plain text, or JSON with these fields in this order, written in this style.

An answer becomes a row with one encoded value per field: the value's JSON text, or ABSENT when the answer lacks the
field. Plain text is one field, the root, that holds a string. A list is one value, whatever is in it.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

Path = tuple[str, ...]
Row = list[str]
ABSENT = ""
MOST_FIELDS = 200
FENCE = re.compile(r"```(?:json)?\n(.*)\n```", re.DOTALL)


@dataclass(frozen=True)
class Style:
    """How JSON is written, down to the spaces, so that an answer can equal its target character for character."""

    indent: int | None = None
    spaced: bool = True
    ascii_only: bool = False
    fenced: bool = False

    def write(self, value: Any) -> str:
        """`value` as text in this style."""
        comma = ", " if self.spaced and self.indent is None else ","
        separators = (comma, ": " if self.spaced else ":")
        text = json.dumps(value, indent=self.indent, separators=separators, ensure_ascii=self.ascii_only)
        return f"```json\n{text}\n```" if self.fenced else text


STYLES = [
    Style(indent, spaced, ascii_only, fenced)
    for fenced, ascii_only, (indent, spaced) in product(
        (False, True), (False, True), ((None, True), (None, False), (2, True), (4, True))
    )
]


@dataclass(frozen=True)
class Shape:
    """Which fields an answer has, and how to go from its text to a row of values and back."""

    is_json: bool
    paths: list[Path]
    style: Style

    @classmethod
    def of(cls, answers: Sequence[str]) -> "Shape":
        """The shape of most of `answers`: JSON when nine in ten are a JSON object or list, else plain text."""
        parsed = [value for value in map(parse, answers) if value is not None]
        paths = _ordered_paths(parsed)
        if len(parsed) < 0.9 * len(answers) or len(paths) > MOST_FIELDS:
            return cls(False, [()], Style())
        return cls(True, paths, _common_style(answers[:200]))

    def encode(self, answer: str) -> Row | None:
        """The row of an answer, or None when it does not fit (broken JSON among JSON answers)."""
        if not self.is_json:
            return [encode(answer)]
        value = parse(answer)
        if value is None:
            return None
        leaves = {path: encode(leaf) for path, leaf in flatten(value)}
        return [leaves.get(path, ABSENT) for path in self.paths]

    def decode(self, row: Row) -> str:
        """The answer's text for a row of encoded values."""
        leaves = [(path, json.loads(text)) for path, text in zip(self.paths, row, strict=True) if text != ABSENT]
        if not self.is_json:
            return str(leaves[0][1]) if leaves else ""
        return self.style.write(unflatten(leaves))

    def name(self, column: int) -> str:
        """How a field is called in messages to people."""
        return ".".join(self.paths[column]) or "the whole answer"

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {"is_json": self.is_json, "paths": self.paths, "style": asdict(self.style)}

    @classmethod
    def restore(cls, state: dict[str, Any]) -> "Shape":
        """The shape whose state this is."""
        return cls(state["is_json"], [tuple(path) for path in state["paths"]], Style(**state["style"]))


def encode(value: Any) -> str:
    """One value as JSON text. Raises ValueError for what JSON cannot say: infinity and not-a-number."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def parse(answer: str) -> Any:
    """The JSON object or list that `answer` is, a code fence around it removed; None for anything else."""
    text = answer.strip()
    fenced = FENCE.fullmatch(text)
    try:
        value = json.loads(fenced[1] if fenced else text)
        encode(value)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def flatten(value: Any, path: Path = ()) -> Iterable[tuple[Path, Any]]:
    """The leaves of nested objects with their paths; an empty object is a leaf."""
    if not isinstance(value, dict) or not value:
        yield path, value
        return
    for key, child in value.items():
        yield from flatten(child, (*path, key))


def unflatten(leaves: Sequence[tuple[Path, Any]]) -> Any:
    """The nested object of these leaves. A leaf and leaves below it exclude each other: the upper one stays."""
    paths = {path for path, _ in leaves}
    root: dict[str, Any] = {}
    for path, value in leaves:
        if any(path[:depth] in paths for depth in range(len(path))):
            continue
        if not path:
            return value
        at = root
        for key in path[:-1]:
            at = at.setdefault(key, {})
        at[path[-1]] = value
    return root


def _ordered_paths(parsed: Sequence[Any]) -> list[Path]:
    """Every field met, in the most common order; fields this order lacks follow."""
    orders = Counter(tuple(path for path, _ in flatten(value)) for value in parsed)
    paths: dict[Path, None] = {}
    for order, _ in orders.most_common():
        paths.update(dict.fromkeys(order))
    return list(paths) or [()]


def _common_style(answers: Sequence[str]) -> Style:
    """The style that writes most answers exactly as they stand."""
    texts = [(answer.strip(), parse(answer)) for answer in answers]
    return max(STYLES, key=lambda style: sum(style.write(value) == text for text, value in texts if value is not None))
