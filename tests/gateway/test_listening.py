"""The connection that hears of changes comes back by itself, also when nobody calls meanwhile."""

import asyncio

from django.db import connection

from curation.gateway.listening import Listener


def test_a_listener_whose_connection_broke_while_idle_listens_again(committed_db: None):
    changes: list[None] = []

    async def break_and_wait() -> None:
        parameters = connection.get_connection_params()
        wanted = {name: parameters[name] for name in ("dbname", "user", "host") if name in parameters}
        listener = Listener("test_listening", wanted, lambda: changes.append(None))
        task = asyncio.create_task(listener.run_forever())
        await _until(lambda: len(changes) == 1)
        await asyncio.to_thread(_terminate_listeners)
        await _until(lambda: len(changes) == 2 or task.done())
        assert listener.is_connected
        task.cancel()

    asyncio.run(break_and_wait())


async def _until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


def _terminate_listeners() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN test_listening'")
    connection.close()
