"""The gateway's connections to providers, against servers that say their bytes exactly as written here."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from curation.egress import EVERYWHERE, AddressRefused, Reach
from curation.gateway import connections
from curation.gateway.auth import Target
from curation.gateway.connections import BrokenOff, Connection, Place, Pool, Unanswered, Unreached, place_of
from curation.gateway.requests import Request
from curation.gateway.upstream import _head

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Server:
    """Answers each request with the next of `says`; `None` hangs up."""

    def __init__(self, *says: bytes | None) -> None:
        self.says = list(says)
        self.opened = 0
        self.requests: list[bytes] = []
        self.hung_up = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        try:
            while self.says:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int((head.partition(b"content-length: ")[2] or b"0\r\n").split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                if (said := self.says.pop(0)) is None:
                    break
                writer.write(said)
                await writer.drain()
                if b"connection: close" in said or b"until the end" in said:
                    break
            else:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        self.hung_up.set()
        writer.close()


def run(server: Server, work: Callable[[Pool, Place], Awaitable[Any]], **options: Any) -> Any:
    """Let the work be done against the server."""

    async def main() -> Any:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, **options)
        async with asyncio.timeout(20), listening:
            port = listening.sockets[0].getsockname()[1]
            pool = Pool()
            try:
                return await work(pool, place_of(f"http://127.0.0.1:{port}/v1"))
            finally:
                pool.close()

    return asyncio.run(main())


async def ask(pool: Pool, place: Place, body: bytes = b"{}", deadline: float = 10) -> tuple[int, bytes]:
    connection = await pool.take(place, EVERYWHERE)
    try:
        head = b"POST /v1/x HTTP/1.1\r\nhost: %s\r\ncontent-length: %d\r\n\r\n" % (place.named, len(body))
        connection.ask(head, body, deadline)
        await connection.wait_for_head()
        return connection.status, b"".join([piece async for piece in connection.pieces()])
    finally:
        pool.give_back(connection, place, EVERYWHERE)


def both(says: tuple[bytes | None, ...], **more: Any) -> tuple[list[Any], Server]:
    """What two requests, one after the other, are answered with."""
    server = Server(*says)

    async def work(pool: Pool, place: Place) -> list[Any]:
        found: list[Any] = []
        for _ in range(2):
            try:
                found.append(await ask(pool, place, **more))
            except BrokenOff:
                found.append(BrokenOff)
        return found

    return run(server, work), server


def test_a_connection_is_used_again():
    found, server = both((OK, OK))
    assert (found, server.opened) == ([(200, b"hi")] * 2, 1)
    assert server.requests[1].endswith(b"content-length: 2\r\n\r\n{}")


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"), id="the server will close it"),
        pytest.param(OK + b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfalse", id="a second answer behind it"),
        pytest.param(OK + b"more", id="bytes behind it"),
        pytest.param(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", id="HTTP/1.0"),
        pytest.param(b"HTTP/1.1 200 OK\r\nx: until the end\r\n\r\nhi", id="a body that ends with the connection"),
    ],
)
def test_a_connection_that_may_hold_another_s_answer_is_not_used_again(said):
    found, server = both((said, OK))
    assert (found, server.opened) == ([(200, b"hi")] * 2, 2)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(CHUNKED + b"1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", id="chunks"),
        pytest.param(CHUNKED + b"2\r\nhi\r\n0\r\nx-late: 1\r\n\r\n", id="a trailer"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK, id="interim"),
    ],
)
def test_every_way_to_say_an_answer_is_read(said):
    found, server = both((said, OK))
    assert (found, server.opened) == ([(200, b"hi")] * 2, 1)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(None, id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\nhi", id="less than announced"),
        pytest.param(b"<html>connection: close</html>\r\n\r\n", id="no HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1", id="two lengths"),
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", id="an upgrade"),
        pytest.param(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100_000, id="headers without an end"),
    ],
)
def test_what_is_no_whole_answer_fails_and_the_next_request_has_a_connection_of_its_own(said):
    found, server = both((said, OK))
    assert (found, server.opened) == ([BrokenOff, (200, b"hi")], 2)


def test_trailers_and_interim_answers_leave_no_headers():
    async def work(pool: Pool, place: Place) -> list[tuple[bytes, bytes]]:
        connection = await pool.take(place, EVERYWHERE)
        connection.ask(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"", 10)
        await connection.wait_for_head()
        assert [piece async for piece in connection.pieces()] == [b"hi"]
        pool.give_back(connection, place, EVERYWHERE)
        return connection.headers

    server = Server(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + CHUNKED + b"2\r\nhi\r\n0\r\nx-late: 1\r\n\r\n")
    assert run(server, work) == [(b"transfer-encoding", b"chunked")]


def test_an_answer_that_never_ends_is_ended_by_its_deadline_and_what_came_is_kept():
    async def work(pool: Pool, place: Place) -> bytes:
        connection = await pool.take(place, EVERYWHERE)
        connection.ask(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"", 0.2)
        pieces = connection.pieces()
        came = await anext(pieces)
        with pytest.raises(TimeoutError):
            await anext(pieces)
        pool.give_back(connection, place, EVERYWHERE)
        await server.hung_up.wait()
        return came

    server = Server(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi")
    assert run(server, work) == b"hi"


def test_a_provider_waits_for_a_slow_reader():
    size = 64 << 20

    async def work(pool: Pool, place: Place) -> tuple[int, int]:
        connection = await pool.take(place, EVERYWHERE)
        connection.ask(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"", 20)
        await connection.wait_for_head()
        await asyncio.sleep(0.3)
        held = connection._buffered
        total = sum([len(piece) async for piece in connection.pieces()])
        pool.give_back(connection, place, EVERYWHERE)
        return held, total

    held, total = run(Server(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size), work)
    assert total == size
    assert held < 2 << 20


def test_a_large_body_arrives():
    found, server = both((OK, OK), body=b"x" * (3 << 20))
    assert found == [(200, b"hi")] * 2
    assert server.requests[0].endswith(b"x" * (3 << 20))


def test_an_idle_connection_is_closed_after_a_while_and_so_is_one_that_says_something(monkeypatch):
    monkeypatch.setattr(connections, "_IDLE_SECONDS", 0.1)
    server = Server(OK, OK)

    async def work(pool: Pool, place: Place) -> None:
        await ask(pool, place)
        await server.hung_up.wait()
        await ask(pool, place)

    run(server, work)
    assert server.opened == 2


def test_a_connection_that_was_left_unread_is_closed():
    server = Server(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi", OK)

    async def work(pool: Pool, place: Place) -> None:
        connection = await pool.take(place, EVERYWHERE)
        connection.ask(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"", 10)
        await connection.wait_for_head()
        pool.give_back(connection, place, EVERYWHERE)
        await server.hung_up.wait()
        assert await ask(pool, place) == (200, b"hi")

    run(server, work)
    assert server.opened == 2


def test_a_connection_is_only_used_by_those_who_may_open_it():
    server = Server(OK, OK)

    async def work(pool: Pool, place: Place) -> None:
        await ask(pool, place)
        with pytest.raises(Unreached) as refused:
            await pool.take(place, Reach())
        assert isinstance(refused.value.__cause__, AddressRefused)

    run(server, work)
    assert server.opened == 1


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_nobody_there_and_nobody_who_accepts_are_told_apart():
    async def main() -> None:
        with pytest.raises(Unreached) as refused:
            await Pool().take(place_of(f"http://127.0.0.1:{_free_port()}"), EVERYWHERE)
        assert not isinstance(refused.value, Unanswered)
        with pytest.raises(Unreached):
            await Pool().take(place_of("http://no-such-host.invalid"), EVERYWHERE)

        async def never(*_: object) -> Connection:
            await asyncio.sleep(60)
            raise AssertionError

        pool = Pool(connect_seconds=0.05)
        pool._open = never  # type: ignore[method-assign]  # no address here is sure to be silent
        with pytest.raises(Unanswered):
            await pool.take(place_of("http://127.0.0.1"), EVERYWHERE)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://api.example.com/v1", (True, "api.example.com", 443, b"/v1", b"api.example.com")),
        ("http://127.0.0.1:8080/v1/", (False, "127.0.0.1", 8080, b"/v1", b"127.0.0.1:8080")),
        ("https://[::1]:443/v1", (True, "::1", 443, b"/v1", b"[::1]")),
        ("https://bücher.example/v1", (True, "xn--bcher-kva.example", 443, b"/v1", b"xn--bcher-kva.example")),
    ],
)
def test_a_url_names_a_place(url, place):
    assert place_of(url) == place


@pytest.mark.parametrize("url", ["ftp://example.com", "https:///v1", "https://example.com:99999/v1", "https://é.x/é"])
def test_a_url_that_nothing_can_be_asked_at_is_refused(url):
    with pytest.raises(ValueError):
        place_of(url)


@pytest.mark.parametrize(
    ("headers", "query", "key"),
    [
        ([(b"x-a", b"1\r\nx-b: 2")], b"", "sk-1"),
        ([(b"x-a", b"1\nx-b: 2")], b"", "sk-1"),
        ([], b"a=1 HTTP/1.1\r\nx-b: 2", "sk-1"),
        ([], b"", "sk-1\r\nx-b: 2"),
    ],
)
def test_nothing_smuggles_a_header_in(headers, query, key):
    async def receive() -> dict[str, Any]:
        raise AssertionError

    scope = {"method": "POST", "path": "/v1/x", "raw_path": b"/v1/x", "query_string": query, "headers": headers}
    place = place_of("https://api.example.com/v1")
    good = Target(1, "https://api.example.com/v1", "sk-1")
    assert b"\r\nauthorization: Bearer sk-1\r\n" in _head(
        Request(scope | {"headers": [], "query_string": b""}, receive), good, place, b"{}"
    )
    with pytest.raises(ValueError):
        _head(Request(scope, receive), replace(good, key=key), place, b"{}")


def _certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that signs itself, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provider")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "provider.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return path, context


def test_tls_is_spoken_with_those_whose_certificate_is_good_alone(tmp_path):
    path, context = _certificate(tmp_path)
    server = Server(OK, OK)

    async def work(pool: Pool, place: Place) -> None:
        place = place._replace(is_tls=True)
        with pytest.raises(Unreached):
            await ask(pool, place)
        pool._context.load_verify_locations(path)
        assert [await ask(pool, place) for _ in range(2)] == [(200, b"hi")] * 2
        with pytest.raises(Unreached):
            await ask(pool, place._replace(host="localhost"))

    run(server, work, ssl=context)
    assert server.opened == 1
