"""What the page of one row shows: the prompt as turns, what was answered, what would be taught, what changed."""

import json
from dataclasses import dataclass
from typing import Any

from .answers import answer_faults, reads_as_json, says_the_same, unix_lines
from .checking import Fault, faults_in
from .diff import Piece, words_changed
from .json_diff import MOST_CHANGES, KeyChange, keys_changed
from .json_layout import fault_in, laid_out
from .json_text import parse_strict
from .models import Exchange, Project
from .preview import LIMIT, Preview, preview
from .tool_calls import calls_in, parameters_of
from .turns import ToolCall, Turn, turns_of

# A page stays small however much was captured: this many characters of turns, and this many turns.
TURNS_BUDGET = 80_000
TURNS_SHOWN = 40
CALLS_SHOWN = 10
EDITOR_LIMIT = 200_000


@dataclass(frozen=True)
class ShownCall:
    """`fault` is what is wrong with the arguments, in words."""

    name: str
    id: str
    arguments: Preview
    fault: str


@dataclass(frozen=True)
class ShownTurn:
    role: str
    is_system: bool
    is_last: bool  # what the application asked last; the largest text of the page
    length: int
    preview: Preview
    calls: list[ShownCall]
    answers: str


@dataclass(frozen=True)
class Comparison:
    """`changes` is None where nothing changed, or too much to show; `keys` is None where not both texts are JSON, and
    `has_more` of them than are shown.
    """

    changes: list[Piece] | None
    is_too_long: bool = False
    keys: list[KeyChange] | None = None
    has_more: bool = False
    is_json: bool = False


@dataclass(frozen=True)
class Reading:
    """`editor` is None where the answer is too long to be edited on a page."""

    turns: list[ShownTurn]
    turns_left_out: int
    captured: Preview | None
    taught: Preview | None
    editor: str | None
    comparison: Comparison
    is_json: bool
    calls: list[ShownCall]  # where the answer calls tools
    faults: list[Fault]


def read(project: Project, row: Exchange, typed: str | None = None) -> Reading:
    """The row as its page shows it; `typed` is a text that a person left in the editor and that was not saved."""
    is_json = reads_as_json(project, row.tools, row.teaches, typed)
    captured, taught = _laid_out(row.response, is_json), _laid_out(row.teaches, is_json)
    turns = turns_of(row.messages)
    shown = turns if len(turns) <= TURNS_SHOWN else [*turns[:2], *turns[2 - TURNS_SHOWN :]]
    editor = taught or "" if typed is None else typed
    return Reading(
        turns=_shown(shown, parameters_of(row.tools)),
        turns_left_out=len(turns) - len(shown),
        captured=None if captured is None else preview(captured),
        taught=None if taught is None else preview(taught),
        editor=editor if len(editor) <= EDITOR_LIMIT else None,
        comparison=compare(project, row, row.teaches if typed is None else typed),
        is_json=is_json,
        calls=calls_of(row, editor),
        faults=answer_faults(project, row.tools, editor) if editor.strip() else [],
    )


def compare(project: Project, row: Exchange, text: str | None) -> Comparison:
    """The text against the captured answer."""
    return compared(project, row, row.response, text)


def compared(project: Project, row: Exchange, before: str | None, text: str | None) -> Comparison:
    """One answer of the row against an older one: by words, and by keys where both are JSON."""
    is_json = reads_as_json(project, row.tools, before, text)
    older, now = _laid_out(before, is_json), _laid_out(text, is_json)
    if older is None or now is None or says_the_same(now, older, is_json):
        return Comparison(None, is_json=is_json)
    changes = words_changed(older, unix_lines(now))
    is_short = changes is not None and _length(changes) <= LIMIT
    keys = _keys(older, now) if is_json else None
    return Comparison(
        changes if is_short else None,
        is_too_long=not is_short,
        keys=keys[:MOST_CHANGES] if keys else None,
        has_more=len(keys or ()) > MOST_CHANGES,
        is_json=is_json,
    )


def _keys(before: str, after: str) -> list[KeyChange] | None:
    """None where one of the texts is no JSON, as a text is while somebody types it."""
    if fault_in(before) or fault_in(after):
        return None
    return keys_changed(*(parse_strict(text.encode("utf-8", "surrogatepass")) for text in (before, after)))


def calls_of(row: Exchange, text: str | None) -> list[ShownCall]:
    """The calls of tools that the answer stands for, each with its arguments."""
    calls = calls_in(text, row.tools)
    if calls is None:
        return []
    parameters = parameters_of(row.tools)
    shown = [ToolCall(call["name"], _spelled(call["arguments"])) for call in calls.calls[:CALLS_SHOWN]]
    return [_call(call, parameters, LIMIT) for call in shown]


def _spelled(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def in_editor(text: str | None, is_json: bool) -> str:
    """The text as the editor shows it."""
    return _laid_out(text, is_json) or ""


def _laid_out(text: str | None, is_json: bool) -> str | None:
    if text is None or not is_json or fault_in(text):
        return text
    return laid_out(text)


def _length(pieces: list[Piece]) -> int:
    return sum(len(piece.text) for piece in pieces)


def _shown(turns: list[Turn], parameters: dict[str, Any]) -> list[ShownTurn]:
    last_user = max((i for i, turn in enumerate(turns) if turn.role == "user"), default=-1)
    shown = []
    budget = TURNS_BUDGET
    # From the end: the last turns matter most, so they get the room.
    for index in range(len(turns) - 1, -1, -1):
        turn = turns[index]
        limit = max(min(LIMIT, budget), 400)
        budget -= min(len(turn.text), limit)
        said = preview(turn.said, limit)
        calls = [_call(call, parameters, limit) for call in turn.calls[:CALLS_SHOWN]]
        is_asked = index == last_user
        shown.append(ShownTurn(turn.role, turn.is_system, is_asked, len(turn.text), said, calls, turn.answers))
    return shown[::-1]


def _call(call: ToolCall, parameters: dict[str, Any], limit: int) -> ShownCall:
    faults = faults_in(call.arguments, parameters.get(call.name)) if call.name else []
    fault = " ".join(part for part in (faults[0].path, faults[0].words) if part) if faults else ""
    return ShownCall(call.name, call.id, preview(_laid_out(call.arguments, True) or "", limit), fault)
