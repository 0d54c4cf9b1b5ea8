"""A service that takes calls, or is told not to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Door:
    """`statuses` are answered first, each once, then 200. While `is_open` is not set, requests wait inside."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.rejected: list[dict[str, Any]] = []
        self.answer: bytes | None = None
        self.is_open = threading.Event()
        self.is_open.set()
        self.came = threading.Semaphore(0)  # a request has come in
        self.taken: list[dict[str, Any]] = []
        self.batches: list[tuple[str, int]] = []  # path and number of records of each request that was taken
        self.headers: list[dict[str, str]] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def prompts(self) -> list[str]:
        return [call["request"]["messages"][-1]["content"] for call in self.taken]

    @contextmanager
    def running(self) -> Iterator["Door"]:
        """May be opened, closed and opened again, on the same port."""
        server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        server.daemon_threads = True
        self.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self.is_open.set()
            server.shutdown()
            thread.join()
            server.server_close()


def _handler(door: Door) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            records = [json.loads(line) for line in self._body().split(b"\n")]
            door.headers.append({name.lower(): value for name, value in self.headers.items()})
            door.came.release()
            door.is_open.wait(30)
            status = door.statuses.pop(0) if door.statuses else 200
            if status == 200:
                door.taken += records
                door.batches.append((self.path, len(records)))
            self._answer(status)

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers["content-length"]))

        def _answer(self, status: int) -> None:
            body = json.dumps({"rejected": door.rejected}).encode() if door.answer is None else door.answer
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: Any) -> None:
            pass

    return Handler
