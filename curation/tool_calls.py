"""Answers that call tools: as the text of a row, which a person edits, and as the message a trainer gets. Pure.

The text is JSON: {"content": "…", "tool_calls": [{"name": "gate", "arguments": {"number": 4}}]}, "content" only where
words came with the calls. Ids are left out: they differ each time, and equal calls should be equal answers. An answer
reads as calls only where the call offered tools; arguments that are no JSON object stay the string that came.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from .json_text import ChatError, parse_strict

Message = dict[str, Any]


class Calls(NamedTuple):
    """Words, where some came along, and the calls: [{"name": …, "arguments": …}]."""

    content: str
    calls: list[dict[str, Any]]

    @property
    def text(self) -> str:
        words = {"content": self.content} if self.content else {}
        return json.dumps(words | {"tool_calls": self.calls}, ensure_ascii=False)

    @property
    def names(self) -> str:
        """As a class of answers: "gate(), door()"."""
        return ", ".join(f"{call['name']}()" for call in self.calls)

    def message(self, before: Iterable[Message]) -> Message:
        """What the assistant says to these messages, in OpenAI's shape; ids count on from the calls before."""
        number = sum(len(message.get("tool_calls") or []) for message in before)
        calls = [
            {
                "id": f"call_{number + n}",
                "type": "function",
                "function": {"name": call["name"], "arguments": _spelled(call)},
            }
            for n, call in enumerate(self.calls, 1)
        ]
        words = {"content": self.content} if self.content else {}
        return {"role": "assistant", **words, "tool_calls": calls}


def _spelled(call: dict[str, Any]) -> str:
    arguments = call["arguments"]
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))


def spoken(content: str, calls: Any) -> Calls | None:
    """The calls of an answer as providers write them, [{"function": {"name", "arguments"}}]; None without any."""
    found = list(_taken_apart(calls)) if isinstance(calls, list) else []
    return Calls(content, found) if found else None


def _taken_apart(calls: list[Any]) -> Iterator[dict[str, Any]]:
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            continue
        name, arguments = function.get("name"), function.get("arguments")
        if isinstance(name, str) and isinstance(arguments, str):
            yield {"name": name, "arguments": _value_of(arguments)}


def _value_of(arguments: str) -> Any:
    try:
        value = parse_strict((arguments.strip() or "{}").encode("utf-8", "surrogatepass"))
    except ChatError:
        return arguments
    return value if isinstance(value, dict) else arguments


def spoken_by(message: Message) -> Calls | None:
    """The calls of a message in an example; None where it has none."""
    content = message.get("content")
    return spoken(content if isinstance(content, str) else "", message.get("tool_calls"))


class Pieces:
    """Puts the pieces of streamed calls together, each under its index."""

    def __init__(self) -> None:
        self._functions: dict[Any, dict[str, str]] = {}

    def add(self, calls: Any) -> None:
        for call in calls if isinstance(calls, list) else ():
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict):
                whole = self._functions.setdefault(
                    call.get("index", len(self._functions)), {"name": "", "arguments": ""}
                )
                for key in whole:
                    if isinstance(function.get(key), str):
                        whole[key] += function[key]

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [{"function": function} for function in self._functions.values() if function["name"]]


def looks_like_calls(text: str | None, tools: Any) -> bool:
    """Is the text meant as calls, however broken? Then it must not be taught as words."""
    return bool(tools and text and text.lstrip().startswith("{") and '"tool_calls"' in text)


def calls_in(text: str | None, tools: Any) -> Calls | None:
    """The calls that the text of a row stands for; None where it is words, or calls of no proper shape."""
    if text is None or not looks_like_calls(text, tools):
        return None
    try:
        value = parse_strict(text.encode("utf-8", "surrogatepass"))
    except ChatError:
        return None
    if not isinstance(value, dict) or value.keys() - {"content", "tool_calls"}:
        return None
    calls, content = value.get("tool_calls"), value.get("content", "")
    if not isinstance(calls, list) or not calls or not isinstance(content, str):
        return None
    return Calls(content, calls) if all(_is_call(call) for call in calls) else None


def _is_call(call: Any) -> bool:
    return isinstance(call, dict) and call.keys() == {"name", "arguments"} and isinstance(call["name"], str)


def parameters_of(tools: Any) -> dict[str, Any]:
    """The JSON Schema of each offered tool's arguments, by its name."""
    functions = [tool.get("function") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    known = [function for function in functions if isinstance(function, dict)]
    return {str(function.get("name")): function.get("parameters") for function in known}
