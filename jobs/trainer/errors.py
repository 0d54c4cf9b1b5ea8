"""Refusals in the shape every OpenAI client knows: {"error": {"message", "type", "param", "code"}}."""

import traceback
from typing import Any

import orjson
from starlette.responses import Response


class ApiError(Exception):
    """A request that is refused: the HTTP status and what the body says."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


def not_found(kind: str, name: str, param: str | None = "id") -> ApiError:
    """404 for an id that is not here; a long id is shown by its beginning."""
    return ApiError(404, f"No such {kind}: {shown(name)}", param=param)


def shown(value: Any) -> str:
    """A value from outside as it may stand in a message: on one line, at most forty characters."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def places(error: BaseException) -> str:
    """Type and traceback of an error for the log, without its text: that may quote a prompt."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"{type(error).__name__}\n{frames}"


class Json(Response):
    """A JSON answer."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Bytes of `content`."""
        return orjson.dumps(content)


def as_response(error: ApiError) -> Json:
    """The answer that carries `error`."""
    return Json(error.body, error.status)
