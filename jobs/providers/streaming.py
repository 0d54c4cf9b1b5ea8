"""A chat answer taken in piece by piece, to time its first token."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import openai
from openai.types.chat import ChatCompletion

from . import answers
from .base import Reply
from .errors import not_json


def reply(
    client: openai.OpenAI, model: str, messages: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]
) -> Reply:
    """The answer as `answers.reply_of` reads a whole one, with the time until its first piece of text or call."""
    started = time.perf_counter()
    gathered = _Gathered()
    asked: Any = list(messages)
    with client.chat.completions.create(model=model, messages=asked, stream=True, **settings) as stream:
        for chunk in stream:
            gathered.take(getattr(chunk, "to_dict", dict)(), (time.perf_counter() - started) * 1000)
    return gathered.reply((time.perf_counter() - started) * 1000)


class _Gathered:
    """The first choice of a stream."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.calls: dict[int, dict[str, Any]] = {}
        self.finish_reason: Any = None
        self.usage: Any = None
        self.first_ms: float | None = None
        self.has_choice = False

    def take(self, chunk: dict[str, Any], at_ms: float) -> None:
        self.usage = chunk.get("usage") or self.usage
        choice = next((each for each in chunk.get("choices") or () if each.get("index", 0) == 0), None)
        if choice is None:
            return
        self.has_choice = True
        delta = choice.get("delta") or {}
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        if self.first_ms is None and (delta.get("content") or delta.get("tool_calls")):
            self.first_ms = at_ms
        if isinstance(delta.get("content"), str):
            self.texts.append(delta["content"])
        for place, piece in enumerate(delta.get("tool_calls") or ()):
            self._take_call(piece.get("index", place), piece)

    def _take_call(self, index: int, piece: dict[str, Any]) -> None:
        call = self.calls.setdefault(index, {"type": "function", "function": {"name": "", "arguments": ""}})
        call["id"] = piece.get("id") or call.get("id")
        for name, value in (piece.get("function") or {}).items():
            call["function"][name] = call["function"].get(name, "") + (value or "")

    def reply(self, taken_ms: float) -> Reply:
        if not self.has_choice:
            raise not_json()
        calls = [self.calls[index] for index in sorted(self.calls)]
        message = {"role": "assistant", "content": "".join(self.texts) if self.texts or not calls else None}
        choice = {"index": 0, "message": message | ({"tool_calls": calls} if calls else {})}
        whole = ChatCompletion.construct(
            choices=[choice | {"finish_reason": self.finish_reason}], usage=self.usage, object="chat.completion"
        )
        return answers.reply_of(whole, taken_ms, self.first_ms)
