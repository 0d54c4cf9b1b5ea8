"""Fireworks AI: OpenAI's chat lines, with text in place of parts and without the names of speakers."""

from typing import Any

from .base import Format, Row, by_line, example_of, in_words

_KEYS = ("role", "content", "tool_calls", "tool_call_id", "weight")


def line(row: Row) -> dict[str, Any]:
    example = example_of(row.body)
    turns = in_words([*example.asked, example.said])
    messages = [{key: turn[key] for key in _KEYS if key in turn} for turn in turns]
    return {"messages": messages} | ({"tools": example.tools} if example.tools else {})


FORMAT = Format("fireworks", "Fireworks", "Chat lines for Fireworks AI: text only, with tools.", by_line(line))
