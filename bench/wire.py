"""A provider and a load generator that cost as little as Python allows, so that the gateway is what is measured."""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field

import uvloop

ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "lorem " * 40}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 50, "completion_tokens": 80, "total_tokens": 130},
    }
).encode()
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER)
CHUNKS = 50
_PIECE = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "lorem "}}]}
PIECES = [b"data: " + json.dumps(_PIECE).encode() + b"\n\n"] * CHUNKS + [b"data: [DONE]\n\n"]
STREAM = [b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"]
STREAM += [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in PIECES] + [b"0\r\n\r\n"]


class Provider(asyncio.Protocol):
    """Answers each POST at once; one that says "stream" with CHUNKS pieces, `pace` seconds apart."""

    def __init__(self, pace: float) -> None:
        self._pace = pace
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        self._received = b""
        if b'"stream": true' in body or b'"stream":true' in body:
            self._task = asyncio.ensure_future(self._stream())
        else:
            self._transport.write(WHOLE)

    async def _stream(self) -> None:
        for piece in STREAM:
            self._transport.write(piece)
            await asyncio.sleep(self._pace)


@dataclass
class Load:
    """What one run saw; times in seconds."""

    latencies: list[float] = field(default_factory=list)
    first_bytes: list[float] = field(default_factory=list)
    failures: int = 0
    seconds: float = 0.0


class Client(asyncio.Protocol):
    """One connection that sends the same kind of request again and again, `think` seconds after each answer, until the
    time is over.
    """

    def __init__(self, make_request, until: float, think: float, load: Load, done: asyncio.Future) -> None:
        self._make_request = make_request
        self._until = until
        self._think = think
        self._load = load
        self._done = done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        if self._done.done():
            return
        if time.perf_counter() >= self._until:
            self._transport.close()
            self._done.set_result(None)
            return
        self._received = bytearray()
        self._first_at = 0.0
        self._sent_at = time.perf_counter()
        self._transport.write(self._make_request())

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._first_at and b"data: {" in self._received:
            self._first_at = time.perf_counter()
        if not self._is_whole():
            return
        now = time.perf_counter()
        self._load.latencies.append(now - self._sent_at)
        if self._first_at:
            self._load.first_bytes.append(self._first_at - self._sent_at)
        whole = self._received.count(b"lorem ") in (40, CHUNKS)
        if not self._received.startswith(b"HTTP/1.1 200") or not whole:
            self._load.failures += 1
        if self._think:
            asyncio.get_running_loop().call_later(self._think, self._send)
        else:
            self._send()

    def _is_whole(self) -> bool:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._received[:end]).lower()
        if b"transfer-encoding: chunked" in head:
            return self._received.endswith(b"\r\n0\r\n\r\n")
        return len(self._received) - end - 4 >= int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._load.failures += 1
            self._done.set_result(None)


async def put_load(port: int, make_request, *, concurrency: int, seconds: float, think: float = 0) -> Load:
    loop = asyncio.get_running_loop()
    load, started = Load(), time.perf_counter()
    waiting = []
    for _ in range(concurrency):
        done = loop.create_future()
        await loop.create_connection(
            lambda done=done: Client(make_request, started + seconds, think, load, done), "127.0.0.1", port
        )
        waiting.append(done)
    await asyncio.gather(*waiting)
    load.seconds = time.perf_counter() - started
    return load


async def serve_provider(port: int, pace: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Provider(pace), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve_provider(int(sys.argv[1]), float(sys.argv[2])))
