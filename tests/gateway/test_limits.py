"""What is large or slow elsewhere does not make the gateway large or slow."""

import http.client
import json
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import openai
import pytest
from django.db import transaction

from curation.models import ApiKey, Exchange

from .conftest import Wired, wire
from .servers import Server, eventually, running_web
from .stub import Stub

ROOM = 48 << 20  # bytes: the copy kept for the log, a body at its limit, and some air
CHAT = {"model": "support", "messages": [{"role": "user", "content": "Hi"}]}


def most_memory(server: Server) -> int:
    """The most the process ever had, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def exchange_bytes(wired: Wired, body: bytes, stub_mode: str) -> tuple[int, int]:
    """Send, and read the answer without keeping it; returns its status and length."""
    address = urlsplit(wired.url)
    headers = {"authorization": f"Bearer {wired.key}", "content-type": "application/json", "x-stub": stub_mode}
    with closing(http.client.HTTPConnection(address.netloc, timeout=60)) as connection:
        connection.request("POST", address.path + "/chat/completions", body, headers)
        response = connection.getresponse()
        length = 0
        while data := response.read(1 << 20):
            length += len(data)
        return response.status, length


def test_memory_stays_flat_under_answers_and_requests_without_measure(committed_db: None, stub: Stub, own_home: Path):
    with running_web(own_home) as server:
        wired = wire(stub, server)
        exchange_bytes(wired, json.dumps(CHAT).encode(), "ok")
        before = most_memory(server)
        status, length = exchange_bytes(wired, json.dumps(CHAT).encode(), "large 200")
        assert (status, length > 200 << 20) == (200, True)
        assert exchange_bytes(wired, b" " * (100 << 20), "ok")[0] == 413
        assert most_memory(server) - before < ROOM
        kept = sum(path.stat().st_size for path in server.spool.glob("*.segment"))
        assert kept < 20 << 20


def test_a_row_that_somebody_holds_delays_the_log_and_not_the_caller(wired: Wired, ask):
    client = wired.client()
    ask(client, "Held?")
    wired.calls(1)
    with transaction.atomic():
        Exchange.objects.select_for_update().get(project=wired.project)
        assert ask(client, "held?").choices
        assert ask(client, "Another?").choices
        assert len(wired.calls(1)) == 1
    wired.calls(3)
    eventually(lambda: wired.exchanges.filter(user_prompt="Held?", seen_count=2).exists())


def test_a_key_takes_no_longer_request_than_it_was_made_for(wired: Wired, ask):
    ApiKey.objects.filter(project=wired.project).update(body_kilobytes=2)
    client = wired.client()
    assert ask(client, "Short.")

    def refusal() -> openai.APIStatusError | None:
        try:
            ask(client, "long " * 1000)
        except openai.APIStatusError as error:
            return error
        return None

    # The gateway waits a tenth of a second for what has changed, and a database under the whole suite may take longer.
    refused = eventually(refusal)
    assert (refused.status_code, refused.code) == (413, "request_too_large")


def test_the_same_call_twice_at_once_is_made_once(wired: Wired, stub: Stub):
    """A client that lost patience asks again under the same key while the first answer is still on its way."""
    address = urlsplit(wired.url)
    headers = {"authorization": f"Bearer {wired.key}", "content-type": "application/json", "idempotency-key": "order 7"}

    def sent(mode: str) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(address.netloc, timeout=60)
        connection.request("POST", address.path + "/chat/completions", json.dumps(CHAT), headers | {"x-stub": mode})
        return connection

    def status(mode: str) -> int:
        with closing(sent(mode)) as connection:
            return connection.getresponse().status

    with closing(sent("never")):
        eventually(lambda: stub.seen)
        assert [status("ok") for _ in range(5)] == [409] * 5
    assert eventually(lambda: status("ok") == 200)
    assert len(stub.seen) == 2


@pytest.mark.parametrize("announced", [True, False])
def test_a_page_does_not_take_what_it_could_not_use(shared_gateway: Server, announced: bool):
    address = urlsplit(shared_gateway.url)
    with closing(http.client.HTTPConnection(address.netloc, timeout=60)) as connection:
        size = 20 << 20
        body = (b"x" * (1 << 20) for _ in range(size >> 20))
        headers = {"content-type": "application/x-www-form-urlencoded"}
        with suppress(ConnectionError):  # the answer may come before all was sent
            connection.request(
                "POST",
                "/accounts/login/",
                body=body,
                headers=headers | ({"content-length": str(size)} if announced else {}),
                encode_chunked=not announced,
            )
        assert connection.getresponse().status == 413
