"""A client that does not get on with its body is told so, and nothing is left behind of the wait."""

import asyncio

import pytest

from curation.gateway import requests
from curation.gateway.refusals import Refusal
from curation.gateway.requests import Request


def request_of(*messages: dict, then_waits: bool = False) -> Request:
    """A request whose body comes in these messages; `then_waits`: and whose rest never comes."""
    left = list(messages)

    async def receive() -> dict:
        if not left and then_waits:
            await asyncio.sleep(3600)
        return left.pop(0)

    return Request({"method": "POST", "query_string": b"", "headers": [], "path": "/v1/chat/completions"}, receive)


BEGINNING = {"type": "http.request", "body": b"{", "more_body": True}
END = {"type": "http.request", "body": b"}", "more_body": False}


def test_a_body_that_stops_is_refused_in_time_and_the_task_goes_on(monkeypatch):
    monkeypatch.setattr(requests, "_BODY_SECONDS", 0.05)

    async def main() -> None:
        with pytest.raises(Refusal) as caught:
            await request_of(BEGINNING, then_waits=True).body(100)
        assert (caught.value.status, caught.value.code) == (408, "request_timeout")
        task = asyncio.current_task()
        assert task
        assert task.cancelling() == 0
        await asyncio.sleep(0)  # not cancelled by what is over
        assert await request_of(BEGINNING, END).body(100) == b"{}"

    asyncio.run(main())


def test_a_body_in_time_leaves_no_timer_that_could_strike_later(monkeypatch):
    monkeypatch.setattr(requests, "_BODY_SECONDS", 0.05)

    async def main() -> None:
        assert await request_of(BEGINNING, END).body(100) == b"{}"
        await asyncio.sleep(0.1)

    asyncio.run(main())


def test_who_ends_the_task_ends_it():
    async def main() -> None:
        waiting = asyncio.create_task(request_of(BEGINNING, then_waits=True).body(100))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
