import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

import pytest


class StandIn(ThreadingHTTPServer):
    """Answers in the trainer's place and remembers each request. After `answers_left` answers it only fails."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[bytes] = []
        self.answers_left = 10_000
        self.lock = Lock()

    def take(self, body: bytes) -> tuple[int, bytes]:
        with self.lock:
            if self.answers_left <= 0:
                return 500, b'{"error": {"message": "the model broke", "type": "server_error", "code": null}}'
            self.answers_left -= 1
            self.seen.append(body)
        return 200, answer_to(body)


def answer_to(body: bytes) -> bytes:
    """A different answer for each prompt, with spaces no JSON writer of ours would make."""
    prompt = json.loads(body)["messages"][-1]["content"]
    message = {"role": "assistant", "content": f"You wrote {len(prompt)} letters."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps(
        {"id": "c1", "object": "chat.completion", "model": "baseline", "choices": [choice]}, indent=1
    ).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet; else the client waits 40 ms for the second
    server: StandIn

    def do_GET(self) -> None:
        self._send(200, b'{"id": "baseline", "object": "model", "created": 0, "owned_by": "system"}')

    def do_POST(self) -> None:
        self._send(*self.server.take(self.rfile.read(int(self.headers["content-length"]))))

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def trainer(settings) -> Iterator[StandIn]:
    with StandIn() as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        settings.TRAINER_URL = f"http://127.0.0.1:{server.server_port}/v1"
        yield server
        server.shutdown()
