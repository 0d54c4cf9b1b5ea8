"""Calling a provider: the only place in the gateway that opens connections to elsewhere."""

import re
import time
from functools import lru_cache

from curation.egress import AddressRefused

from .auth import Target
from .connections import CONNECT_SECONDS, BrokenOff, Connection, Place, Pool, Unanswered, Unreached, place_of
from .requests import Request

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
_ADDRESS = re.compile(rb"[\x21-\x7e\x80-\xff]+")
_KEY = re.compile(r"[\x21-\x7e]*")


class UpstreamFailed(Exception):
    """No answer, or no whole answer, came from the provider."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Response:
    """A provider's answer whose headers are there: `pieces()` gives its body as it arrives."""

    def __init__(self, connection: Connection) -> None:
        self.status = connection.status
        self.raw_headers = connection.headers
        self.pieces = connection.pieces
        self._first = {name.lower(): value for name, value in reversed(connection.headers)}
        self._connection = connection
        self.is_ok = self.status < 400
        self.content_type = self.header(b"content-type").partition(";")[0].strip().lower()

    @property
    def is_whole(self) -> bool:
        """Has all of the body arrived?"""
        return self._connection.is_whole

    def header(self, name: bytes) -> str:
        """The first header of that name (in lower case), or ""."""
        return self._first.get(name, b"").decode("latin-1")


class Upstream:
    """Connections to all providers, kept open between calls."""

    def __init__(self, deadline_seconds: float) -> None:
        self.deadline = deadline_seconds
        self._unreached: dict[str, tuple[int, float]] = {}  # by URL: how often in a row, and until when

    async def start(self) -> None:
        self._pool = Pool(min(CONNECT_SECONDS, self.deadline))

    async def stop(self) -> None:
        self._pool.close()

    def request(self, request: Request, target: Target, body: bytes) -> "_Asked":
        """`async with` it: the request is sent on, and the answer is there once its headers are; leaving closes what
        was not read. Raises UpstreamFailed, also for what happens while the answer is read.
        """
        return _Asked(self, request, target, body)

    async def connect(self, place: Place, target: Target) -> Connection:
        """Raises UpstreamFailed."""
        self._check_rest(target.url)
        try:
            connection = await self._pool.take(place, target.reach)
        except Unreached as error:
            raise self._unreachable(target.url, error) from error
        self._unreached.pop(target.url, None)
        return connection

    def give_back(self, connection: Connection, place: Place, target: Target) -> None:
        self._pool.give_back(connection, place, target.reach)

    def _check_rest(self, url: str) -> None:
        failures, until = self._unreached.get(url, (0, 0.0))
        if failures >= _FAILURES and time.monotonic() < until:
            message = f"The provider did not accept {failures} connections in a row. Try again in a moment."
            raise UpstreamFailed(503, "upstream_resting", message)

    def _unreachable(self, url: str, error: Unreached) -> UpstreamFailed:
        if isinstance(error.__cause__, AddressRefused):
            return UpstreamFailed(502, "address_refused", str(error.__cause__))
        if not isinstance(error, Unanswered):
            return UpstreamFailed(502, "upstream_unreachable", "The provider cannot be reached.")
        failures, _ = self._unreached.get(url, (0, 0.0))
        self._unreached[url] = failures + 1, time.monotonic() + _REST_SECONDS
        message = f"The provider did not accept a connection within {CONNECT_SECONDS:.0f} seconds."
        return UpstreamFailed(504, "upstream_unreachable", message)


class _Asked:
    """One request to a provider. By hand, as a generator for it would be a fortieth of a call's work."""

    def __init__(self, upstream: Upstream, request: Request, target: Target, body: bytes) -> None:
        self._upstream, self._request, self._target, self._body = upstream, request, target, body

    async def __aenter__(self) -> Response:
        try:
            self._place = _place(self._target.url)
            head = _head(self._request, self._target, self._place, self._body)
            self._connection = await self._upstream.connect(self._place, self._target)
        except ValueError as error:  # an address or a header that no request can be made of
            raise UpstreamFailed(502, "upstream_misconfigured", "The provider's address or key is unusable.") from error
        try:
            self._connection.ask(head, self._body, self._upstream.deadline)
            await self._connection.wait_for_head()
        except BaseException as error:
            self._leave(error)
            raise
        return Response(self._connection)

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        self._upstream.give_back(self._connection, self._place, self._target)
        if isinstance(error, BrokenOff):
            raise UpstreamFailed(502, "upstream_broke_off", "The provider broke off the connection.") from error
        if isinstance(error, TimeoutError):
            message = f"The provider's answer took longer than {self._upstream.deadline:.0f} seconds."
            raise UpstreamFailed(504, "upstream_timeout", message) from error


_place = lru_cache(256)(place_of)


def _head(request: Request, target: Target, place: Place, body: bytes) -> bytes:
    """A request's first line and headers. Raises ValueError for what cannot stand in them."""
    address = place.path + request.path.removeprefix("/v1").encode("ascii")
    if request.query:
        address += b"?" + request.query
    if not _ADDRESS.fullmatch(address) or not _KEY.fullmatch(target.key):
        raise ValueError("No request can be made of this.")
    dropped = _NOT_SENT | _named_by_connection(request.header(b"connection").encode())
    lines = [request.method.encode() + b" " + address + b" HTTP/1.1", b"host: " + place.named]
    lines += [
        name + b": " + value
        for name, value in request.headers
        if name not in dropped and not name.startswith((b"x-forwarded-", b"x-curation-"))
    ]
    lines.append(b"accept-encoding: identity")
    if target.key:
        lines.append(b"authorization: Bearer " + target.key.encode("ascii"))
    if body or request.method != "GET":
        lines.append(b"content-length: %d" % len(body))
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    # The server in front lets none through; a header that smuggles another in must not rest on that alone.
    if not head.count(b"\n") == head.count(b"\r") == len(lines) + 1:
        raise ValueError("A header holds the end of a line.")
    return head


def response_headers(response: Response) -> list[tuple[bytes, bytes]]:
    """What of the provider's headers goes on to the client, byte for byte."""
    dropped = _NOT_RETURNED | _named_by_connection(response.header(b"connection").encode("latin-1"))
    lowered = ((name.lower(), value) for name, value in response.raw_headers)
    return [(name, value) for name, value in lowered if name not in dropped and _TEXT.fullmatch(value)]


def _named_by_connection(value: bytes) -> set[bytes]:
    return {name.strip().lower() for name in value.split(b",")} if value else set()
