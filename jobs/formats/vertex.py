"""Google Vertex AI: the contents of a Gemini call, with the model's turns under the role "model"."""

from contextlib import suppress
from typing import Any

import orjson

from curation.chat import Message

from .base import Format, Row, alternating, by_line, example_of, in_words


def line(row: Row) -> dict[str, Any]:
    example = example_of(row.body)
    turns = alternating(in_words([*example.turns, example.said]))
    names = {call.get("id"): call["function"].get("name") for turn in turns for call in turn.get("tool_calls") or []}
    value: dict[str, Any] = {"contents": [_content(turn, names) for turn in turns]}
    if example.system:
        value = {"systemInstruction": {"role": "system", "parts": [{"text": example.system}]}} | value
    if example.tools:
        declared = [tool["function"] for tool in example.tools if tool.get("type") == "function"]
        value["tools"] = [{"functionDeclarations": declared}]
    return value


def _content(turn: Message, names: dict[Any, Any]) -> dict[str, Any]:
    if turn["role"] == "tool":
        answered = {"name": names.get(turn.get("tool_call_id"), ""), "response": {"content": turn["content"]}}
        return {"role": "user", "parts": [{"functionResponse": answered}]}
    parts = [{"text": turn["content"]}] if turn["content"] else []
    for call in turn.get("tool_calls") or []:
        function = call["function"]
        parts.append({"functionCall": {"name": function.get("name"), "args": _arguments(function.get("arguments"))}})
    return {"role": "model" if turn["role"] == "assistant" else "user", "parts": parts or [{"text": ""}]}


def _arguments(text: Any) -> Any:
    with suppress(orjson.JSONDecodeError, TypeError):
        return orjson.loads(text)
    return {}


FORMAT = Format(
    "vertex",
    "Google Vertex",
    "Gemini on Vertex AI: contents with parts, the system prompt beside them.",
    by_line(line),
)
