"""A provider to be misused: it speaks OpenAI's protocol over HTTP, remembers each request, and fails as told."""

import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.contract import fault_in_request

Answer = tuple[int, dict[str, Any]]


def refusal(status: int, code: str = "", message: str = "no", kind: str = "invalid_request_error") -> Answer:
    return status, {"error": {"message": message, "type": kind, "param": None, "code": code or None}}


class Stub:
    """What the provider has, what it saw, and how it behaves. Change the attributes to misuse it.

    `create_as`: what becomes of a create call: "ok"; "made, then 500"; "made, then dropped"; "made, then half"
    an answer; "dropped"; or an Answer
    that refuses it. `statuses`: the words its jobs go through, one for each time they are asked for; the last stays.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, Any]] = []
        self.faults: list[str] = []  # what OpenAI's description does not allow
        self.files: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.create_as: str | Answer = "ok"
        self.statuses = ["validating_files", "queued", "running", "succeeded"]
        self.model: str | None = "ft:base:test:support:1"
        self.error: dict[str, str] | None = None
        self.checkpoints: list[dict[str, Any]] = []
        self.results: bytes | None = None  # what the result file of a finished job holds
        self.can_pause = True
        self.takes_parts = True
        self.webhooks: dict[str, dict[str, Any]] | None = {}  # None: it cannot be asked to make any
        self.webhook_count = 0
        self.uploads: dict[str, dict[str, Any]] = {}
        self.keeps_metadata = True
        self.filters = True
        self.listings_blind = 0  # so many listings of jobs show nothing yet
        self.file_looks_until_ready = 0
        self.refuse: dict[str, list[Answer]] = {}  # by "METHOD path": answers given first, each once
        self.takes_temperature = True
        self.takes_stream_options = True
        self.flagged = ""  # texts that hold this are flagged by its moderation
        self.answer: Callable[[str, list[dict[str, Any]]], str | Answer] = lambda model, messages: "an answer"
        self.on_create: Callable[[], None] = lambda: None
        self.hooks: dict[str, Callable[[], None]] = {}  # by "METHOD path": called once it acted, before it answers
        self.lock = threading.RLock()
        self.url = ""

    @property
    def create_count(self) -> int:
        """How many POSTs for a training job arrived: the number that must never be two."""
        return self.count("POST /fine_tuning/jobs")

    def count(self, request: str) -> int:
        return Counter(f"{method} {path}" for method, path, _ in self.seen)[request]

    def made_job(self, body: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            job = {
                "id": f"ftjob-{len(self.jobs) + 1}",
                "object": "fine_tuning.job",
                "created_at": int(time.time()),
                "model": body.get("model"),
                "training_file": body.get("training_file"),
                "metadata": body.get("metadata") if self.keeps_metadata else None,
                "status": "validating_files",
                "asked": 0,
                "error": {},
                "fine_tuned_model": None,
                "trained_tokens": None,
                "seed": None,
                "hyperparameters": {"n_epochs": "auto"},
            }
            self.jobs[job["id"]] = job
            return job

    # One method for each thing that can be asked

    def handle(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Answer | str:
        if waiting := self.refuse.get(f"{method} {path}"):
            return waiting.pop(0)
        if path == "/files":
            return self._upload(body) if method == "POST" else (200, _page(list(self.files.values())))
        if method == "DELETE" and path.startswith("/files/"):
            is_there = self.files.pop(path.removeprefix("/files/"), None)
            return (200, {"id": path[7:], "object": "file", "deleted": True}) if is_there else refusal(404)
        if found := re.fullmatch(r"/files/([^/]+)", path):
            return self._file(found[1])
        if found := re.fullmatch(r"/files/([^/]+)/content", path):
            return (200, {"raw": self.results}) if self.results is not None else refusal(404)
        if path.startswith("/uploads") and self.takes_parts:
            return self._upload_in_parts(path, body)
        if path == "/fine_tuning/jobs":
            return self._create(body) if method == "POST" else self._list(query)
        if found := re.fullmatch(r"/fine_tuning/jobs/([^/]+)(/\w+)?", path):
            return self._job(found[1], found[2] or "")
        if path.startswith("/webhook_endpoints"):
            return self._webhook(method, path, body)
        if path == "/moderations":
            flagged = [bool(self.flagged) and self.flagged in text for text in body["input"]]
            results = [{"flagged": is_so, "categories": {"hate": is_so, "violence": False}} for is_so in flagged]
            return 200, {"id": "modr-1", "model": body["model"], "results": results}
        if path == "/chat/completions":
            return self._chat(body)
        if found := re.fullmatch(r"/models/(.+)", path):
            return 200, {
                "id": found[1],
                "object": "model",
                "created": 1,
                "owned_by": "x",
                "shutdown_date": "2031-05-06",
            }
        return refusal(404, message="no such address")

    def _upload(self, body: bytes) -> Answer:
        name = re.search(rb'filename="([^"]*)"', body)
        assert name
        number = len(self.files) + 1
        file = {"id": f"file-{number}", "object": "file", "filename": name[1].decode(), "status": "processed"}
        self.files[file["id"]] = file | {"purpose": "fine-tune", "bytes": len(body), "created_at": 1, "content": body}
        return 200, file

    def _upload_in_parts(self, path: str, body: Any) -> Answer:
        if path == "/uploads":
            upload = {
                **body,
                "id": f"upload_{len(self.uploads) + 1}",
                "object": "upload",
                "status": "pending",
                "parts": {},
            }
            self.uploads[upload["id"]] = upload | {"created_at": 1, "expires_at": 3601}
            return 200, {key: value for key, value in upload.items() if key != "parts"}
        _, _, upload_id, verb = path.split("/")
        upload = self.uploads[upload_id]
        if verb == "parts":
            part = f"part_{len(upload['parts']) + 1}"
            upload["parts"][part] = body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
            return 200, {"id": part, "object": "upload.part", "upload_id": upload_id, "created_at": 1}
        if verb == "cancel":
            upload["status"] = "cancelled"
        if verb == "complete":
            content = b"".join(upload["parts"][part] for part in body["part_ids"])
            if (len(content), hashlib.md5(content).hexdigest()) != (upload["bytes"], body["md5"]):
                return refusal(400, message="The bytes do not match.")
            _, file = self._upload(b'filename="%b"' % upload["filename"].encode())
            self.files[file["id"]]["content"] = content
            upload |= {"status": "completed", "file": file}
        return 200, {key: value for key, value in upload.items() if key != "parts"}

    def _webhook(self, method: str, path: str, body: Any) -> Answer:
        if self.webhooks is None:
            return refusal(404, message="no such address")
        if method == "DELETE":
            gone = self.webhooks.pop(path.removeprefix("/webhook_endpoints/"))
            return 200, {"id": gone["id"], "object": "webhook_endpoint.deleted", "deleted": True}
        self.webhook_count += 1
        made = {**body, "id": f"we_{self.webhook_count}", "object": "webhook_endpoint", "created_at": 1}
        made["signing_secret"] = f"whsec_c2VjcmV0IG9mIG51bWJlcg{self.webhook_count}="
        self.webhooks[made["id"]] = made
        return 200, made

    def _file(self, file_id: str) -> Answer:
        if file_id not in self.files:
            return refusal(404)
        self.file_looks_until_ready -= 1
        status = "uploaded" if self.file_looks_until_ready >= 0 else "processed"
        return 200, {"id": file_id, "object": "file", "filename": self.files[file_id]["filename"], "status": status}

    def _create(self, body: dict[str, Any]) -> Answer | str:
        if isinstance(self.create_as, tuple):
            return self.create_as
        if self.create_as == "dropped":
            return "drop"
        job = self.made_job(body)
        self.on_create()
        if self.create_as == "made, then 500":
            return refusal(500, message="oops", kind="server_error")
        if self.create_as == "made, then half":
            return 200, {**job, "is_cut": True}
        return (200, job) if self.create_as == "ok" else "drop"

    def _list(self, query: dict[str, list[str]]) -> Answer:
        if self.listings_blind > 0:
            self.listings_blind -= 1
            return 200, _page([])
        jobs = sorted(self.jobs.values(), key=lambda job: job["created_at"], reverse=True)
        wanted = {key[9:-1]: values[0] for key, values in query.items() if key.startswith("metadata[")}
        if wanted and self.filters:
            jobs = [job for job in jobs if wanted.items() <= (job["metadata"] or {}).items()]
        return 200, _page(jobs)

    def _job(self, job_id: str, what: str) -> Answer:
        job = self.jobs.get(job_id)
        if job is None:
            return refusal(404, message="no such job")
        if what == "/events":
            return 200, _page(list(reversed(self.events)))
        if what == "/checkpoints":
            return 200, _page(self.checkpoints)
        if what in ("/pause", "/resume"):
            if not self.can_pause:
                return refusal(400, message="This job cannot be paused.")
            self.statuses = ["paused"] if what == "/pause" else ["running", "succeeded"]
            job |= {"asked": 0, "status": self.statuses[0]}
            return 200, job
        if what == "/cancel":
            if job["status"] in ("succeeded", "failed", "cancelled"):
                return refusal(400, message="the job has ended")
            job["status"], job["is_cancelled"] = "cancelled", True
        elif not job.get("is_cancelled"):
            job["status"] = self.statuses[min(job["asked"], len(self.statuses) - 1)]
            job["asked"] += 1
        if job["status"] == "succeeded":
            job |= {"fine_tuned_model": self.model, "trained_tokens": 4321}
            job["result_files"] = ["file-results"] if self.results is not None else []
        if job["status"] == "failed":
            job["error"] = self.error or {}
        return 200, job

    def _chat(self, body: dict[str, Any]) -> Answer:
        if "temperature" in body and not self.takes_temperature:
            return refusal(400, "unsupported_value", "'temperature' does not support 0 with this model")
        if "stream_options" in body and not self.takes_stream_options:
            return refusal(400, "unknown_parameter", "Unknown parameter: 'stream_options'.")
        said = self.answer(body["model"], body["messages"])
        if isinstance(said, tuple):
            return said
        if body.get("stream"):
            return 200, {"raw": _streamed(body, said), "headers": {"content-type": "text/event-stream"}}
        message = {"role": "assistant", "content": said}
        return 200, {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
        }


def _streamed(body: dict[str, Any], said: str) -> bytes:
    """The answer word by word, as the protocol streams it."""
    about = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    deltas = [{"role": "assistant", "content": ""}, *({"content": f"{word} "} for word in said.split(" "))]
    deltas[-1]["content"] = deltas[-1]["content"][:-1]
    chunks = [about | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append(about | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if (body.get("stream_options") or {}).get("include_usage"):
        chunks.append(
            about | {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}
        )
    return b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"


def _page(items: list[dict[str, Any]]) -> dict[str, Any]:
    shown = [{key: value for key, value in item.items() if key != "content"} for item in items]
    return {"object": "list", "data": shown, "has_more": False}


@contextmanager
def running_stub() -> Iterator[Stub]:
    stub = Stub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._respond("GET")

        def do_POST(self) -> None:
            self._respond("POST")

        def do_DELETE(self) -> None:
            self._respond("DELETE")

        def log_message(self, *words: object) -> None:
            pass

        def _respond(self, method: str) -> None:
            parts = urlsplit(self.path)
            path = parts.path.removeprefix("/v1")
            body: Any = self.rfile.read(int(self.headers.get("content-length", 0)))
            if body and self.headers.get("content-type", "").startswith("application/json"):
                body = json.loads(body)
            with stub.lock:
                stub.seen.append((method, path, body))
                if fault := fault_in_request(method, path, parts.query, self.headers.get("content-type", ""), body):
                    stub.faults.append(fault)
                answer = stub.handle(method, path, parse_qs(parts.query), body)
                stub.hooks.get(f"{method} {path}", lambda: None)()
            if isinstance(answer, str):
                # The connection is reset without a word.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()
                return
            status, content = answer
            headers = content.get("headers", {}) if "error" in content or "raw" in content else {}
            data = content["raw"] if "raw" in content else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"content-type": "application/json", "content-length": len(data), **headers}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if "is_cut" in content else data)
            self.close_connection = self.close_connection or "is_cut" in content

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # connections cut on purpose

    server = Server(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
