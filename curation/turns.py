"""Captured messages as turns to read, whatever shape they came in. Pure: nothing here trusts its input."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ToolCall:
    """`arguments` is the JSON as captured; a call that is none of the usual shape has no `name` and stands there."""

    name: str
    arguments: str
    id: str = ""

    @property
    def line(self) -> str:
        return f"calls {self.name}({self.arguments})" if self.name else self.arguments


@dataclass(frozen=True)
class Turn:
    """One message. `role` is as captured; `said` is what a person reads of it, beside its tool `calls`."""

    role: str
    said: str
    calls: tuple[ToolCall, ...] = ()
    answers: str = ""  # the id of the tool call that it answers

    @property
    def text(self) -> str:
        """All of it, calls too."""
        return "\n".join(part for part in (self.said, *(call.line for call in self.calls)) if part)

    @property
    def is_system(self) -> bool:
        return self.role in ("system", "developer")


def turns_of(messages: Any) -> list[Turn]:
    """The messages in order. What is no message at all is shown as the JSON it is."""
    if not isinstance(messages, list):
        return [Turn("unknown", _as_json(messages))]
    return [_turn(message) for message in messages]


def _turn(message: Any) -> Turn:
    if not isinstance(message, dict):
        return Turn("unknown", _as_json(message))
    calls = message.get("tool_calls")
    return Turn(
        str(message.get("role", "unknown")),
        _content(message.get("content")),
        tuple(_tool_call(call) for call in calls) if isinstance(calls, list) else (),
        str(message.get("tool_call_id") or ""),
    )


def _content(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, list):
        return "\n".join(_part(part) for part in content)
    return content if isinstance(content, str) else _as_json(content)


def _part(part: Any) -> str:
    if not isinstance(part, dict):
        return _content(part)
    if isinstance(part.get("text"), str):
        return part["text"]
    image = part.get("image_url")
    if isinstance(image, dict) and isinstance(image.get("url"), str):
        url = image["url"]
        # Never a picture: no address is loaded, and base64 would drown the text.
        return f"[image, {len(url) * 3 // 4096} kB]" if url.startswith("data:") else f"[image at {url}]"
    return _as_json(part)


def _tool_call(call: Any) -> ToolCall:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return ToolCall("", _as_json(call))
    return ToolCall(str(function.get("name", "?")), _content(function.get("arguments")), str(call.get("id") or ""))


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
