"""The Responses API beside chat: its requests as chat requests, and what was answered. Pure."""

from collections.abc import Iterable
from typing import Any

from .chat import Answer, ChatError, Message, count_of, events, load, word_of
from .tool_calls import spoken

ENDPOINT = "/v1/responses"

_KEPT_BY_PROVIDER = ("previous_response_id", "conversation")
_LAST_EVENTS = ("response.completed", "response.failed", "response.incomplete")
_PIECES = ("response.output_text.delta", "response.refusal.delta")
_UNFINISHED = ("queued", "in_progress")  # answers to a request made in the background
_FINISH = {"max_output_tokens": "length"}


def as_chat(request: Any) -> dict[str, Any]:
    """The chat request that asks the same: messages, tools and response_format, each where there is one.

    Raises ChatError where chat could not ask the same: nothing is asked, earlier turns are only the provider's to know,
    or the input holds an item of a tool that runs at the provider.
    """
    if not isinstance(request, dict):
        raise ChatError("The request is not an object.")
    if any(request.get(name) for name in _KEPT_BY_PROVIDER):
        raise ChatError("The turns before are kept by the provider.")
    asked = request.get("input")
    items = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ChatError("There is no input.")
    tools = request.get("tools")
    return {
        "messages": [*_system(request.get("instructions")), *_messages(items)],
        "tools": [_tool(tool) for tool in tools] if isinstance(tools, list) else None,
        "response_format": _response_format(request.get("text")),
    }


def _system(instructions: Any) -> list[Message]:
    return [{"role": "system", "content": instructions}] if isinstance(instructions, str) and instructions else []


def _messages(items: Iterable[dict[str, Any]]) -> list[Message]:
    messages: list[Message] = []
    for item in items:
        match item.get("type", "message"):
            case "message":
                messages.append({"role": item.get("role"), "content": _content(item.get("content"), item.get("role"))})
            case "function_call":
                if not messages or messages[-1]["role"] != "assistant":
                    messages.append({"role": "assistant", "content": None})
                messages[-1].setdefault("tool_calls", []).append(_call(item))
            case "function_call_output":
                content = _content(item.get("output"), "tool")
                messages.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": content})
            case "reasoning":
                pass  # the model's own notes, which chat does not carry from turn to turn
            case _:
                raise ChatError("The input holds an item that has no place in a chat.")
    return messages


def _call(item: dict[str, Any]) -> dict[str, Any]:
    function = {"name": item.get("name"), "arguments": item.get("arguments")}
    return {"id": item.get("call_id"), "type": "function", "function": function}


def _content(content: Any, role: Any) -> Any:
    if not isinstance(content, list):
        return content
    parts = [_part(part) for part in content]
    texts = [part["text"] for part in parts if isinstance(part, dict) and part.get("type") == "text"]
    is_plain = len(texts) == len(parts) and (role == "assistant" or len(parts) == 1)
    return "".join(texts) if is_plain else parts


def _part(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    if isinstance(text := part.get("text"), str) and part.get("type") in ("input_text", "output_text"):
        return {"type": "text", "text": text}
    if part.get("type") == "input_image" and isinstance(part.get("image_url"), str):
        image = {"url": part["image_url"]} | ({"detail": part["detail"]} if part.get("detail") else {})
        return {"type": "image_url", "image_url": image}
    if part.get("type") == "input_file":
        file = {name: part[name] for name in ("file_id", "filename", "file_data") if part.get(name)}
        return {"type": "file", "file": file}
    return part


def _tool(tool: Any) -> Any:
    if not isinstance(tool, dict) or tool.get("type") != "function" or "function" in tool:
        return tool
    return {"type": "function", "function": {k: v for k, v in tool.items() if k != "type" and v is not None}}


def _response_format(text: Any) -> Any:
    wanted = text.get("format") if isinstance(text, dict) else None
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return wanted
    return {"type": "json_schema", "json_schema": {name: value for name, value in wanted.items() if name != "type"}}


# --- answers ---


def read_answer(body: bytes, is_stream: bool) -> Answer:
    """Read what came back, with chat's words for how it ended. Takes any bytes, raises nothing."""
    return _read_stream(body) if is_stream else _read_object(load(body))


def _read_object(value: Any) -> Answer:
    if not isinstance(value, dict):
        return Answer(error_code="invalid_answer")
    answer = Answer(model=word_of(value.get("model")))
    if isinstance(usage := value.get("usage"), dict):
        answer.prompt_tokens = count_of(usage.get("input_tokens"))
        answer.completion_tokens = count_of(usage.get("output_tokens"))
    status = word_of(value.get("status"))
    if value.get("error") or status in ("failed", "cancelled"):
        answer.error_code = _error_code(value.get("error")) if value.get("error") else status
        return answer
    if not isinstance(output := value.get("output"), list):
        answer.error_code = "invalid_answer"
        return answer
    items = [item for item in output if isinstance(item, dict)]
    if status not in _UNFINISHED:
        answer.text = _answer_text(items)
    answer.finish_reason = _finish_reason(value, status, items)
    answer.is_complete = True
    return answer


def _answer_text(items: list[dict[str, Any]]) -> str | None:
    words = _words(items)
    calls = spoken(words or "", [_call(item) for item in items if item.get("type") == "function_call"])
    return calls.text if calls else words


def _words(items: list[dict[str, Any]]) -> str | None:
    contents = [item.get("content") for item in items if item.get("type") == "message"]
    parts = [part for content in contents if isinstance(content, list) for part in content if isinstance(part, dict)]
    for name in ("text", "refusal"):
        texts = [part[name] for part in parts if isinstance(part.get(name), str)]
        if texts:
            return "".join(texts)
    return None


def _finish_reason(value: dict[str, Any], status: str, items: list[dict[str, Any]]) -> str:
    details = value.get("incomplete_details")
    if isinstance(details, dict) and (reason := word_of(details.get("reason"))):
        return _FINISH.get(reason, reason)
    if status in (*_UNFINISHED, "incomplete"):
        return status
    return "tool_calls" if any(item.get("type") == "function_call" for item in items) else "stop"


def _error_code(error: Any) -> str:
    details = error if isinstance(error, dict) else {}
    return word_of(details.get("code")) or word_of(details.get("type")) or "error"


def _read_stream(body: bytes) -> Answer:
    """The last event repeats the whole answer; of a stream without one its pieces are put together."""
    answer = Answer()
    pieces: list[str] = []
    for data in events(body):
        event = load(data)
        if not isinstance(event, dict):
            continue
        kind = event.get("type")
        if kind in _LAST_EVENTS:
            answer = _read_object(event.get("response"))
            break
        if kind == "error" or event.get("error"):
            answer.error_code = _error_code(event.get("error") or event)
            break
        if kind in _PIECES and isinstance(event.get("delta"), str):
            pieces.append(event["delta"])
        elif isinstance(response := event.get("response"), dict):
            answer.model = word_of(response.get("model"))
    if answer.text is None and pieces:
        answer.text = "".join(pieces)
    return answer
