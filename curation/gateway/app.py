"""The door applications call: a plain ASGI application for /v1/…, before Django and beside it in the same process."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from uuid import uuid4

import orjson
from django.conf import settings

from curation import chat, responses
from curation.models import ApiKey

from .auth import Asking, Caller, Directory, Routes, Target
from .intake import CALLS, FEEDBACK, take
from .labels import labels
from .limits import Limits, Once
from .listing import MODELS, alias_named, answer, relay_models
from .refusals import Refusal, spool_full, wrong_method
from .remembered import Remembered
from .requests import ClientGone, Receive, Request, Scope, Send
from .spool import Spool, SpoolFull
from .streaming import CLIENT_GONE, FAILED, INTERRUPTED, Recorded, Watch, relay
from .upstream import Response, Upstream, UpstreamFailed

log = logging.getLogger(__name__)

STORED = ("/v1/chat/completions", "/v1/completions", responses.ENDPOINT)
# An application's key gets answers. Training, files and the account behind a provider's key are people's to manage.
CLOSED = ("files", "uploads", "fine_tuning", "batches", "evals", "organization")


class Gateway:
    def __init__(self) -> None:
        self._spool = Spool(
            settings.SPOOL_DIR, sync_seconds=settings.SPOOL_SYNC_SECONDS, limit_bytes=settings.SPOOL_LIMIT_BYTES
        )
        self._directory = Directory(Remembered(settings.SPOOL_DIR / "routes.sealed", settings.SEALING_KEY))
        self._upstream = Upstream(settings.GATEWAY_DEADLINE_SECONDS)
        self._limits = Limits()
        self._once = Once()

    async def start(self) -> None:
        await self._spool.start()
        await self._directory.start()
        await self._upstream.start()

    async def stop(self) -> None:
        await self._upstream.stop()
        await self._directory.stop()
        await self._spool.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = _Started(send)
        try:
            await self._serve(Request(scope, receive), started)
        except ClientGone:
            return
        except Refusal as refusal:
            if not started.is_started:
                await _refuse(refusal, send)
            # Else the answer stays unfinished, and the server closes the connection: the client must not take it for
            # whole.

    async def _serve(self, request: Request, send: "_Started") -> None:
        asking = self._directory.ask(request.key())
        caller = self._directory.known(asking) or (await self._directory.caller(asking))[0]
        self._limits.take(caller)
        caller.check(_scope(request))
        if request.path in STORED:
            await self._serve_stored(request, caller, asking, send)
            return
        caller, routes = await self._directory.caller(asking)
        caller.check(_scope(request))
        if request.path in (CALLS, FEEDBACK):
            await self._take_in(request, caller, send)
        elif request.method == "GET" and request.path.startswith(MODELS):
            await self._show_models(request, caller, routes, send)
        else:
            await self._pass_on(request, caller, routes.target(caller.project_id, ""), send)

    async def _serve_stored(self, request: Request, caller: Caller, asking: Asking, send: "_Started") -> None:
        """The body is read while the database tells whether the key is still good: one way less to wait for."""
        if request.method != "POST":
            raise wrong_method("POST")
        request.check_is_json()
        body = await request.body(_most_bytes(caller))
        wanted = _parse(body)
        caller, routes = await self._directory.caller(asking)
        caller.check(_scope(request))
        with self._once.under_way(caller, request):
            await self._ask(request, caller, routes, wanted, body, send)

    async def _ask(
        self,
        request: Request,
        caller: Caller,
        routes: Routes,
        wanted: dict[str, object],
        body: bytes,
        send: "_Started",
    ) -> None:
        model = wanted.get("model")
        # A conversation that the provider keeps has to stay with it.
        turn = wanted if request.path != responses.ENDPOINT else None
        target = routes.target(caller.project_id, model if isinstance(model, str) else "", turn)
        recorded = Recorded(self._spool, uuid4())
        _begin(recorded, _facts(request, caller, target, wanted), body)
        if target.model is not None:
            body = chat.with_model(body, target.model)
        with Watch(request.receive) as watch:
            await self._answer(request, target, body, send, watch, recorded)

    async def _take_in(self, request: Request, caller: Caller, send: "_Started") -> None:
        if request.method != "POST":
            raise wrong_method("POST")
        await answer(send, await take(request, caller, self._spool))

    async def _answer(
        self, request: Request, target: Target, body: bytes, send: "_Started", watch: Watch, recorded: Recorded
    ) -> None:
        """Whatever happens, the record gets its end."""
        try:
            async with self._upstream.request(request, target, body) as response:
                await relay(response, send, watch, recorded)
        except UpstreamFailed as failure:
            await recorded.end(outcome=FAILED, error_code=failure.code)
            log.warning("call %s: %s", recorded.call_id, failure)
            raise _refusal(failure, recorded) from failure
        except Refusal as refusal:
            await recorded.end(outcome=FAILED, error_code=refusal.code)
            refusal.headers.append((b"x-curation-call-id", str(recorded.call_id).encode()))
            raise
        except asyncio.CancelledError:
            if not watch.is_client_gone:
                await recorded.end(outcome=INTERRUPTED)
                raise
            await recorded.end(outcome=CLIENT_GONE)
            raise ClientGone from None

    async def _show_models(self, request: Request, caller: Caller, routes: Routes, send: "_Started") -> None:
        names = routes.names(caller.project_id)
        if alias := alias_named(request.path, names):
            await answer(send, orjson.dumps(alias))
            return
        target = routes.target(caller.project_id, "")
        if request.path == MODELS:
            await self._pass_through(
                request, b"", target, send, lambda response, watch: relay_models(response, names, send, watch)
            )
        else:
            await self._pass_through(request, b"", target, send)

    async def _pass_on(self, request: Request, caller: Caller, target: Target, send: "_Started") -> None:
        if request.method not in ("GET", "POST"):
            raise wrong_method("GET, POST")
        if request.path.split("/")[2] in CLOSED:
            raise Refusal(403, "not_allowed", "An application's key cannot manage files, training or accounts.")
        await self._pass_through(request, await request.body(_most_bytes(caller)), target, send)

    async def _pass_through(
        self,
        request: Request,
        body: bytes,
        target: Target,
        send: "_Started",
        passing: Callable[[Response, Watch], Awaitable[None]] | None = None,
    ) -> None:
        """Unstored, and as it comes unless `passing` does something else."""
        with Watch(request.receive) as watch:
            try:
                async with self._upstream.request(request, target, body) as response:
                    await (passing(response, watch) if passing else relay(response, send, watch, None))
            except UpstreamFailed as failure:
                raise _refusal(failure) from failure
            except asyncio.CancelledError:
                if not watch.is_client_gone:
                    raise
                raise ClientGone from None


class _Started:
    """Sends to the client and knows whether an answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_started = False

    def __call__(self, message: MutableMapping[str, Any]) -> Awaitable[None]:
        self.is_started = True
        return self._send(message)


def _scope(request: Request) -> str:
    """What a key must be good for."""
    if request.path == FEEDBACK:
        return ApiKey.Scope.FEEDBACK.value
    return ApiKey.Scope.READ.value if request.method == "GET" else ApiKey.Scope.CAPTURE.value


def _most_bytes(caller: Caller) -> int:
    return min(caller.body_bytes or settings.GATEWAY_BODY_BYTES, settings.GATEWAY_BODY_BYTES)


def _parse(body: bytes) -> dict[str, object]:
    try:
        value = chat.parse_strict(body)
    except chat.ChatError as error:
        raise Refusal(400, "invalid_json", str(error)) from None
    if not isinstance(value, dict):
        raise Refusal(400, "invalid_json", "The body must be a JSON object.")
    return value


def _facts(request: Request, caller: Caller, target: Target, wanted: dict[str, object]) -> dict[str, object]:
    """What is known of a call when it comes in."""
    model = wanted.get("model")
    requested = chat.clean(model)[0][:200] if isinstance(model, str) else ""
    return {
        "project": caller.project_id,
        "key": caller.key_id,
        "provider": target.provider_id,
        "endpoint": request.path,
        "requested_model": requested,
        "served_model": requested if target.model is None else target.model,
        "is_stream": wanted.get("stream") is True,
        "client_request_id": request.client_request_id(),
        "user_agent": request.header(b"user-agent")[:200],
        **labels(_said(request, b"x-curation-id"), _said(request, b"x-curation-tags"), wanted.get("metadata")),
    }


def _said(request: Request, header: bytes) -> str:
    """A header in UTF-8, which HTTP libraries show as Latin-1."""
    return request.header(header).encode("latin-1").decode("utf-8", "replace")


def _begin(recorded: Recorded, facts: dict[str, object], body: bytes) -> None:
    try:
        recorded.begin(facts, body)
    except SpoolFull:
        raise spool_full() from None


def _refusal(failure: UpstreamFailed, recorded: Recorded | None = None) -> Refusal:
    headers = [(b"x-curation-call-id", str(recorded.call_id).encode())] if recorded else []
    return Refusal(failure.status, failure.code, str(failure), kind="server_error", headers=headers)


async def _refuse(refusal: Refusal, send: Send) -> None:
    await send({"type": "http.response.start", "status": refusal.status, "headers": refusal.headers})
    await send({"type": "http.response.body", "body": refusal.body})
