"""Calling a provider: the only place in the gateway that opens connections to elsewhere."""

import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from curation.egress import AddressRefused, Reach

from .auth import Target
from .requests import Request

_CONNECT_SECONDS = 5.0
# After so many connections in a row that were waited for in vain a provider is left alone for a moment, and callers are
# told at once. One that refuses connections answers at once by itself, and may be back with the next call.
_FAILURES = 5
_REST_SECONDS = 2.0
_HOP_BY_HOP = {
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer",
    b"transfer-encoding", b"upgrade",
}  # fmt: skip
# Besides: what is ours to say (host, length, encoding), the caller's key, and what a provider has no business with: the
# cookie of somebody logged in here, addresses of the network in front of us.
_NOT_SENT = _HOP_BY_HOP | {
    b"host", b"content-length", b"accept-encoding", b"expect", b"authorization", b"cookie", b"forwarded", b"via",
    b"x-real-ip",
}  # fmt: skip
# What a provider says about its own host must not be taken for ours: cookies, transport rules. The server in front
# writes its own date and name.
_NOT_RETURNED = _HOP_BY_HOP | {
    b"set-cookie", b"strict-transport-security", b"alt-svc", b"date", b"server", b"clear-site-data",
    b"x-content-type-options",
}  # fmt: skip
_TEXT = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")


class UpstreamFailed(Exception):
    """No answer, or no whole answer, came from the provider."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Upstream:
    """Connections to all providers, kept open between calls."""

    def __init__(self, deadline_seconds: float) -> None:
        self._timeout = aiohttp.ClientTimeout(total=deadline_seconds, connect=min(_CONNECT_SECONDS, deadline_seconds))
        self._deadline = deadline_seconds

        self._unreached: dict[str, tuple[int, float]] = {}  # by URL: how often in a row, and until when

    async def start(self) -> None:
        self._sessions: dict[Reach, aiohttp.ClientSession] = {}

    def _session(self, reach: Reach) -> aiohttp.ClientSession:
        """A connection is only used again by those who may open it."""
        if reach not in self._sessions:
            self._sessions[reach] = self._open(reach)
        return self._sessions[reach]

    def _open(self, reach: Reach) -> aiohttp.ClientSession:
        def judged(address: tuple[int, int, int, str, tuple[Any, ...]]) -> socket.socket:
            """What a name was looked up to, just before the connection to it."""
            reach.check(str(address[4][0]))
            return socket.socket(*address[:3])

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=30, socket_factory=judged),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            max_line_size=32 << 10,
            max_field_size=32 << 10,
        )

    async def stop(self) -> None:
        for session in self._sessions.values():
            await session.close()

    @asynccontextmanager
    async def request(self, request: Request, target: Target, body: bytes) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send the request on and yield the answer once its headers are there; leaving closes what was not read.
        Raises UpstreamFailed, also for what happens while the answer is read.
        """
        self._check_rest(target.url)
        query = b"?" + request.query if request.query else b""
        try:
            url = URL(target.url + request.path.removeprefix("/v1") + query.decode("latin-1"), encoded=True)
            opening = self._session(target.reach).request(
                request.method, url, data=body or None, headers=_headers(request, target), allow_redirects=False
            )
            response = await opening
        except ValueError as error:  # an address or a header that no request can be made of
            raise UpstreamFailed(502, "upstream_misconfigured", "The provider's address or key is unusable.") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            if isinstance(error, aiohttp.ConnectionTimeoutError):
                self._note_unreached(target.url)
            raise self._failure(error) from error
        self._unreached.pop(target.url, None)
        async with response:
            try:
                yield response
            except (aiohttp.ClientError, TimeoutError) as error:
                raise self._failure(error) from error

    def _check_rest(self, url: str) -> None:
        failures, until = self._unreached.get(url, (0, 0.0))
        if failures >= _FAILURES and time.monotonic() < until:
            message = f"The provider did not accept {failures} connections in a row. Try again in a moment."
            raise UpstreamFailed(503, "upstream_resting", message)

    def _note_unreached(self, url: str) -> None:
        failures, _ = self._unreached.get(url, (0, 0.0))
        self._unreached[url] = failures + 1, time.monotonic() + _REST_SECONDS

    def _failure(self, error: Exception) -> UpstreamFailed:
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            message = f"The provider did not accept a connection within {_CONNECT_SECONDS:.0f} seconds."
            return UpstreamFailed(504, "upstream_unreachable", message)
        if isinstance(error, TimeoutError):
            message = f"The provider's answer took longer than {self._deadline:.0f} seconds."
            return UpstreamFailed(504, "upstream_timeout", message)
        if isinstance(error, aiohttp.ClientConnectorError):
            if isinstance(error.os_error, AddressRefused):
                return UpstreamFailed(502, "address_refused", str(error.os_error))
            return UpstreamFailed(502, "upstream_unreachable", "The provider cannot be reached.")
        return UpstreamFailed(502, "upstream_broke_off", "The provider broke off the connection.")


def _headers(request: Request, target: Target) -> CIMultiDict[str]:
    dropped = _NOT_SENT | _named_by_connection(request.header(b"connection").encode())
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in request.headers:
        if name not in dropped and not name.startswith((b"x-forwarded-", b"x-curation-")):
            headers.add(name.decode("ascii"), value.decode("utf-8", "replace"))
    headers["accept-encoding"] = "identity"
    if target.key:
        headers["authorization"] = f"Bearer {target.key}"
    return headers


def response_headers(response: aiohttp.ClientResponse) -> list[tuple[bytes, bytes]]:
    """What of the provider's headers goes on to the client, byte for byte."""
    dropped = _NOT_RETURNED | _named_by_connection(response.headers.get("connection", "").encode())
    lowered = ((name.lower(), value) for name, value in response.raw_headers)
    return [(name, value) for name, value in lowered if name not in dropped and _TEXT.fullmatch(value)]


def _named_by_connection(value: bytes) -> set[bytes]:
    return {name.strip().lower() for name in value.split(b",")} if value else set()
