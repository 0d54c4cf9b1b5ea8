"""The chat format: what a prompt is, what was answered, what a training example says. Pure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from .json_text import ChatError, canonical, clean, clean_value, digest, parse_strict, with_model
from .tool_calls import Pieces, spoken, spoken_by

__all__ = [
    "Answer",
    "ChatError",
    "Message",
    "Prompt",
    "canonical",
    "clean",
    "clean_value",
    "context_digest",
    "count_of",
    "digest",
    "events",
    "load",
    "parse_strict",
    "read_answer",
    "request_messages",
    "said_in",
    "split_prompt",
    "text_of",
    "training_messages",
    "with_model",
    "word_of",
]

_MAX_TOKENS = 2**31 - 1  # what the columns hold
_SYSTEM_ROLES = ("system", "developer")
_LENIENT = json.JSONDecoder()
Message = dict[str, Any]


class Prompt(NamedTuple):
    """What was asked. `user_prompt` and `context` together tell prompts apart; the system prompt does not count."""

    system: str
    earlier: list[Message]
    user_prompt: str
    attachments: list[Any]  # what is not text in the last user message
    later: list[Message]  # tool calls and their results since then

    @property
    def context(self) -> list[Any]:
        """All that was said besides the user's own words; empty for a plain first question."""
        rest = {"attachments": self.attachments} if self.attachments else {}
        rest |= {"later": self.later} if self.later else {}
        return [*self.earlier, rest] if rest else list(self.earlier)


def split_prompt(messages: list[Message]) -> Prompt:
    """Take a request's messages apart at the last user message. Raises ChatError when there is none."""
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise ChatError("The messages are not a list of objects.")
    turns = [message for message in messages if message.get("role") not in _SYSTEM_ROLES]
    last = _last_user(turns)
    system = [text_of(message.get("content")) for message in messages if message.get("role") in _SYSTEM_ROLES]
    content = turns[last].get("content")
    return Prompt(
        system="\n\n".join(system),
        earlier=turns[:last],
        user_prompt=text_of(content),
        attachments=[part for part in content if not _is_text(part)] if isinstance(content, list) else [],
        later=turns[last + 1 :],
    )


def _last_user(turns: list[Message]) -> int:
    for index in range(len(turns) - 1, -1, -1):
        if turns[index].get("role") == "user":
            return index
    raise ChatError("There is no user message.")


def text_of(content: Any) -> str:
    """The text of a message's content: a string, or the text parts of a list, a line each."""
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if _is_text(part))
    return content if isinstance(content, str) else ""


def said_in(message: Message) -> str:
    """What a message of an example says: its words, or its calls of tools as they stand in a row."""
    calls = spoken_by(message)
    return calls.text if calls else text_of(message.get("content"))


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str)


def context_digest(context: list[Any]) -> str:
    """What stands for the context of a prompt; "" where there is none."""
    return digest(canonical(context)) if context else ""


def training_messages(messages: list[Message], training_prompt: str, answer: str) -> list[Message]:
    """A training example: one short system prompt in place of the captured ones (which stay when there is none), the
    turns, and the answer to learn. Trainers know no role "developer": it becomes "system".
    """
    if training_prompt:
        system = [{"role": "system", "content": training_prompt}]
    else:
        system = [m | {"role": "system"} for m in messages if m.get("role") in _SYSTEM_ROLES]
    turns = [message for message in messages if message.get("role") not in _SYSTEM_ROLES]
    last = _last_user(turns)
    while len(turns) > last + 1 and turns[-1].get("role") == "assistant":
        turns.pop()  # the beginning of an answer, or the answer itself
    return [*system, *turns, {"role": "assistant", "content": answer}]


def request_messages(request: Any) -> list[Message]:
    """The messages of a chat request; a legacy completion's prompt as one user message. Raises ChatError."""
    if isinstance(request, dict):
        prompt = request.get("prompt")
        if isinstance(prompt, list) and len(prompt) == 1:
            prompt = prompt[0]
        if "messages" not in request and isinstance(prompt, str):
            return [{"role": "user", "content": prompt}]
        if isinstance(messages := request.get("messages"), list):
            return messages
    raise ChatError("There are no messages.")


# --- answers ---


@dataclass(kw_only=True)
class Answer:
    """What came back. `text` is null without an answer (an error, broken off before); calls of tools are an answer, as
    `tool_calls` writes them. `others` are what the further choices say, where more than one was asked for.
    """

    text: str | None = None
    others: Sequence[str] = ()
    finish_reason: str = ""
    model: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    error_code: str = ""
    is_complete: bool = False


def read_answer(body: bytes, is_stream: bool) -> Answer:
    """Read a chat completion or a legacy completion. Takes any bytes, raises nothing."""
    return _read_stream(body) if is_stream else _read_object(load(body))


def load(text: bytes) -> Any:
    """The value of a provider's JSON, read as kindly as can be; None where it is none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass  # orjson refuses unpaired surrogates, which models do emit
    try:
        return _LENIENT.decode(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _read_object(value: Any) -> Answer:
    if not isinstance(value, dict):
        return Answer(error_code="invalid_answer")
    answer = Answer()
    _read_common(answer, value)
    if answer.error_code:
        return answer
    choices: dict[int, dict[str, Any]] = {}
    for index, choice in _choices_of(value):
        choices.setdefault(index, choice)
    if 0 not in choices:
        return Answer(error_code="invalid_answer")
    first = choices.pop(0)
    answer.text = _said(first)
    answer.others = [text for index in sorted(choices) if (text := _said(choices[index]))]
    answer.finish_reason = word_of(first.get("finish_reason"))
    answer.is_complete = True
    return answer


def _said(choice: dict[str, Any]) -> str | None:
    message = choice.get("message")
    if isinstance(message, dict):
        return _words(message)
    return choice["text"] if isinstance(choice.get("text"), str) else None


def _words(message: Message) -> str | None:
    content = message.get("content")
    if calls := spoken(text_of(content), message.get("tool_calls")):
        return calls.text
    if content is None:
        content = message.get("refusal")
    if not isinstance(content, str | list):
        return None
    text = text_of(content)
    return None if not text and message.get("tool_calls") else text


def _read_common(answer: Answer, value: dict[str, Any]) -> None:
    """What an answer and each piece of a stream have in common: model, tokens, error."""
    answer.model = word_of(value.get("model")) or answer.model
    if isinstance(usage := value.get("usage"), dict):
        answer.prompt_tokens = count_of(usage.get("prompt_tokens"))
        answer.completion_tokens = count_of(usage.get("completion_tokens"))
    if error := value.get("error"):
        details = error if isinstance(error, dict) else {}
        answer.error_code = word_of(details.get("code")) or word_of(details.get("type")) or "error"


def _choices_of(value: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each with its index."""
    choices = value.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        index = choice.get("index", 0) if isinstance(choice, dict) else None
        if isinstance(index, int):
            yield index, choice


def word_of(value: Any) -> str:
    """A name or a code; "" for what is neither a text nor a number."""
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ""


def count_of(value: Any) -> int | None:
    """A count of tokens that the columns can hold."""
    return value if type(value) is int and 0 <= value <= _MAX_TOKENS else None


def _read_stream(body: bytes) -> Answer:
    answer = Answer()
    choices: dict[int, _Choice] = {}
    for data in events(body):
        if data == b"[DONE]":
            answer.is_complete = True
            break
        value = load(data)
        if isinstance(value, dict):
            _read_common(answer, value)
            for index, piece in _choices_of(value):
                if index not in choices:
                    choices[index] = _Choice()
                choices[index].add(piece)
    have_ended = bool(choices) and all(choice.finish_reason for choice in choices.values())
    first = choices.pop(0, _Choice())
    answer.text = first.text
    answer.others = [text for index in sorted(choices) if (text := choices[index].text)]
    answer.finish_reason = first.finish_reason
    answer.is_complete = not answer.error_code and (answer.is_complete or have_ended)
    return answer


class _Choice:
    """Puts the pieces of one of a stream's choices together."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._calls = Pieces()
        self._calls_tools = False
        self.finish_reason = ""

    @property
    def text(self) -> str | None:
        text = "".join(self._pieces)
        if calls := spoken(text, self._calls.calls):
            return calls.text
        return None if not self._pieces or (self._calls_tools and not text) else text

    def add(self, choice: dict[str, Any]) -> None:
        if reason := word_of(choice.get("finish_reason")):
            self.finish_reason = reason
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            delta = {"content": choice.get("text")}
        if calls := delta.get("tool_calls"):
            self._calls_tools = True
            self._calls.add(calls)
        for piece in (delta.get("content"), delta.get("refusal")):
            if isinstance(piece, str):
                self._pieces.append(piece)


def events(body: bytes) -> Iterator[bytes]:
    """The data of each server-sent event; lines may end in CR, LF or both, and the last event may lack its blank."""
    lines = body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    data: list[bytes] = []
    for line in [*lines, b""]:
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            yield b"\n".join(data)
            data = []
