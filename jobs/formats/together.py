"""Together AI: chat lines whose sides alternate, and no other field beside the messages and the tools."""

from typing import Any

from .base import Format, Row, alternating, by_line, example_of, in_words


def line(row: Row) -> dict[str, Any]:
    example = example_of(row.body)
    messages = alternating(in_words([*example.asked, example.said]))
    return {"messages": messages} | ({"tools": example.tools} if example.tools else {})


FORMAT = Format(
    "together",
    "Together",
    "Chat lines for Together AI: text only, and user and assistant take turns.",
    by_line(line),
)
