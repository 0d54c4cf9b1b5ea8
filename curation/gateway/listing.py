"""The models an application may name: the provider's, and before them its project's aliases."""

from collections.abc import Iterable
from typing import Any

import orjson

from .refusals import Refusal
from .requests import Send
from .streaming import Watch, relay
from .upstream import Response, response_headers

MODELS = "/v1/models"
_LONGEST = 8 << 20


def alias_named(path: str, names: Iterable[str]) -> dict[str, Any] | None:
    """The alias a path asks for, as OpenAI shows a model."""
    wanted = path.removeprefix(MODELS + "/")
    return _shown(wanted) if wanted in names else None


def _shown(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "curation"}


async def relay_models(response: Response, names: Iterable[str], send: Send, watch: Watch) -> None:
    """Pass a list of models on with the aliases in it; anything else as it is. Raises Refusal."""
    if response.status != 200 or response.content_type != "application/json":
        await relay(response, send, watch, None)
        return
    body = b""
    async for piece in response.pieces():
        body += piece
        if len(body) > _LONGEST:
            raise Refusal(
                502, "upstream_answer_too_long", "The provider's list of models is too long.", kind="server_error"
            )
    watch.stop()
    headers = [(name, value) for name, value in response_headers(response) if name != b"content-length"]
    await answer(send, _with_aliases(body, names), headers)


def _with_aliases(body: bytes, names: Iterable[str]) -> bytes:
    try:
        listed = orjson.loads(body)
        models = [model for model in listed["data"] if model["id"] not in names]
    except (ValueError, TypeError, KeyError):
        return body  # of some other shape, which the client may understand
    return orjson.dumps(listed | {"data": [*map(_shown, names), *models]})


async def answer(send: Send, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """A whole answer of our own in JSON."""
    named = {b"content-type": b"application/json"} | dict(headers) | {b"content-length": str(len(body)).encode()}
    await send({"type": "http.response.start", "status": 200, "headers": list(named.items())})
    await send({"type": "http.response.body", "body": body})
