#!/usr/bin/env python3
"""A provider that says what clients must be able to hear: tools, several choices, probabilities, refusals, pictures,
usage in a stream, errors in the middle of one, rate limits.

    python bench/clients/provider.py 8791

The last user message says what is wanted: "tools", "refusal", "error in mid-stream", "rate limit NAME" (refused the
first time for each NAME, then answered); anything else is answered with itself. GET /asked says how many calls came in
that have to be in the log afterwards. Wants aiohttp.
"""

import asyncio
import json
import sys
from typing import Any

from aiohttp import web

CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'}}
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
HEADERS = {"x-request-id": "req_42", "x-ratelimit-remaining-requests": "99", "openai-processing-ms": "5"}
_STORED = ("/v1/chat/completions", "/v1/completions", "/v1/responses")
_refused: set[str] = set()
_asked = 0


def main() -> None:
    app = web.Application(middlewares=[counted])
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_post("/v1/completions", completion)
    app.router.add_post("/v1/responses", response)
    app.router.add_post("/v1/embeddings", embedding)
    app.router.add_get("/v1/models", models)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


@web.middleware
async def counted(request: web.Request, handler: Any) -> web.StreamResponse:
    global _asked
    if request.path == "/asked":
        return web.json_response(_asked)
    _asked += request.path in _STORED
    return await handler(request)


async def models(request: web.Request) -> web.StreamResponse:
    return web.json_response(
        {"object": "list", "data": [{"id": "base-1", "object": "model", "owned_by": "p", "created": 1}]}
    )


async def embedding(request: web.Request) -> web.StreamResponse:
    vector = {"object": "embedding", "index": 0, "embedding": [0.25, 0.5]}
    return web.json_response({"object": "list", "model": "e-1", "data": [vector], "usage": USAGE})


async def completion(request: web.Request) -> web.StreamResponse:
    choice = {"index": 0, "text": (await request.json())["prompt"], "finish_reason": "stop", "logprobs": None}
    body = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "base-1", "choices": [choice]}
    return web.json_response(body | {"usage": USAGE}, headers=HEADERS)


async def chat(request: web.Request) -> web.StreamResponse:
    wanted = await request.json()
    said = _said(wanted["messages"])
    if refusal := _rate_limit(request, said):
        return refusal
    if wanted.get("stream"):
        return await _stream_chat(request, wanted, said)
    common = {"index": 0, "finish_reason": "stop", "logprobs": None}
    choices = [common | {"index": n, "message": _message(wanted, said, n)} for n in range(wanted.get("n") or 1)]
    if wanted.get("logprobs"):
        token = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
        choices[0]["logprobs"] = {"content": [token], "refusal": None}
    if choices[0]["message"].get("tool_calls"):
        choices[0]["finish_reason"] = "tool_calls"
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "base-1"}
    return web.json_response(body | {"choices": choices, "usage": USAGE}, headers=HEADERS)


def _said(messages: list[dict[str, Any]]) -> str:
    content = next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")
    if isinstance(content, str):
        return content
    words = [part["text"] for part in content if part["type"] == "text"]
    return " ".join(words + [part["image_url"]["url"] for part in content if part["type"] == "image_url"])


def _rate_limit(request: web.Request, said: str) -> web.Response | None:
    if not said.startswith("rate limit") or said in _refused:
        return None
    _refused.add(said)
    error = {"message": "Too fast.", "type": "requests", "code": "rate_limit_exceeded", "param": None}
    headers = {"retry-after-ms": "50", "retry-after": "1", "x-should-retry": "true"}
    return web.json_response({"error": error}, status=429, headers=HEADERS | headers)


def _message(wanted: dict[str, Any], said: str, n: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    if said == "refusal":
        return message | {"refusal": "I cannot help with that."}
    if wanted.get("tools") and wanted.get("tool_choice") != "none" and wanted["messages"][-1]["role"] != "tool":
        return message | {"tool_calls": [_call(wanted)]}
    if wanted.get("response_format", {}).get("type") in ("json_schema", "json_object"):
        return message | {"content": '{"city":"Oslo","degrees":3}'}
    return message | {"content": f"{said} {n}" if n else said}


def _call(wanted: dict[str, Any]) -> dict[str, Any]:
    name = wanted["tools"][0]["function"]["name"]
    arguments = CALL["function"]["arguments"] if name == "get_weather" else '{"city":"Oslo","degrees":3}'
    return CALL | {"function": {"name": name, "arguments": arguments}}


async def _stream_chat(request: web.Request, wanted: dict[str, Any], said: str) -> web.StreamResponse:
    has_usage = (wanted.get("stream_options") or {}).get("include_usage")
    answer = web.StreamResponse(headers=HEADERS | {"content-type": "text/event-stream"})
    await answer.prepare(request)

    async def send(choices: list[dict[str, Any]], **more: Any) -> None:
        common = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "base-1"}
        usage = {"usage": None} if has_usage else {}
        await answer.write(f"data: {json.dumps(common | {'choices': choices} | usage | more)}\n\n".encode())
        await asyncio.sleep(0.005)

    def piece(finish: str | None = None, **delta: Any) -> dict[str, Any]:
        return {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}

    message = _message(wanted, said, 0)
    await send([piece(role="assistant", content="")])
    for name in ("content", "refusal"):
        for word in (message[name] or "").split(" "):
            if word:
                await send([piece(**{name: word + " "})])
    if said == "error in mid-stream":
        await answer.write(b'data: {"error":{"message":"Overloaded.","type":"server_error","code":"overloaded"}}\n\n')
        return answer
    for call in message.get("tool_calls", ()):
        await send([piece(tool_calls=[call | {"index": 0, "function": call["function"] | {"arguments": ""}}])])
        for part in call["function"]["arguments"].partition(":"):
            await send([piece(tool_calls=[{"index": 0, "function": {"arguments": part}}])])
    await send([piece("tool_calls" if message.get("tool_calls") else "stop")])
    if has_usage:
        await send([], usage=USAGE)
    await answer.write(b"data: [DONE]\n\n")
    return answer


async def response(request: web.Request) -> web.StreamResponse:
    wanted = await request.json()
    asked = wanted["input"]
    said = asked if isinstance(asked, str) else asked[-1]["content"]
    said = said if isinstance(said, str) else said[0]["text"]
    part = {"type": "output_text", "text": said, "annotations": [], "logprobs": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
    if wanted.get("text", {}).get("format", {}).get("type") == "json_schema":
        part["text"] = '{"city":"Oslo","degrees":3}'
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    usage |= {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    common = {"id": "resp_1", "object": "response", "created_at": 1, "model": "base-1", "error": None, "tools": []}
    common |= {"incomplete_details": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True}
    common |= {"temperature": 1.0, "top_p": 1.0, "tool_choice": "auto"}
    whole = common | {"status": "completed", "output": [item], "usage": usage}
    if not wanted.get("stream"):
        return web.json_response(whole, headers=HEADERS)
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    begun = common | {"status": "in_progress", "output": [], "usage": None}
    empty = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": item | {"status": "in_progress", "content": []},
        },
        {"type": "response.content_part.added", "part": empty} | place,
        *({"type": "response.output_text.delta", "delta": w + " ", "logprobs": []} | place for w in said.split()),
        {"type": "response.output_text.done", "text": said, "logprobs": []} | place,
        {"type": "response.content_part.done", "part": part} | place,
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    answer = web.StreamResponse(headers=HEADERS | {"content-type": "text/event-stream"})
    await answer.prepare(request)
    for number, event in enumerate(events):
        data = json.dumps(event | {"sequence_number": number})
        await answer.write(f"event: {event['type']}\ndata: {data}\n\n".encode())
    return answer


if __name__ == "__main__":
    main()
