"""/v1/chat/completions: a model answers, at once or as a stream.

The model gives its answer token by token; `max_tokens`, `max_completion_tokens` and `stop` end it here, whatever the
engine. What would change an answer's meaning and is not here (tools, sound) is refused; penalties have no effect.
"""

from collections.abc import AsyncIterator, Generator, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

import orjson
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from jobs.trainer import models
from jobs.trainer.completion import Choice, Completion
from jobs.trainer.engines import base_models
from jobs.trainer.engines.base import Asked, Model, NotAnswerable, TooLong
from jobs.trainer.errors import ApiError, Json
from jobs.trainer.reading import Body, invalid, number, read_json, string, unsupported, whole
from jobs.trainer.shelf import Shelf

MOST_CHOICES = 8
MOST_WAITING = 64
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
REFUSED = {
    "logit_bias": "This trainer's models take no bias for tokens.",
    "tools": "This trainer's models call no tools.",
    "functions": "This trainer's models call no functions.",
    "audio": "This trainer's models answer in text only.",
    "web_search_options": "This trainer's models search nothing.",
}


async def create(request: Request) -> Response:
    """One chat completion."""
    body = await read_json(request)
    _check(body)
    if body["model"] not in base_models():
        models.find(request.app.state.store, body["model"], request.state.owner)
    waiting: CapacityLimiter = request.app.state.chat_limiter
    if waiting.available_tokens < 1:
        raise ApiError(
            429, "Too many requests are waiting; try again in a moment.", kind="requests", code="rate_limit_exceeded"
        )
    completion, choices = await to_thread.run_sync(_begin, request.app.state.shelf, body, limiter=waiting)
    if not body.get("stream"):
        return Json(await to_thread.run_sync(completion.whole, choices, limiter=waiting))
    return StreamingResponse(
        _events(completion.chunks(choices, _include_usage(body)), waiting), media_type="text/event-stream"
    )


async def _events(chunks: Generator[Body, None, None], waiting: CapacityLimiter) -> AsyncIterator[bytes]:
    """Server-sent events, with [DONE] at the end. A caller who leaves stops the model."""
    try:
        while chunk := await to_thread.run_sync(next, chunks, None, limiter=waiting):
            yield b"data: " + orjson.dumps(chunk) + b"\n\n"
        yield b"data: [DONE]\n\n"
    finally:
        chunks.close()


def _begin(shelf: Shelf, body: Body) -> tuple[Completion, Iterator[Choice]]:
    """The model has read the messages and made the first piece of its answer."""
    model = shelf.take(body["model"])
    wants_logprobs = bool(body.get("logprobs"))
    if wants_logprobs and not model.has_logprobs:
        raise unsupported("logprobs", "This model has no probabilities of tokens.")
    asked = Asked(
        messages=body["messages"],
        wants_json=_wants_json(body),
        temperature=float(body.get("temperature") or 0),
        top_p=1.0 if body.get("top_p") is None else float(body["top_p"]),
        seed=body.get("seed"),
        top_logprobs=(body.get("top_logprobs") or 0) if wants_logprobs else None,
    )
    try:
        prompt_tokens = model.count(asked.messages)
        choices = _choices(body, model, asked)
        first = next(choices)
    except NotAnswerable as refused:
        raise unsupported(refused.param, str(refused)) from None
    except TooLong as long:
        message = (
            f"This model's maximum context length is {long.limit} tokens. "
            f"However, your messages resulted in {long.tokens} tokens."
        )
        raise ApiError(400, message, param="messages", code="context_length_exceeded") from None
    return Completion(body, prompt_tokens, wants_logprobs), chain([first], choices)


def _choices(body: Body, model: Model, asked: Asked) -> Iterator[Choice]:
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    for index in range(body.get("n") or 1):
        seed = None if asked.seed is None else asked.seed + index
        yield Choice(index, model, replace(asked, seed=seed), _stops(body), most)


def _check(body: Body) -> None:
    string(body, "model", most=256, required=True)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise invalid("messages", messages, "a list with at least one message")
    for at, message in enumerate(messages):
        _check_message(message, f"messages[{at}]")
    for name, reason in REFUSED.items():
        if body.get(name):
            raise unsupported(name, reason)
    whole(body, "n", 1, MOST_CHOICES)
    whole(body, "max_tokens", 1, 2**31 - 1)
    whole(body, "max_completion_tokens", 1, 2**31 - 1)
    if type(body.get("stream")) not in (bool, type(None)):
        raise invalid("stream", body["stream"], "true or false")
    _stops(body)
    _wants_json(body)
    _include_usage(body)
    for name, high in (("temperature", 2), ("top_p", 1)):
        number(body, name, 0, high)
    whole(body, "seed", -(2**63), 2**63 - 1)
    if whole(body, "top_logprobs", 0, 20) and not body.get("logprobs"):
        raise invalid("top_logprobs", body["top_logprobs"], "it only together with logprobs=true")


def _check_message(message: Any, param: str) -> None:
    if not isinstance(message, dict):
        raise invalid(param, message, "an object with a role")
    if message.get("role") not in ROLES:
        raise invalid(f"{param}.role", message.get("role"), f"one of {', '.join(ROLES)}")
    content = message.get("content")
    if isinstance(content, list):
        for part in content:
            if not (isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)):
                raise unsupported(f"{param}.content", "This engine reads text parts only.")
    elif content is not None and not isinstance(content, str):
        raise invalid(f"{param}.content", content, "a string or a list of text parts")


def _wants_json(body: Body) -> bool:
    wanted = body.get("response_format")
    if wanted is None:
        return False
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind not in ("text", "json_object", "json_schema"):
        raise invalid("response_format", wanted, "an object of type text, json_object or json_schema")
    return kind != "text"


def _stops(body: Body) -> list[str]:
    stop = body.get("stop") or []
    stops = [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list) or len(stops) > 4 or not all(isinstance(text, str) and text for text in stops):
        raise invalid("stop", stop, "a string or up to four of them")
    return stops


def _include_usage(body: Body) -> bool:
    options = body.get("stream_options") or {}
    if not isinstance(options, dict):
        raise invalid("stream_options", options, "an object")
    return bool(options.get("include_usage"))


ROUTES = [Route("/v1/chat/completions", create, methods=["POST"])]
