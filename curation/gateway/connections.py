"""HTTP/1.1 to providers over connections that are kept open: one request at a time on each, its answer in pieces as
they come. Own code because a client library took a third of a call's work (bench/gateway.py).
"""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import aiohappyeyeballs
import httptools

from curation.egress import Reach

CONNECT_SECONDS = 5.0
_IDLE_SECONDS = 15.0  # less than servers commonly keep an idle connection
_NAMES_SECONDS = 30.0  # how long a name's addresses are taken to be true
_HEAD_BYTES = 64 << 10
_BUFFER_BYTES = 256 << 10  # of an answer that nobody takes yet; then the provider waits
_JOINED_BYTES = 64 << 10

Address = tuple[Any, ...]  # as socket.getaddrinfo gives it


class Unreached(Exception):
    """No connection came about; the cause is an OSError."""


class Unanswered(Unreached):
    """Nobody accepted the connection in time."""


class BrokenOff(Exception):
    """The provider hung up before its answer was whole, or answered with what is no HTTP."""


class Place(NamedTuple):
    """Where a URL leads, and what its requests begin with."""

    is_tls: bool
    host: str
    port: int
    path: bytes
    named: bytes  # for the Host header


def place_of(url: str) -> Place:
    """Raises ValueError for a URL that no request can be made of."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{parts.scheme!r} with this host is nothing that can be called.")
    is_tls = parts.scheme == "https"
    usual = 443 if is_tls else 80
    host = parts.hostname if ":" in parts.hostname else parts.hostname.encode("idna").decode()
    port = usual if parts.port is None else parts.port
    shown = f"[{host}]" if ":" in host else host
    named = shown if port == usual else f"{shown}:{port}"
    return Place(is_tls, host, port, parts.path.rstrip("/").encode("ascii"), named.encode())


class Connection(asyncio.Protocol):
    """One connection, and the answer to what was asked on it last."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []  # as the provider wrote them
        self.used_at = 0.0
        self.is_whole = True
        self._is_open = self._is_reusable = True
        self._has_head = self._ends_with_connection = self._is_paused = False
        self._head_bytes = self._buffered = 0
        self._pieces: list[bytes] = []
        self._failure: Exception | None = None
        self._parser: Any = None
        self._waiter: asyncio.Future[None] | None = None

    # What the transport says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.is_whole:  # nobody asked for more
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._is_reusable = False
            self.fail(BrokenOff(str(error)))
        if not self._has_head:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES:
                self.fail(BrokenOff("The headers have no end."))
        self._wake()

    def eof_received(self) -> None:
        self.connection_lost(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._is_open = False
        if self.is_whole:
            return
        if self._has_head and self._ends_with_connection and error is None:
            self.is_whole = True
        else:
            self.fail(BrokenOff("The connection ended."))
        self._wake()

    # What the parser finds.

    def on_message_begin(self) -> None:
        if self.is_whole:
            self._is_reusable = False  # a second answer to one question

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_head:  # else it is a trailer
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.is_whole:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200:  # the answer is still to come
            self.headers = []
            return
        self.status, self._has_head = status, True
        names = {name.lower() for name, _ in self.headers}
        self._ends_with_connection = not names & {b"content-length", b"transfer-encoding"}

    def on_body(self, data: bytes) -> None:
        if self.is_whole:
            return
        self._pieces.append(data)
        self._buffered += len(data)
        if self._buffered > _BUFFER_BYTES and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._has_head:
            self.is_whole = True
            self._is_reusable = self._is_reusable and self._parser.should_keep_alive()

    # What the caller does.

    def ask(self, head: bytes, body: bytes, deadline: float) -> None:
        """Send a request; its answer fails with TimeoutError when it is not whole after so many seconds."""
        self.status, self.headers = 0, []
        self.is_whole = self._has_head = self._ends_with_connection = self._is_paused = False
        self._pieces = []
        self._buffered = self._head_bytes = 0
        self._parser = httptools.HttpResponseParser(self)
        self._timer = asyncio.get_running_loop().call_later(deadline, self.fail, TimeoutError())
        if len(body) < _JOINED_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)

    async def wait_for_head(self) -> None:
        """Raises BrokenOff, TimeoutError."""
        while not self._has_head:
            await self._wait()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The answer's body as it arrives. Raises BrokenOff, TimeoutError, both after all that did arrive."""
        while True:
            if self._pieces:
                piece = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
                self._pieces, self._buffered = [], 0
                if self._is_paused:
                    self._is_paused = False
                    self._transport.resume_reading()
                yield piece
            elif self.is_whole:
                return
            else:
                await self._wait()

    def finish(self) -> bool:
        """The caller has what it wanted. Whether another request may follow; if not, the connection is closed."""
        self._timer.cancel()
        self._parser = None
        if self.is_whole and self._is_reusable and self._is_open and not self._is_paused:
            self.used_at = time.monotonic()
            return True
        self.close()
        return False

    def is_fresh(self) -> bool:
        return self._is_open and time.monotonic() - self.used_at < _IDLE_SECONDS

    def fail(self, failure: Exception) -> None:
        if not self.is_whole and self._failure is None:
            self._failure = failure
            self._wake()

    def close(self) -> None:
        self._is_open = False
        self._transport.abort()

    async def _wait(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Pool:
    """Connections to all places. One is only used again by those who may open it."""

    def __init__(self, connect_seconds: float = CONNECT_SECONDS) -> None:
        self.connect_seconds = connect_seconds
        self._idle: dict[tuple[Reach, bool, str, int], list[Connection]] = {}
        self._addresses: dict[tuple[str, int], tuple[float, list[Address]]] = {}
        self._context = ssl.create_default_context()
        self._context.set_alpn_protocols(["http/1.1"])
        self._sweeping: asyncio.TimerHandle | None = None

    async def take(self, place: Place, reach: Reach) -> Connection:
        """A connection nobody uses. Raises Unreached."""
        idle = self._idle.get((reach, *place[:3]), [])
        while idle:
            connection = idle.pop()
            if connection.is_fresh():
                return connection
            connection.close()
        try:
            async with asyncio.timeout(self.connect_seconds):
                return await self._open(place, reach)
        except TimeoutError as error:
            raise Unanswered from error
        except (OSError, UnicodeError) as error:
            raise Unreached from error

    def give_back(self, connection: Connection, place: Place, reach: Reach) -> None:
        if connection.finish():
            self._idle.setdefault((reach, *place[:3]), []).append(connection)
            if self._sweeping is None:
                self._sweeping = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._sweep)

    def close(self) -> None:
        if self._sweeping:
            self._sweeping.cancel()
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()

    async def _open(self, place: Place, reach: Reach) -> Connection:
        def judged(address: Address) -> socket.socket:
            """What a name was looked up to, just before the connection to it."""
            reach.check(str(address[4][0]))
            found = socket.socket(*address[:3])
            found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # an answer may be long in coming
            return found

        loop = asyncio.get_running_loop()
        opened = await aiohappyeyeballs.start_connection(
            await self._look_up(place.host, place.port),
            happy_eyeballs_delay=0.25,
            interleave=1,
            loop=loop,
            socket_factory=judged,
        )
        try:
            _, connection = await loop.create_connection(
                Connection,
                sock=opened,
                ssl=self._context if place.is_tls else None,
                server_hostname=place.host if place.is_tls else None,
            )
        except BaseException:
            opened.close()
            raise
        return connection

    async def _look_up(self, host: str, port: int) -> list[Address]:
        known_at, addresses = self._addresses.get((host, port), (0.0, []))
        if not addresses or time.monotonic() - known_at > _NAMES_SECONDS:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(found)
            self._addresses[host, port] = time.monotonic(), addresses
        return addresses

    def _sweep(self) -> None:
        """Close what was idle for long, and come again while there is something."""
        self._sweeping = None
        for key, idle in list(self._idle.items()):
            for connection in idle:
                if not connection.is_fresh():
                    connection.close()
            self._idle[key] = [connection for connection in idle if connection.is_fresh()]
            if not self._idle[key]:
                del self._idle[key]
        if self._idle:
            self._sweeping = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._sweep)
