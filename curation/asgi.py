"""The one web door: /v1/* goes to the gateway, everything else to Django."""

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "curation.settings")

django = get_asgi_application()

from curation.bodies import bounded  # noqa: E402 - its settings too
from curation.gateway.app import Gateway  # noqa: E402 - its models need Django to be set up
from curation.gateway.requests import Receive, Scope, Send  # noqa: E402
from curation.threads import Threads  # noqa: E402

gateway = Gateway()
threads = Threads()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["type"] == "http" and scope["path"].startswith("/v1/"):
        await gateway(scope, receive, send)
    else:
        async with threads.one():
            await bounded(django, scope, receive, send)  # type: ignore[arg-type]


async def _live(receive: Receive, send: Send) -> None:
    """From the server's start to its end."""
    message: Any = await receive()
    try:
        await gateway.start()
    except OSError as error:
        await send({"type": "lifespan.startup.failed", "message": f"The spool cannot be opened: {error}"})
        return
    await send({"type": "lifespan.startup.complete"})
    while message["type"] != "lifespan.shutdown":
        message = await receive()
    await gateway.stop()
    await send({"type": "lifespan.shutdown.complete"})
