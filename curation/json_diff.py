"""What changed between two JSON values, key by key. Key order and white space are no difference. Pure."""

import json
import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, Literal, NamedTuple

from .json_text import canonical

MOST_CHANGES = 100
MOST_SHOWN = 200  # characters of one value
# Longer lists are compared place by place: finding what was moved would keep the page waiting.
MOST_ITEMS = 1000
_PLAIN = re.compile(r"\w+")


class KeyChange(NamedTuple):
    """`path` as in `city.names[0]`, "" for the whole; a value is spelled as JSON, "" where there is none."""

    kind: Literal["added", "removed", "changed"]
    path: str
    before: str
    after: str


def keys_changed(before: Any, after: Any) -> list[KeyChange]:
    """The first 101 changes, in the order of the older value's keys, then those that are new."""
    changes: list[KeyChange] = []
    for change in _changes("", before, after):
        changes.append(change)
        if len(changes) > MOST_CHANGES:
            break
    return changes


def _changes(path: str, before: Any, after: Any) -> Iterator[KeyChange]:
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _in_object(path, before, after)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _in_list(path, before, after)
    elif canonical(before) != canonical(after):  # 1, 1.0 and true are three values in JSON, and one in Python
        yield KeyChange("changed", path, _shown(before), _shown(after))


def _in_object(path: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[KeyChange]:
    for key, value in before.items():
        if key in after:
            yield from _changes(_below(path, key), value, after[key])
        else:
            yield KeyChange("removed", _below(path, key), _shown(value), "")
    for key, value in after.items():
        if key not in before:
            yield KeyChange("added", _below(path, key), "", _shown(value))


def _in_list(path: str, before: list[Any], after: list[Any]) -> Iterator[KeyChange]:
    """Items that stayed are found again where they moved up or down; the places are those of the list they are in."""
    for old, new in _aligned(before, after):
        for place in range(max(len(old), len(new))):
            if place >= len(new):
                yield KeyChange("removed", f"{path}[{old[place]}]", _shown(before[old[place]]), "")
            elif place >= len(old):
                yield KeyChange("added", f"{path}[{new[place]}]", "", _shown(after[new[place]]))
            else:
                yield from _changes(f"{path}[{new[place]}]", before[old[place]], after[new[place]])


def _aligned(before: list[Any], after: list[Any]) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    """Which stretch of the older list became which of the newer one; stretches that stayed are left out."""
    if max(len(before), len(after)) > MOST_ITEMS:
        yield range(len(before)), range(len(after))
        return
    old, new = [canonical(item) for item in before], [canonical(item) for item in after]
    for kind, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            yield range(i, j), range(k, m)


def _below(path: str, key: str) -> str:
    if not _PLAIN.fullmatch(key):
        return f"{path}[{json.dumps(key, ensure_ascii=False)}]"
    return f"{path}.{key}" if path else key


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1]}…"
