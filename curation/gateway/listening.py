"""Hearing of changes to keys and routes the moment they are committed."""

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import pq

log = logging.getLogger(__name__)

_RECONNECT = 1.0  # seconds
_PATIENCE = 0.5  # seconds a call waits for a database that does not answer, once until it answers again


class Listener:
    """A connection that listens on `channel`.

    Postgres tells its listeners of a commit before it tells the one who commits, but the notice may still be on its way
    when that one's next request comes in. `fence()` is a round trip on the listening connection: Postgres sends what
    it has to tell before it answers. So a request behind the fence knows every change committed before it came in. It
    costs some tens of microseconds, many requests share one, and a database that is down or slow is not waited for.
    """

    def __init__(self, channel: str, parameters: dict[str, Any], on_change: Callable[[], None]) -> None:
        self._channel = channel
        self._parameters = parameters
        self._on_change = on_change
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._descriptor = -1  # of the connection's socket, which a lost connection does not know any more
        self._lost = asyncio.Event()
        self._under_way: list[asyncio.Future[None]] = []  # who waits for the round trip that is being made
        self._next: list[asyncio.Future[None]] = []  # and for the one after it
        self._timer: asyncio.TimerHandle | None = None
        self._is_slow = False

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    async def run_forever(self) -> None:
        """Connect, and connect again whenever the connection is lost. What changed meanwhile counts as a change."""
        while True:
            try:
                await self._connect()
            except psycopg.Error as error:
                log.debug("cannot listen: %s", error)
            else:
                self._on_change()
                try:
                    await self._lost.wait()
                finally:
                    await self._disconnect()
                log.warning("The database is away; calls go on with the keys and routes known so far")
            await asyncio.sleep(_RECONNECT)

    def fence(self) -> asyncio.Future[None] | None:
        """Done once every change committed before this moment has been told to `on_change`; None where nothing can be
        heard.
        """
        if self._connection is None or self._is_slow:
            return None
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._next.append(waiter)
        if not self._under_way:
            self._send()
        return waiter

    async def _connect(self) -> None:
        connection = await psycopg.AsyncConnection.connect(**self._parameters, autocommit=True)
        await connection.execute(f"LISTEN {self._channel}")
        self._lost.clear()
        self._connection = connection
        # A descriptor of our own: libpq closes its one when the connection breaks, and the loop would go on watching a
        # number that by then belongs to somebody's call.
        self._descriptor = os.dup(connection.fileno())
        asyncio.get_running_loop().add_reader(self._descriptor, self._readable, connection.pgconn)

    async def _disconnect(self) -> None:
        assert self._connection is not None
        connection, self._connection = self._connection, None
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        self._answered()
        await connection.close()

    def _send(self) -> None:
        """Begin a round trip for those who wait for the next."""
        assert self._connection is not None
        self._under_way, self._next = self._next, []
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE, self._give_up_waiting)
        try:
            self._connection.pgconn.send_query(b"")
            self._connection.pgconn.flush()
        except psycopg.Error:
            self._lost.set()

    def _readable(self, pgconn: pq.abc.PGconn) -> None:
        try:
            pgconn.consume_input()
            while pgconn.notifies():
                self._on_change()
            if not self._under_way or pgconn.is_busy():
                return
            while pgconn.get_result() is not None:
                if pgconn.is_busy():
                    return
            while pgconn.notifies():
                self._on_change()
        except psycopg.Error:
            self._lost.set()
            return
        self._answered()

    def _answered(self) -> None:
        """The round trip is over: let its requests go, and begin the next one for those that came in meanwhile."""
        if self._timer:
            self._timer.cancel()
        self._is_slow = False
        _let_go(self._under_way)
        self._under_way = []
        if self._connection is None:
            _let_go(self._next)
            self._next = []
        elif self._next:
            self._send()

    def _give_up_waiting(self) -> None:
        waited_for = self._under_way
        if self._connection is not None:
            # Where it was the loop that was held up, its timers come before the answer that lies there to be read.
            self._readable(self._connection.pgconn)
        if self._under_way is not waited_for:
            return
        self._is_slow = True
        _let_go([*self._under_way, *self._next])
        self._next = []


def _let_go(waiters: list[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
