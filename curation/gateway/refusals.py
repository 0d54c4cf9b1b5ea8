"""What the gateway answers by itself, in the shape OpenAI's clients understand."""

from collections.abc import Sequence
from uuid import uuid4

import orjson

Header = tuple[bytes, bytes]


class Refusal(Exception):
    """Ends a request with an error of ours. The message says what happened and what to do; it never quotes a key."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        headers: Sequence[Header] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.body = orjson.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}})
        self.headers: list[Header] = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(self.body)).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"x-request-id", f"req_{uuid4().hex}".encode()),
            *headers,
        ]


def spool_full() -> Refusal:
    return Refusal(
        503,
        "spool_full",
        "Nothing can be recorded now, so nothing was done. Try again in a moment.",
        kind="server_error",
        headers=[(b"retry-after", b"5")],
    )


def wrong_method(allowed: str) -> Refusal:
    return Refusal(405, "method_not_allowed", f"Use {allowed} here.", headers=[(b"allow", allowed.encode())])
