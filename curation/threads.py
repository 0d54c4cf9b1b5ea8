"""Threads that answer pages, kept from one request to the next with the database connection each has open.

Django gives each ASGI request a thread of its own that ends with it, and its connection with it: opening the next one
took longer than most of our queries together.
"""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from asgiref.sync import ThreadSensitiveContext


class Threads:
    """As many threads as there are requests at once; `most_idle` of them wait for the next ones, the rest end."""

    def __init__(self, most_idle: int = 8) -> None:
        self._most_idle = most_idle
        self._idle: list[ThreadPoolExecutor] = []

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """All synchronous code awaited inside runs in one thread, which nobody else has meanwhile."""
        # The one that was used last: the others' connections may go idle.
        thread = self._idle.pop() if self._idle else ThreadPoolExecutor(1, "page")
        try:
            async with ThreadSensitiveContext(executor=thread):
                yield
        finally:
            if len(self._idle) < self._most_idle:
                self._idle.append(thread)
            else:
                thread.shutdown(wait=False)
