"""How jobs reach a provider: only where they may, for no longer than a deadline, and with an answer that has an end."""

import time
from collections.abc import Iterator

import httpx2

from curation.egress import AddressRefused, Reach

CONNECT_SECONDS = 5.0
READ_SECONDS = 50.0
# An answer that trickles never times out by itself, and one without an end would fill the memory.
ANSWER_SECONDS = 300.0
ANSWER_BYTES = 64 << 20


class GuardedTransport(httpx2.BaseTransport):
    """Looks a name up, judges what it finds and connects to that address; the provider's certificate is still checked
    against its name."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._inner = httpx2.HTTPTransport(trust_env=False)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises httpx2.ConnectError for an address that is not called, and what the transport below raises."""
        host = request.url.host
        try:
            addresses = self._reach.resolve(host, request.url.port or (443 if request.url.scheme == "https" else 80))
        except OSError as error:
            raise httpx2.ConnectError(str(error), request=request) from error
        for address in addresses[:-1]:
            try:
                return self._send(request, host, address)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue  # nothing was sent: the next address may be asked
        return self._send(request, host, addresses[-1])

    def _send(self, request: httpx2.Request, host: str, address: str) -> httpx2.Response:
        there = httpx2.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,  # the Host header is of the name
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        response = self._inner.handle_request(there)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _Bounded(response.stream, there)
        return response

    def close(self) -> None:
        self._inner.close()


class _Bounded(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, request: httpx2.Request) -> None:
        self._stream = stream
        self._request = request
        self._end = time.monotonic() + ANSWER_SECONDS

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._stream:
            size += len(chunk)
            if size > ANSWER_BYTES:
                raise httpx2.ReadError("The answer is too long.", request=self._request)
            if time.monotonic() > self._end:
                raise httpx2.ReadTimeout("The answer takes too long.", request=self._request)
            yield chunk

    def close(self) -> None:
        self._stream.close()


def refusal_in(error: BaseException | None) -> AddressRefused | None:
    """Why a connection was not opened, where it was because of where it would have led."""
    while error is not None and not isinstance(error, AddressRefused):
        error = error.__cause__
    return error
