"""The HTTP server: who may come in, how large a body may be, and which module answers which address."""

import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobs.trainer import chat, files, hooks, models, tuning, uploads
from jobs.trainer.engines import base_models
from jobs.trainer.errors import ApiError, Json, as_response, places
from jobs.trainer.keys import Keys
from jobs.trainer.shelf import Shelf
from jobs.trainer.store import Store, new_id
from jobs.trainer.training import Queue

logger = logging.getLogger(__name__)

LARGEST_JSON = 16 * 1024 * 1024
LARGEST_UPLOAD = files.LARGEST + 1024 * 1024  # the file and the multipart lines around it
LARGEST_PART = uploads.LARGEST_PART + 1024 * 1024
OPEN_PATHS = ("/health",)


def create_app(store: Store, keys: Sequence[str]) -> ASGIApp:
    """The trainer as an ASGI application; every request but the health check needs a key."""
    shelf = Shelf(store)
    queue, sender = Queue(store, shelf), hooks.Sender(store)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.chat_limiter = CapacityLimiter(chat.MOST_WAITING)
        queue.start()
        sender.start()
        yield
        queue.stop()
        sender.stop()
        store.close()

    routes = [
        Route("/health", health, methods=["GET"]),
        *files.ROUTES,
        *uploads.ROUTES,
        *tuning.ROUTES,
        *models.ROUTES,
        *chat.ROUTES,
        *hooks.ROUTES,
    ]
    handlers = {
        ApiError: on_refusal,
        HTTPException: on_http_exception,
        ClientDisconnect: on_disconnect,
        Exception: on_surprise,
    }
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)  # type: ignore[arg-type]
    app.router.redirect_slashes = False
    app.state.store, app.state.queue, app.state.shelf = store, queue, shelf
    return Door(app, Keys(keys))


def health(request: Request) -> Response:
    """The server is up and its database answers; how many jobs wait or run."""
    rows = request.app.state.store.rows("SELECT status, count(*) AS jobs FROM jobs GROUP BY status")
    return Json(
        {"status": "ok", "base_models": list(base_models()), "jobs": {row["status"]: row["jobs"] for row in rows}}
    )


def on_refusal(request: Request, error: ApiError) -> Response:
    """A refusal of ours."""
    return as_response(error)


def on_http_exception(request: Request, error: HTTPException) -> Response:
    """A refusal of the framework's: unknown address, wrong method, broken multipart."""
    where = f"{request.method} {request.url.path[:200]}"
    if error.status_code == 404:
        return as_response(ApiError(404, f"Invalid URL ({where})", code="unknown_url"))
    if error.status_code == 405:
        hint = "(HINT: Perhaps you meant to use a different HTTP method?)"
        answer = as_response(ApiError(405, f"Not allowed to {where}. {hint}", code="method_not_supported"))
        answer.headers.update(error.headers or {})
        return answer
    return as_response(ApiError(error.status_code, f"{error.detail}"))


def on_disconnect(request: Request, error: ClientDisconnect) -> Response:
    """The caller left before the body was complete; nobody reads this."""
    return as_response(ApiError(400, "The request ended before its body was complete."))


def on_surprise(request: Request, error: Exception) -> Response:
    """A mistake of ours: the door logs it, the caller learns no more than that."""
    return as_response(ApiError(500, "The server had an error while processing your request.", kind="server_error"))


class TooLarge(ApiError):
    """The body is larger than this address takes."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"Maximum content size limit ({limit}) exceeded.", code="request_too_large")


class Door:
    """Gives every answer an x-request-id, asks for the key, and ends a body that grows too large."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self.app, self.keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, request_id = time.perf_counter(), new_id("req_").encode()

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                spent = f"{(time.perf_counter() - began) * 1000:.0f}".encode()
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", request_id),
                    (b"openai-processing-ms", spent),
                ]
            await send(message)

        headers = dict(scope["headers"])
        limit = limit_of(scope["path"])
        try:
            self._admit(scope, headers.get(b"authorization", b""))
            if int(headers.get(b"content-length", b"0")) > limit:
                raise TooLarge(limit)
        except ApiError as error:
            await as_response(error)(scope, receive, send_named)
            return
        try:
            await self.app(scope, _limited(receive, limit), send_named)
        except Exception as error:  # noqa: BLE001 - the boundary: answered by on_surprise, and logged without its text
            logger.error("request %s failed with %s", request_id.decode(), places(error))

    def _admit(self, scope: Scope, authorization: bytes) -> None:
        """Whoever comes in is known as the owner of what it makes."""
        if scope["path"] not in OPEN_PATHS:
            scope.setdefault("state", {})["owner"] = self.keys.owner(authorization)


def limit_of(path: str) -> int:
    """The most bytes a request's body may have."""
    if path == "/v1/files":
        return LARGEST_UPLOAD
    return LARGEST_PART if path.startswith("/v1/uploads/") and path.endswith("/parts") else LARGEST_JSON


def _limited(receive: Receive, limit: int) -> Receive:
    """`receive`, but a body of more than `limit` bytes raises TooLarge."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise TooLarge(limit)
        return message

    return counted
