"""What is wrong with a training example, before anybody pays for it. One code for the review page, the freeze and the
worker that uploads. Pure.

A rule without a word on its source is OpenAI's; the trainers that follow it are not stricter.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

import orjson

from .chat import Message, text_of
from .json_layout import fault_in
from .pricing import TOKEN_LIMIT
from .redaction import STRICTEST, Policy, redactor
from .schemas import schema_fault
from .tool_calls import parameters_of, spoken_by

ROLES = ("system", "user", "assistant", "tool", "function")
TOP_KEYS = {"messages", "tools", "parallel_tool_calls", "functions"}
MESSAGE_KEYS = {"role", "content", "name", "tool_calls", "tool_call_id", "function_call", "weight", "refusal"}
# One of these anywhere in the text, and the whole file is refused.
SPECIAL_TOKEN = re.compile(
    r"<\|(endoftext|endofprompt|fim_prefix|fim_middle|fim_suffix|im_start|im_end|im_sep|start|end|message|channel|"
    r"constrain|return|call)\|>"
)
LEAST_EXAMPLES = 10
ADVICE = (
    (50, "50 are where a tuned model usually begins to show it"),
    (100, "100 give a steadier result"),
    (200, "200 leave enough held-out cases to tell two models apart"),
)
SKEW_SHARE, SKEW_LEAST = 0.8, 20  # one answer in so many of so many examples is worth a word


class Severity(StrEnum):
    BLOCKER = "blocker"
    WARNING = "warning"
    NOTE = "note"


class Fix(StrEnum):
    """What a person can do about it, by one key on the row's page."""

    EDIT = "edit"
    EXCLUDE = "exclude"
    MORE = "more"  # include more rows
    NONE = ""


@dataclass(frozen=True)
class Finding:
    """`place` says where in the example ("message 3"); `words` never quote the text."""

    code: str
    severity: Severity
    words: str
    place: str = ""
    fix: Fix = Fix.EXCLUDE


@dataclass(frozen=True)
class Rules:
    """What a project asks of its examples. `masked` is what its owner has masked before anything is stored: what is
    left of that nonetheless blocks, what is allowed on purpose is only told.
    """

    is_json: bool = False
    token_limit: int = TOKEN_LIMIT
    masked: Policy = field(default_factory=Policy)


def check_example(
    example: dict[str, Any], rules: Rules, token_count: int | None = None, schema: Any = None
) -> list[Finding]:
    """All that is wrong with {"messages": […], "tools": […]}; `schema` is the JSON Schema the answer should fit."""
    messages = example.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        return [Finding("no-messages", Severity.BLOCKER, "There are no messages.")]
    found = [*_keys(example), *_turns(messages), *_tools(messages, example.get("tools")), *_weights(messages)]
    found += [*_words(messages), *_private(messages, rules), *_answer(messages[-1], rules, schema)]
    found += _arguments(messages[-1], example.get("tools"))
    return found if token_count is None else [*found, *check_length(token_count, rules)]


def check_length(token_count: int, rules: Rules) -> list[Finding]:
    """An example that the model would not read to its end."""
    if token_count <= rules.token_limit:
        return []
    words = (
        f"It has {token_count:,} tokens; the model reads {rules.token_limit:,} and silently drops the rest, "
        "which is where the answer stands."
    )
    return [Finding("too-long", Severity.BLOCKER, words)]


def _at(index: int) -> str:
    return f"message {index + 1}"


def _keys(example: dict[str, Any]) -> Iterator[Finding]:
    if extra := example.keys() - TOP_KEYS:
        yield Finding("extra-key", Severity.BLOCKER, f"It has keys trainers refuse: {_named(extra)}.", "top level")
    for index, message in enumerate(example["messages"]):
        if extra := message.keys() - MESSAGE_KEYS:
            yield Finding("extra-key", Severity.BLOCKER, f"It has keys trainers refuse: {_named(extra)}.", _at(index))


def _named(keys: set[str]) -> str:
    return ", ".join(sorted(key[:40] for key in keys)[:5])


def _turns(messages: list[Message]) -> Iterator[Finding]:
    """Roles and their order: a user asks, the assistant has the last word, and never two words in a row."""
    before = ""
    for index, message in enumerate(messages):
        role = message.get("role")
        if role not in ROLES:
            yield Finding("unknown-role", Severity.BLOCKER, "Trainers do not know its role.", _at(index))
        elif role == "assistant" and before == "assistant":
            words = "Two assistant turns follow each other."
            yield Finding("assistant-twice", Severity.BLOCKER, words, _at(index))
        elif role == "assistant" and before in ("", "system"):
            yield Finding("no-question", Severity.WARNING, "The assistant speaks before anybody asked.", _at(index))
        elif role == "system" and before not in ("", "system"):
            yield Finding("late-system", Severity.WARNING, "A system prompt stands between the turns.", _at(index))
        before = str(role)
    if before != "assistant":
        yield Finding("no-answer", Severity.BLOCKER, "The last turn is not the assistant's.", _at(len(messages) - 1))


def _tools(messages: list[Message], tools: Any) -> Iterator[Finding]:
    """Each call is of a known tool, has JSON arguments as a string, and is answered before the next turn."""
    known = {_tool_name(tool) for tool in tools} if isinstance(tools, list) else set()
    open_ids: set[Any] = set()
    for index, message in enumerate(messages):
        if message.get("role") == "tool":
            if message.get("tool_call_id") not in open_ids:
                words = "It answers a tool call that is not open."
                yield Finding("tool-unasked", Severity.BLOCKER, words, _at(index))
            open_ids.discard(message.get("tool_call_id"))
            continue
        if open_ids:
            yield Finding("tool-unanswered", Severity.BLOCKER, "A tool call before it has no answer.", _at(index))
        calls = message.get("tool_calls") or []
        open_ids = {call.get("id") for call in calls if isinstance(call, dict)} if isinstance(calls, list) else set()
        yield from _calls(calls, known, index)


def _calls(calls: Any, known: set[Any], index: int) -> Iterator[Finding]:
    for call in calls if isinstance(calls, list) else [calls]:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            yield Finding("tool-call", Severity.BLOCKER, "A tool call has no function.", _at(index))
            continue
        if function.get("name") not in known:
            yield Finding("tool-unknown", Severity.BLOCKER, "A called tool is not among its tools.", _at(index))
        arguments = function.get("arguments")
        if not isinstance(arguments, str) or fault_in(arguments):
            words = "A tool call's arguments are not JSON in a string."
            yield Finding("tool-arguments", Severity.BLOCKER, words, _at(index))


def _tool_name(tool: Any) -> Any:
    function = tool.get("function") if isinstance(tool, dict) else None
    return function.get("name") if isinstance(function, dict) else None


def _weights(messages: list[Message]) -> Iterator[Finding]:
    answers = [message for message in messages if message.get("role") == "assistant"]
    for index, message in enumerate(messages):
        if "weight" not in message:
            continue
        weight = message["weight"]
        if message.get("role") != "assistant" or isinstance(weight, bool) or weight not in (0, 1):
            words = "A weight is 0 or 1, and only an assistant turn has one."
            yield Finding("weight", Severity.BLOCKER, words, _at(index))
    if answers and all(message.get("weight") == 0 for message in answers):
        yield Finding("weight", Severity.BLOCKER, "Every assistant turn has the weight 0: there is nothing to learn.")


def _words(messages: list[Message]) -> Iterator[Finding]:
    last = len(messages) - 1
    for index, message in enumerate(messages):
        text, fix = _text(message), Fix.EDIT if index == last else Fix.EXCLUDE
        may_be_silent = message.get("tool_calls") or message.get("function_call") or message.get("refusal")
        if not text.strip() and not may_be_silent and not _has_other_parts(message.get("content")):
            severity = Severity.BLOCKER if message.get("role") == "assistant" else Severity.WARNING
            yield Finding("empty", severity, "There is no text in it.", _at(index), fix)
        if SPECIAL_TOKEN.search(text):
            words = "A control token of the model stands in the text; for one of them the whole file is refused."
            yield Finding("special-token", Severity.BLOCKER, words, _at(index), fix)
        if "\ufffd" in text:
            words = "Characters were broken when they were captured, and stand as U+FFFD."
            yield Finding("broken-text", Severity.WARNING, words, _at(index), fix)


def _text(message: Message) -> str:
    """All that a model reads of a message: its words, and the arguments it calls tools with."""
    words, calls = text_of(message.get("content")), message.get("tool_calls")
    if not isinstance(calls, list):
        return words
    functions = [call.get("function") for call in calls if isinstance(call, dict)]
    arguments = [function.get("arguments") for function in functions if isinstance(function, dict)]
    return "\n".join([words, *(text for text in arguments if isinstance(text, str))])


def _has_other_parts(content: Any) -> bool:
    return isinstance(content, list) and any(isinstance(part, dict) and part.get("type") != "text" for part in content)


def _private(messages: list[Message], rules: Rules) -> Iterator[Finding]:
    texts = [_text(message) for message in messages]
    # System prompts come back in example after example, and are as long as all the rest.
    shared = [text for text, message in zip(texts, messages, strict=True) if message.get("role") == "system"]
    own = [text for text, message in zip(texts, messages, strict=True) if message.get("role") != "system"]
    if not redactor(STRICTEST).texts(own)[1] and not any(_is_private(text) for text in shared):
        return
    for index, text in enumerate(texts):
        fix = Fix.EDIT if index == len(texts) - 1 else Fix.EXCLUDE
        masked = redactor(rules.masked).texts([text])[1]
        if left := redactor(STRICTEST).texts([text])[1]:
            kinds = ", ".join(sorted(masked or left))
            severity = Severity.BLOCKER if masked else Severity.WARNING
            yield Finding("private", severity, f"Something private is left in it: {kinds}.", _at(index), fix)


def _answer(answer: Message, rules: Rules, schema: Any) -> Iterator[Finding]:
    text = text_of(answer.get("content"))
    if answer.get("role") != "assistant" or not text.strip() or answer.get("tool_calls"):
        return  # told above; calls are looked at by themselves
    if (rules.is_json or schema is not None) and (fault := fault_in(text)):
        severity = Severity.BLOCKER if rules.is_json else Severity.WARNING
        yield Finding("not-json", severity, f"The answer should be JSON. {fault}", "answer", Fix.EDIT)
    elif schema is not None and (fault := schema_fault(schema, text)):
        yield Finding("schema", Severity.WARNING, fault, "answer", Fix.EDIT)


def _arguments(answer: Message, tools: Any) -> Iterator[Finding]:
    """What is taught to be called should be called as its tool says."""
    calls = spoken_by(answer)
    parameters = parameters_of(tools)
    for call in calls.calls if calls else ():
        schema = parameters.get(call["name"])
        if isinstance(schema, dict) and (fault := schema_fault(schema, orjson.dumps(call["arguments"]).decode())):
            yield Finding(
                "tool-schema", Severity.WARNING, f"A tool is called otherwise than it says. {fault}", "answer", Fix.EDIT
            )


@lru_cache(maxsize=256)
def _is_private(text: str) -> bool:
    return bool(redactor(STRICTEST).text(text)[1])


# Repair of an answer by one key


def repaired(text: str, is_json: bool) -> str:
    """The answer without what can be mended by itself: control tokens, secrets, a fence around JSON."""
    text = SPECIAL_TOKEN.sub(lambda found: f"<{found[1]}>", text)
    text = redactor(STRICTEST).text(text)[0]
    if is_json and fault_in(text):
        fenced = re.fullmatch(r"\s*```(?:json)?\s*\n(.*?)\n?```\s*", text, re.DOTALL | re.IGNORECASE)
        if fenced and not fault_in(fenced[1]):
            return fenced[1]
    return text


# A whole set


def check_size(train_count: int, test_count: int) -> list[Finding]:
    """Too few to train on, or too few to tell afterwards whether it paid."""
    found = []
    if train_count < LEAST_EXAMPLES:
        words = f"{train_count} examples to train on; trainers want at least {LEAST_EXAMPLES}."
        found.append(Finding("too-few", Severity.BLOCKER, words, fix=Fix.MORE))
    else:
        for enough, why in ADVICE:
            if train_count < enough:
                words = f"{train_count} examples to train on; {why}."
                found.append(Finding("few", Severity.NOTE, words, fix=Fix.MORE))
                break
    if not test_count:
        words = "Nothing is held out, so a model tuned on it cannot be tested."
        found.append(Finding("nothing-held-out", Severity.WARNING, words, fix=Fix.MORE))
    return found


def check_balance(labels: dict[str, int]) -> list[Finding]:
    """One answer that outweighs all others; `labels` are the counts of answers that stand for classes."""
    total = sum(labels.values())
    if len(labels) < 2 or total < SKEW_LEAST:
        return []
    share = max(labels.values()) / total
    if share < SKEW_SHARE:
        return []
    words = (
        f"{share:.0%} of the answers are the same one, of {len(labels)}. A model that always says it looks good. "
        "Include rows with other answers."
    )
    return [Finding("unbalanced", Severity.WARNING, words, fix=Fix.MORE)]
