"""Masking in streams of events: what is split over pieces is masked in the text they make together. Pure."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from .json_bodies import JsonMasker
from .text import TextMasker

_LINE_END = re.compile("\r\n|\r|\n")
_DEEPEST = 16
BEGINNINGS = (b"data:", b"event:", b"id:", b"retry:", b":")


class Piece(NamedTuple):
    """One string of one event that continues the strings at the same place in the events before."""

    event: "Event"
    holder: dict[str, Any]
    name: str


class Event:
    """The lines up to a blank one. `value` is what its data says, where that is a JSON object."""

    def __init__(self, lines: list[str]) -> None:
        self.data = "\n".join(line[5:].removeprefix(" ") for line in lines if line.startswith("data:"))
        self.others = [line for line in lines if not line.startswith("data:")]
        self.has_data = len(self.others) < len(lines)
        self.value = _load(self.data)

    def rewrite(self) -> None:
        """Take over a changed value."""
        self.data = json.dumps(self.value, ensure_ascii="\\u" in self.data, separators=(",", ":"))

    def lines(self) -> list[str]:
        return [*self.others, *(f"data: {line}" for line in self.data.split("\n") if self.has_data), ""]


def mask(text: str, masker: TextMasker, counts: Counter[str]) -> str:
    """The stream with masks; the stream itself, byte for byte, when there is nothing to mask.

    A text of which something is masked arrives whole in its first piece, and its other pieces are empty.
    """
    while True:
        before = counts.total()
        events = [Event(lines) for lines in _blocks(text)]
        _mask_joined(events, masker, counts)
        if masker.may_hold(text.encode("utf-8", "surrogatepass")):
            _mask_each(events, masker, counts)
        if counts.total() == before:
            return text
        text = "\n".join(line for event in events for line in event.lines()) + "\n"


def _mask_each(events: list[Event], masker: TextMasker, counts: Counter[str]) -> None:
    for event in events:
        event.others = [masker.mask(line, counts) for line in event.others]
        if event.value is None:
            event.data = masker.mask(event.data, counts)
        else:
            event.data = JsonMasker(masker, counts).mask(event.data)


def _mask_joined(events: list[Event], masker: TextMasker, counts: Counter[str]) -> None:
    texts: defaultdict[Any, list[Piece]] = defaultdict(list)
    for event in events:
        for place, holder, name in _pieces(event.value):
            texts[place].append(Piece(event, holder, name))
    changed: set[Event] = set()
    for pieces in texts.values():
        whole = "".join([piece.holder[piece.name] for piece in pieces])
        masked = JsonMasker(masker, counts).string(whole)
        if masked != whole:
            for piece in pieces:
                piece.holder[piece.name] = ""
            pieces[0].holder[pieces[0].name] = masked
            changed |= {piece.event for piece in pieces}
    if changed:
        changed |= {event for event in events if drop_logprobs(event.value)}
    for event in changed:
        event.rewrite()


def _pieces(value: Any) -> Iterator[tuple[Any, dict[str, Any], str]]:
    """Place, object and name of each string that is a piece: in chat and legacy completions, and in responses."""
    if not isinstance(value, dict):
        return
    if isinstance(value.get("delta"), str):
        yield (value.get("type"), value.get("output_index"), value.get("content_index")), value, "delta"
    choices = value.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            place = (repr(choice.get("index", 0)),)
            yield from _strings(choice.get("delta"), (*place, "delta"))
            if isinstance(choice.get("text"), str):
                yield (*place, "text"), choice, "text"


def _strings(value: Any, place: tuple[str, ...]) -> Iterator[tuple[Any, dict[str, Any], str]]:
    if len(place) > _DEEPEST:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str):
                yield (*place, name), value, name
            else:
                yield from _strings(inner, (*place, name))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            index = inner.get("index", position) if isinstance(inner, dict) else position
            yield from _strings(inner, (*place, repr(index)))


def drop_logprobs(value: Any, depth: int = 0) -> bool:
    """Token by token they would repeat what was masked. Returns whether there were any."""
    if depth > _DEEPEST or not isinstance(value, dict | list):
        return False
    inner = list(value.values()) if isinstance(value, dict) else value
    found = [drop_logprobs(item, depth + 1) for item in inner]
    if isinstance(value, dict) and isinstance(logprobs := value.get("logprobs"), dict | list) and logprobs:
        value["logprobs"] = [] if isinstance(logprobs, list) else None
        return True
    return any(found)


def _blocks(text: str) -> Iterator[list[str]]:
    block: list[str] = []
    for line in _LINE_END.split(text.removeprefix("\ufeff")):
        if line:
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _load(data: str) -> Any:
    if not data.startswith("{"):
        return None
    try:
        return orjson.loads(data)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        pass  # unpaired surrogates, which models do emit
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
