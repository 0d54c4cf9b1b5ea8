"""The one web door: /v1/* goes to the gateway, everything else to Django."""

import gc
import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "curation.settings")

django = get_asgi_application()

from curation.bodies import bounded  # noqa: E402 - its settings too
from curation.gateway.app import Gateway  # noqa: E402 - its models need Django to be set up
from curation.gateway.requests import Receive, Scope, Send  # noqa: E402
from curation.threads import Threads  # noqa: E402

_COLLECTED_AFTER = 10_000, 10, 10  # objects more than before, and rounds of the younger for one of the older

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
    # What is loaded by now lives as long as the process: the collector need not go through it with the calls' leavings.
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AFTER)
    await send({"type": "lifespan.startup.complete"})
    while message["type"] != "lifespan.shutdown":
        message = await receive()
    await gateway.stop()
    await send({"type": "lifespan.shutdown.complete"})
