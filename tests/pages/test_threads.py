"""Pages are answered by threads that stay, each with its database connection."""

import asyncio
import threading

from asgiref.sync import sync_to_async

from curation.threads import Threads


async def thread_of(threads: Threads, barrier: threading.Barrier | None = None) -> int:
    def work() -> int:
        if barrier:
            barrier.wait(timeout=30)
        return threading.get_ident()

    async with threads.one():
        first = await sync_to_async(work)()
        assert await sync_to_async(threading.get_ident)() == first
        return first


def test_one_request_after_the_other_has_the_same_thread():
    async def run() -> set[int]:
        threads = Threads()
        return {await thread_of(threads) for _ in range(5)}

    assert len(asyncio.run(run())) == 1


def test_requests_at_once_have_a_thread_each_and_only_some_stay():
    async def run() -> tuple[list[int], set[int]]:
        threads, barrier = Threads(most_idle=2), threading.Barrier(4)
        at_once = await asyncio.gather(*(thread_of(threads, barrier) for _ in range(4)))
        barrier = threading.Barrier(2)
        return at_once, set(await asyncio.gather(*(thread_of(threads, barrier) for _ in range(2))))

    at_once, after = asyncio.run(run())
    assert len(set(at_once)) == 4
    assert after < set(at_once)


def test_an_error_gives_the_thread_back():
    async def run() -> set[int]:
        threads = Threads()
        found = {await thread_of(threads)}
        try:
            async with threads.one():
                raise LookupError
        except LookupError:
            found.add(await thread_of(threads))
        return found

    assert len(asyncio.run(run())) == 1
