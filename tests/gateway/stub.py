"""A provider to test against: does on the wire what it is told to, and remembers every request."""

import asyncio
import json
import threading
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Seen:
    path: str
    method: str
    headers: dict[str, str]
    raw_headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    was_cut: bool = False  # the caller hung up before the answer was whole

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Stub:
    """What it does is named by the request's header `x-stub`; without, it answers well."""

    seen: list[Seen] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=[ready], daemon=True)
        self._thread.start()
        assert ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        ready.set()
        self._loop.run_forever()

    async def _listen(self) -> None:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        seen = Seen(
            request.rel_url.raw_path_qs,
            request.method,
            dict(request.headers),
            request.raw_headers,
            await request.read(),
        )
        self.seen.append(seen)
        mode, _, argument = request.headers.get("x-stub", "ok").partition(" ")
        try:
            return await getattr(self, f"_{mode}")(request, seen, argument)
        except (asyncio.CancelledError, ConnectionError):
            seen.was_cut = True
            raise

    async def _ok(self, request: web.Request, seen: Seen, argument: str) -> web.StreamResponse:
        wanted = json.loads(seen.body) if seen.body else {}
        if wanted.get("stream"):
            return await self._stream(request, seen, argument or "5")
        words = argument or f"Answer of {wanted.get('model')}."
        if "prompt" in wanted:
            choices: list[Any] = [{"index": 0, "text": words, "finish_reason": "stop", "logprobs": None}]
        else:
            choices = [
                {"index": n, "message": {"role": "assistant", "content": f"{words}{n or ''}"}, "finish_reason": "stop"}
                for n in range(wanted.get("n", 1))
            ]
        body = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": f"{wanted.get('model')}-2026",
            "choices": choices,
            "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
        }
        headers = {"x-request-id": "req_1", "x-ratelimit-remaining-requests": "99", "Set-Cookie": "sessionid=stolen"}
        return web.json_response(body, headers=headers)

    async def _bad(self, request: web.Request, seen: Seen, argument: str) -> web.StreamResponse:
        """`bad MODEL`: fails whoever asks that model."""
        if seen.json.get("model") != argument:
            return await self._ok(request, seen, "")
        error = {"message": "The model is overheated.", "type": "server_error", "param": None, "code": None}
        return web.json_response({"error": error}, status=500)

    async def _response(self, request: web.Request, seen: Seen, argument: str) -> web.StreamResponse:
        """The Responses API. `response [END]`: a stream ends as completed | incomplete | failed | error | cut."""
        wanted = json.loads(seen.body)
        body = response_of(wanted["model"], "w0 w1 w2 ")
        if not wanted.get("stream"):
            return web.json_response(body)
        response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        await response.write(response_event("created", response=body | {"status": "in_progress", "output": []}))
        for n in range(3):
            await response.write(response_event("output_text.delta", delta=f"w{n} ", output_index=0, content_index=0))
        end = argument or "completed"
        if end in ("completed", "incomplete", "failed"):
            more = {"failed": {"error": {"code": "server_error"}}, "incomplete": {"incomplete_details": CUT}}.get(
                end, {}
            )
            last = response_event(end, response=body | {"status": end} | more)
            for part in (last[:20], last[20:90], last[90:]):
                await response.write(part)
                await asyncio.sleep(0.01)
            await asyncio.Event().wait()  # a client must not need the end of the connection
        if end == "error":
            await response.write(b'event: error\ndata: {"type":"error","code":"overloaded","message":"no"}\n\n')
        elif end == "cut":
            assert request.transport
            request.transport.abort()
        return response

    async def _raw(self, request: web.Request, seen: Seen, argument: str) -> web.StreamResponse:
        """`raw STATUS TYPE BODY`"""
        status, kind, body = argument.split(" ", 2)
        headers = {"content-type": kind, "retry-after": "7", "x-should-retry": "false"}
        return web.Response(status=int(status), body=body.encode(), headers=headers)

    async def _redirect(self, request: web.Request, seen: Seen, argument: str) -> web.StreamResponse:
        return web.Response(status=307, headers={"location": argument})

    async def _never(self, request: web.Request, seen: Seen, argument: str) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.json_response({})

    async def _large(self, request: web.Request, seen: Seen, argument: str) -> web.StreamResponse:
        """An answer of so many megabytes."""
        response = web.StreamResponse(headers={"content-type": "application/json"})
        await response.prepare(request)
        for _ in range(int(argument)):
            await response.write(b" " * (1 << 20))
        await response.write(b'{"choices":[]}')
        return response

    async def _gzip(self, request: web.Request, seen: Seen, argument: str) -> web.StreamResponse:
        response = await self._ok(request, seen, argument)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async def _stream(self, request: web.Request, seen: Seen, argument: str) -> web.StreamResponse:
        """`stream COUNT [END]`: so many pieces, then done | cut | open | error | hang | tools | split."""
        count, _, end = argument.partition(" ")
        response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        await response.write(b": hello\n\n")
        for n in range(int(count)):
            await response.write(event({"choices": [piece(content=f"w{n} ")]}))
            await asyncio.sleep(0.002)
        await self._end_stream(request, response, end or "done")
        return response

    async def _end_stream(self, request: web.Request, response: web.StreamResponse, end: str) -> None:
        if end == "cut":
            assert request.transport
            request.transport.abort()
        elif end == "hang":
            await asyncio.Event().wait()
        elif end == "error":
            await response.write(event({"error": {"message": "no", "code": "overloaded", "type": "server_error"}}))
        elif end == "tools":
            call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            await response.write(event({"choices": [piece(tool_calls=[call])]}))
            await response.write(event({"choices": [piece("tool_calls")]}) + b"data: [DONE]\n\n")
        elif end == "trickle":
            while True:
                await response.write(b": still here\n\n")
                await asyncio.sleep(0.05)
        elif end in ("done", "split"):
            await response.write(event({"choices": [piece("stop")]}))
            await response.write(event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}))
            for part in (b"data: [DO", b"NE]\n\n") if end == "split" else (b"data: [DONE]\n\n",):
                await response.write(part)
                await asyncio.sleep(0.01)


CUT = {"reason": "max_output_tokens"}


def response_of(model: str, text: str) -> dict[str, Any]:
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    common = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "error": None}
    return common | {"model": f"{model}-2026", "output": [{"type": "reasoning"}, message], "usage": usage}


def response_event(name: str, **value: Any) -> bytes:
    return f"event: response.{name}\ndata: {json.dumps({'type': f'response.{name}'} | value)}\n\n".encode()


def piece(finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


def event(value: dict[str, Any]) -> bytes:
    common = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "base-2026"}
    return b"data: " + json.dumps(common | value).encode() + b"\n\n"
