"""The rules for a training file of preferences (DPO): what was asked, an answer that is preferred, one that is not."""

from typing import Any

from jobs.trainer import validation
from jobs.trainer.errors import shown
from jobs.trainer.tokens import CONTEXT_TOKENS, count
from jobs.trainer.validation import CONTENT, FORMAT, Broken

LINE_KEYS = {"input", "preferred_output", "non_preferred_output"}
INPUT_KEYS = {"messages", "tools", "parallel_tool_calls"}


def check_pair(example: dict[str, Any]) -> None:
    """Raise Broken if one example breaks a rule."""
    _check_keys(example, LINE_KEYS, "")
    if missing := LINE_KEYS - example.keys():
        raise Broken(FORMAT, f": missing key {shown(min(missing))}.")
    asked = example["input"]
    if not isinstance(asked, dict):
        raise Broken(CONTENT, ": 'input' must be an object with 'messages'.")
    _check_keys(asked, INPUT_KEYS, " in 'input'")
    messages = _messages(asked.get("messages"), "input.messages")
    if messages[-1]["role"] == "assistant":
        raise Broken(CONTENT, ": the input must not end with a message from the assistant.")
    preferred, other = (_answer(example[key], key) for key in ("preferred_output", "non_preferred_output"))
    if preferred == other:
        raise Broken(CONTENT, ": the two outputs are the same.")
    for answer in (preferred, other):
        if (tokens := count([*messages, answer])) > CONTEXT_TOKENS:
            raise Broken(CONTENT, f" holds {tokens} tokens; an example may hold at most {CONTEXT_TOKENS}.")


def _messages(value: Any, place: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        raise Broken(CONTENT, f": '{place}' must be a list with at least one message.")
    for number, message in enumerate(value, 1):
        try:
            validation.check_message(message)
        except Broken as broken:
            raise Broken(broken.code, f", {place}, message {number}: {broken.message}") from None
    return value


def _answer(value: Any, place: str) -> dict[str, Any]:
    messages = _messages(value, place)
    if len(messages) != 1 or messages[0]["role"] != "assistant":
        raise Broken(CONTENT, f": '{place}' must be exactly one message from the assistant.")
    return messages[0]


def _check_keys(value: dict[str, Any], known: set[str], place: str) -> None:
    if extra := value.keys() - known:
        raise Broken(FORMAT, f": unexpected key {shown(min(extra))}{place}; known are {', '.join(sorted(known))}.")
