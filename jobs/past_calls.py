"""What a line of a file says of a past call, in the shapes people have such files in. Pure."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from curation import chat

CHAT = "/v1/chat/completions"
COMPLETION = "/v1/completions"
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_KNOWN_KEYS = {
    *("role", "content", "name", "weight", "refusal", "audio", "annotations"),
    *("tool_calls", "tool_call_id", "function_call", "reasoning_content"),
}
_RESERVED = re.compile(r"<\|[a-z_]{2,30}\|>")


class PastCall(NamedTuple):
    """Bodies as the API would have carried them; the moment and the milliseconds it took, where the line tells them.

    `notes` say what is odd about it, though it can be stored.
    """

    endpoint: str
    model: str
    request: bytes
    response: bytes
    started_at: datetime | None = None
    duration_ms: float | None = None
    status_code: int | None = None
    notes: tuple[str, ...] = ()


def shape_of(value: Any) -> str:
    """What kind of line it is, in words; empty where nothing here reads it."""
    if isinstance(value, dict):
        for key, (words, _) in _SHAPES.items():
            if key in value and (key != "messages" or _is_conversation(value[key])):
                return words
    return ""


def past_call(value: Any) -> PastCall:
    """Raises ChatError for what is no call; the message says what was expected."""
    if isinstance(value, dict):
        for key, (_, read) in _SHAPES.items():
            if key in value:
                return read(value)
    raise chat.ChatError('A line must be an object with "messages", with "prompt" and "completion", or with "request".')


def call_of_columns(row: Mapping[str, Any], columns: Mapping[str, str]) -> PastCall:
    """A call from a row and the names of its columns: `prompt`, `answer`, and maybe `more` (which follows the prompt),
    `system` and `model`. The prompt may be a list of messages, and of a list of answers the first counts. Raises
    ChatError.
    """
    cells = {part: row.get(name) for part, name in columns.items() if name}
    asked = cells.pop("prompt", None)
    if isinstance(answers := cells.get("answer"), list) and answers:
        cells["answer"] = answers[0]
    texts = {part: _cell(cell, columns[part]) for part, cell in cells.items()}
    if not texts.get("answer", "").strip():
        raise chat.ChatError("There is no answer in this row.")
    messages = list(_messages(asked, columns.get("prompt", "")))
    if texts.get("more"):
        messages[-1]["content"] = f"{messages[-1]['content']}\n\n{texts['more']}"
    system = [{"role": "system", "content": texts["system"]}] if texts.get("system") else []
    model = {"model": texts["model"]} if texts.get("model") else {}
    answer = {"role": "assistant", "content": texts["answer"]}
    notes = tuple(dict.fromkeys(_oddities([*system, *messages, answer])))
    return _past_call(CHAT, model | {"messages": [*system, *messages]}, _answered(answer))._replace(notes=notes)


def _messages(asked: Any, name: str) -> Iterator[chat.Message]:
    if _is_conversation(asked):
        yield from ({**message} for message in asked)
        return
    prompt = _cell(asked, name)
    if not prompt.strip():
        raise chat.ChatError("There is no prompt in this row.")
    yield {"role": "user", "content": prompt}


def _is_conversation(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) and "role" in item for item in value)


def _cell(value: Any, name: str) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, dict | list):
        raise chat.ChatError(f"“{name[:60]}” is no text here.")
    return chat.canonical(value)


# The shapes


def _logged(value: dict[str, Any]) -> PastCall:
    """{"request": {…}, "response": {…}}: bodies as they were sent and received."""
    request, response = value.get("request"), value.get("response")
    if not isinstance(request, dict) or not isinstance(response, dict):
        raise chat.ChatError('"request" and "response" must be objects.')
    return _past_call(_endpoint(request, '"request"'), request, response, _moment(response.get("created")))


def _chat_example(value: dict[str, Any]) -> PastCall:
    """{"messages": […, the answer]}: a line as fine-tuning takes it."""
    messages = value["messages"]
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise chat.ChatError('"messages" must be a list of objects.')
    if len(messages) < 2 or messages[-1].get("role") != "assistant":
        raise chat.ChatError("The last message must be the assistant's answer, and something before it.")
    request = value | {"messages": messages[:-1]}
    notes = tuple(dict.fromkeys(_oddities(messages)))
    return _past_call(CHAT, request, _answered(messages[-1]))._replace(notes=notes)


def _completion_example(value: dict[str, Any]) -> PastCall:
    """{"prompt": "…", "completion": "…"}"""
    prompt, completion = value.get("prompt"), value.get("completion")
    if not isinstance(prompt, str) or not isinstance(completion, str):
        raise chat.ChatError('"prompt" and "completion" must both be texts.')
    request = {key: other for key, other in value.items() if key != "completion"}
    return _past_call(COMPLETION, request, {"choices": [{"index": 0, "text": completion}]})


def _helicone(value: dict[str, Any]) -> PastCall:
    """A record of Helicone's export with bodies: request_body, response_body, request_created_at, response_status."""
    request, response = value.get("request_body"), value.get("response_body")
    if not isinstance(request, dict) or not isinstance(response, dict):
        raise chat.ChatError('There are no bodies in this record. Export with "--include-body".')
    status = value.get("response_status")
    call = _past_call(_endpoint(request, '"request_body"'), request, response, _moment(value.get("request_created_at")))
    return call._replace(
        model=call.model or _text(value.get("request_model")) or _text(value.get("model")),
        duration_ms=_number(value.get("delay_ms")),
        status_code=status if type(status) is int and 100 <= status < 600 else None,
    )


def _langfuse(value: dict[str, Any]) -> PastCall:
    """An observation of Langfuse's export, in the spelling of its storage or of its API."""
    if (kind := value.get("type")) != "GENERATION":
        raise chat.ChatError(f"An observation of the type {_text(kind)[:20] or 'unknown'} is no call of a model.")
    asked, answered = _unpacked(value.get("input")), _unpacked(value.get("output"))
    if isinstance(asked, list):
        asked = {"messages": asked}
    elif isinstance(asked, str):
        asked = {"messages": [{"role": "user", "content": asked}]}
    if not isinstance(asked, dict):
        raise chat.ChatError("The observation has no input.")
    if isinstance(answered, str):
        answered = {"role": "assistant", "content": answered}
    if not isinstance(answered, dict):
        raise chat.ChatError("The observation has no output.")
    response = answered if "choices" in answered else _answered(answered)
    model = _text(value.get("provided_model_name")) or _text(value.get("model"))
    if usage := _langfuse_usage(value.get("usage_details") or value.get("usageDetails")):
        response = {"usage": usage} | response
    started_at = _moment(value.get("start_time") or value.get("startTime"))
    ended_at = _moment(value.get("end_time") or value.get("endTime"))
    took = (ended_at - started_at).total_seconds() * 1000 if started_at and ended_at else None
    request = ({"model": model} if model else {}) | asked
    return _past_call(_endpoint(request, "The input"), request, response, started_at)._replace(
        duration_ms=took if took and took >= 0 else None
    )


def _langfuse_usage(details: Any) -> dict[str, int]:
    details = _unpacked(details)
    if not isinstance(details, dict):
        return {}
    names = {"input": "prompt_tokens", "output": "completion_tokens"}
    return {name: details[key] for key, name in names.items() if type(details.get(key)) is int}


# The order counts: what has several of these keys is read by the first. The words are shown to people.
_SHAPES = {
    "request_body": ("Records exported from Helicone", _helicone),
    "request": ("Requests and responses", _logged),
    "messages": ("Chat examples whose last message is the answer", _chat_example),
    "completion": ("Prompts and completions", _completion_example),
    "trace_id": ("Observations exported from Langfuse", _langfuse),
    "traceId": ("Observations exported from Langfuse", _langfuse),
}


# Their parts


def _oddities(messages: list[chat.Message]) -> Iterator[str]:
    """What is odd about a conversation. Raises ChatError for what no trainer and no model would take."""
    roles = [message.get("role") for message in messages]
    for place, message in enumerate(messages, start=1):
        if message.get("role") not in ROLES:
            raise chat.ChatError(f"Message {place} has an unknown role.")
        if "weight" in message and message["weight"] not in (0, 1):
            raise chat.ChatError(f"The weight of message {place} is neither 0 nor 1.")
        content = message.get("content")
        if content is not None and not isinstance(content, str | list):
            raise chat.ChatError(f"The content of message {place} is neither a text nor a list of parts.")
        if not content and not (message.get("tool_calls") or message.get("function_call")):
            yield f"Message {place} is empty."
        if not message.keys() <= _KNOWN_KEYS:
            yield f"Message {place} has a key that trainers do not know."
        if isinstance(content, str) and "<|" in content and _RESERVED.search(content):
            yield f"Message {place} has a reserved token in it."
    if roles.count("system") + roles.count("developer") > 1:
        yield "There are several system messages."
    first = next((role for role in roles if role not in ("system", "developer")), None)
    if first == "assistant":
        yield "The assistant speaks first."
    answer = messages[-1].get("content")
    if isinstance(answer, str) and answer and not any(letter.isalnum() for letter in answer):
        yield "The answer has neither a letter nor a digit."


def _endpoint(request: dict[str, Any], where: str) -> str:
    if "messages" not in request and "prompt" not in request:
        raise chat.ChatError(f'{where} has neither "messages" nor "prompt".')
    return CHAT if "messages" in request else COMPLETION


def _answered(message: dict[str, Any]) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message}]}


def _past_call(
    endpoint: str, request: dict[str, Any], response: dict[str, Any], started_at: datetime | None = None
) -> PastCall:
    return PastCall(endpoint, _text(request.get("model")), as_body(request), as_body(response), started_at)


def as_body(value: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # unpaired surrogates stay escaped, as they were; and integers of any size
        return json.dumps(value, separators=(",", ":")).encode()


def _unpacked(value: Any) -> Any:
    """Exports hold JSON within a string; what is none is text."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return chat.parse_strict(value.encode("utf-8", "surrogatepass"))
        except chat.ChatError:
            return value
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and 0 <= value < 2**53 else None


def _moment(told: Any) -> datetime | None:
    """Seconds since 1970, as OpenAI says it, or a time in ISO 8601 (without a zone: UTC). None for the future too."""
    if isinstance(told, str):
        try:
            moment = datetime.fromisoformat(told)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        told = moment.timestamp()
        return moment if 0 < told < time.time() else None
    if type(told) is int and 0 < told < time.time():
        return datetime.fromtimestamp(told, UTC)
    return None
