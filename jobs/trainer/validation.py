"""The rules for a training file in chat format, and sentences that say where a file breaks them.

A file is UTF-8 text without byte order mark, one JSON object on each line, at least ten of them:
{"messages": [...], "tools": [...], "parallel_tool_calls": false}, of which only messages is needed.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from jobs.trainer.errors import shown
from jobs.trainer.tokens import CONTEXT_TOKENS, count, text_of

FEWEST_EXAMPLES = 10
MOST_PROBLEMS = 20
LINE_KEYS = {"messages", "tools", "functions", "parallel_tool_calls"}
MESSAGE_KEYS = {"role", "content", "name", "weight", "tool_calls", "tool_call_id", "function_call", "refusal"}
ROLES = ("system", "user", "assistant", "tool", "function")
SPECIAL = re.compile(r"<\|(?:endoftext|endofprompt|fim_prefix|fim_middle|fim_suffix|im_start|im_end|im_sep)\|>")
BOM = b"\xef\xbb\xbf"

FORMAT = "invalid_file_format"
CONTENT = "invalid_training_file"


class Broken(Exception):
    """One rule that one line breaks: the error code and the sentence without the line's number."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True)
class Problem:
    """Why a file cannot be used."""

    code: str
    message: str


def problems(path: Path, param: str, check: Callable[[dict[str, Any]], None]) -> Iterator[Problem]:
    """The file's problems, the first at most twenty; none for a good file. `param` says which file of a job it is,
    `check` raises Broken for an example that is wrong."""
    examples = found = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                check(parse_line(line, number))
            except Broken as broken:
                code = (
                    "invalid_validation_file" if broken.code == CONTENT and param == "validation_file" else broken.code
                )
                yield Problem(code, f"Invalid file format. Line {number}{broken.message}")
                found += 1
                if found == MOST_PROBLEMS:
                    return
            examples += 1
    if param == "training_file" and examples < FEWEST_EXAMPLES:
        message = f"Training file has {examples} example(s), but must have at least {FEWEST_EXAMPLES} examples"
        yield Problem("invalid_n_examples", message)
    elif not examples:
        yield Problem("invalid_n_examples", "Validation file has no examples, but must have at least 1")


def read(path: Path) -> list[dict[str, Any]]:
    """The examples of a file without problems."""
    with path.open("rb") as lines:
        return [orjson.loads(line) for line in lines]


def parse_line(line: bytes, number: int) -> dict[str, Any]:
    """The JSON object on one line. Raises Broken."""
    if number == 1 and line.startswith(BOM):
        raise Broken(FORMAT, " starts with a byte order mark; save the file as UTF-8 without BOM.")
    if not line.strip():
        raise Broken(FORMAT, " is blank; every line must be a JSON object.")
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Broken(FORMAT, f" is not valid JSON in UTF-8 ({error.msg}).") from None
    if not isinstance(value, dict):
        raise Broken(FORMAT, " is not a JSON object.")
    return value


def check_example(example: dict[str, Any]) -> None:
    """Raise Broken if one example breaks a rule."""
    if extra := example.keys() - LINE_KEYS:
        raise Broken(FORMAT, f": unexpected key {shown(min(extra))}; known are {', '.join(sorted(LINE_KEYS))}.")
    if "messages" not in example:
        raise Broken(FORMAT, ": missing key 'messages'.")
    messages = example["messages"]
    if not isinstance(messages, list) or not messages:
        raise Broken(CONTENT, ": 'messages' must be a list with at least one message.")
    for number, message in enumerate(messages, 1):
        try:
            check_message(message)
        except Broken as broken:
            raise Broken(broken.code, f", message {number}: {broken.message}") from None
    if messages[-1]["role"] != "assistant":
        raise Broken(CONTENT, ": the last message must be from the assistant.")
    if not any(message.get("weight", 1) for message in messages if message["role"] == "assistant"):
        raise Broken(CONTENT, ": every assistant message has weight 0, so there is nothing to learn.")
    _check_tools(example, messages)
    if (tokens := count(messages)) > CONTEXT_TOKENS:
        raise Broken(CONTENT, f" holds {tokens} tokens; an example may hold at most {CONTEXT_TOKENS}.")


def check_message(message: Any) -> None:
    """Raise Broken if one message breaks a rule."""
    if not isinstance(message, dict):
        raise Broken(CONTENT, "must be a JSON object.")
    if "role" not in message:
        raise Broken(CONTENT, "missing key 'role'.")
    role = message["role"]
    if role not in ROLES:
        raise Broken(CONTENT, f"role {shown(role)} is not one of {', '.join(ROLES)}.")
    if extra := message.keys() - MESSAGE_KEYS:
        raise Broken(FORMAT, f"unexpected key {shown(min(extra))}; known are {', '.join(sorted(MESSAGE_KEYS))}.")
    _check_weight(message)
    _check_content(message)
    for text in _texts(message):
        if special := SPECIAL.search(text):
            raise Broken(FORMAT, f"contains an invalid token {special.group()}.")


def _check_weight(message: dict[str, Any]) -> None:
    if "weight" not in message:
        return
    if message["role"] != "assistant":
        raise Broken(FORMAT, "only assistant messages may have a weight.")
    if type(message["weight"]) is not int or message["weight"] not in (0, 1):
        raise Broken(CONTENT, "weight must be 0 or 1.")


def _check_content(message: dict[str, Any]) -> None:
    content = message.get("content")
    if content is None:
        may_be_empty = message["role"] == "assistant" and any(
            message.get(key) for key in ("tool_calls", "function_call", "refusal")
        )
        if not may_be_empty:
            raise Broken(CONTENT, "content is missing; only an assistant message with tool calls may lack it.")
    elif isinstance(content, list):
        for part in content:
            if not (isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)):
                raise Broken(CONTENT, "content parts must be of type text; this trainer reads no images or sound.")
    elif not isinstance(content, str):
        raise Broken(CONTENT, "content must be a string or a list of parts.")


def _texts(message: dict[str, Any]) -> Iterator[str]:
    """Everything in a message that a model would read."""
    yield text_of(message.get("content"))
    for key in ("name", "refusal"):
        value = message.get(key)
        if value is not None and not isinstance(value, str):
            raise Broken(CONTENT, f"{key} must be a string.")
        yield value or ""
    for name, arguments in _calls(message):
        yield name
        yield arguments


def _calls(message: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and arguments of each call in a message. Raises Broken for a call of another shape."""
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise Broken(CONTENT, "tool_calls must be a list of objects.")
    functions = [call.get("function") for call in calls]
    if message.get("function_call") is not None:
        functions.append(message["function_call"])
    if functions and message["role"] != "assistant":
        raise Broken(CONTENT, "only assistant messages may call tools.")
    for function in functions:
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise Broken(CONTENT, "a call needs a function with a name.")
        if not isinstance(function.get("arguments"), str):
            raise Broken(CONTENT, "a call's arguments must be a JSON string.")
        yield function["name"], function["arguments"]


def _check_tools(example: dict[str, Any], messages: list[dict[str, Any]]) -> None:
    """Called tools are declared, and every call is answered before the conversation goes on."""
    declared = set(_declared(example))
    waiting: set[str] = set()
    for number, message in enumerate(messages, 1):
        if message["role"] == "tool":
            answered = message.get("tool_call_id")
            if not isinstance(answered, str) or answered not in waiting:
                raise Broken(CONTENT, f", message {number}: tool_call_id answers no open call.")
            waiting.discard(answered)
            continue
        if waiting:
            raise Broken(CONTENT, f", message {number}: a tool call before it has no answer.")
        for name, _ in _calls(message):
            if name not in declared:
                raise Broken(CONTENT, f", message {number}: calls {shown(name)}, which is not among the tools.")
        waiting = {call["id"] for call in message.get("tool_calls") or [] if isinstance(call.get("id"), str)}


def _declared(example: dict[str, Any]) -> Iterator[str]:
    """Names of the tools an example offers. Raises Broken for a tool of another shape."""
    for key in ("tools", "functions"):
        offered = example.get(key) or []
        if not isinstance(offered, list):
            raise Broken(CONTENT, f": '{key}' must be a list.")
        for tool in offered:
            function = tool.get("function") if key == "tools" and isinstance(tool, dict) else tool
            if not isinstance(function, dict) or not isinstance(function.get("name"), str):
                raise Broken(CONTENT, f": each of '{key}' needs a function with a name.")
            yield function["name"]
