"""Mistral: chat lines with one system prompt at the top, and tool calls named by nine letters and digits."""

import hashlib
from typing import Any

from curation.chat import Message

from .base import Format, Row, alternating, by_line, example_of, in_words


def line(row: Row) -> dict[str, Any]:
    example = example_of(row.body)
    turns = alternating(in_words([*example.turns, example.said]))
    system = [{"role": "system", "content": example.system}] if example.system else []
    messages = system + [_named(turn) for turn in turns]
    return {"messages": messages} | ({"tools": example.tools} if example.tools else {})


def _named(turn: Message) -> Message:
    turn = {key: value for key, value in turn.items() if key != "name" or turn["role"] == "tool"}
    if "tool_call_id" in turn:
        turn["tool_call_id"] = _short(turn["tool_call_id"])
    if turn.get("tool_calls"):
        turn["tool_calls"] = [call | {"id": _short(call.get("id"))} for call in turn["tool_calls"]]
    return turn


def _short(call_id: Any) -> str:
    """Nine letters and digits: the id itself where it is one already, else the same ones for the same id."""
    text = str(call_id)
    if len(text) == 9 and text.isascii() and text.isalnum():
        return text
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:9]


FORMAT = Format(
    "mistral", "Mistral", "Chat lines for Mistral: one system prompt first, short ids of tool calls.", by_line(line)
)
