"""The connection that hears of changes comes back by itself, also when nobody calls meanwhile."""

import asyncio
import time
from collections.abc import Callable

from django.db import connection

from curation.gateway.listening import Listener


def test_a_listener_whose_connection_broke_while_idle_listens_again(committed_db: None):
    changes: list[None] = []

    async def break_and_wait() -> None:
        listener = _listener(lambda: changes.append(None))
        task = asyncio.create_task(listener.run_forever())
        await _until(lambda: len(changes) == 1)
        await asyncio.to_thread(_terminate_listeners)
        await _until(lambda: len(changes) == 2 or task.done())
        assert listener.is_connected
        task.cancel()

    asyncio.run(break_and_wait())


def test_an_answer_that_lies_there_is_read_however_long_the_loop_was_held_up(committed_db: None):
    changes: list[None] = []

    async def hold_up_and_look() -> None:
        listener = _listener(lambda: changes.append(None))
        task = asyncio.create_task(listener.run_forever())
        await _until(lambda: len(changes) == 1)
        await asyncio.to_thread(_notify)
        fence = listener.fence()
        assert fence is not None
        time.sleep(0.7)  # holds up the loop for longer than a call waits
        listener._give_up_waiting()  # what a loop does whose timers come before its sockets
        assert fence.done()
        assert len(changes) == 2
        assert listener.fence() is not None
        task.cancel()

    asyncio.run(hold_up_and_look())


def _listener(on_change: Callable[[], None]) -> Listener:
    parameters = connection.get_connection_params()
    wanted = {name: parameters[name] for name in ("dbname", "user", "host") if name in parameters}
    return Listener("test_listening", wanted, on_change)


async def _until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


def _terminate_listeners() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN test_listening'")
    connection.close()


def _notify() -> None:
    with connection.cursor() as cursor:
        cursor.execute("NOTIFY test_listening")
    connection.close()
