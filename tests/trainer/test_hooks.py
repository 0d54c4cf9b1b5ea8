"""The trainer says that a job has ended: signed, again when it was not taken, and also after it was killed."""

import json
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.trainer.conftest import Trainer
from tests.trainer.corpus import desk

KINDS: Any = ["fine_tuning.job.succeeded", "fine_tuning.job.failed", "fine_tuning.job.cancelled"]


class Receiver:
    """Takes messages, after refusing as many as told."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.seen.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.send_header("location", "/elsewhere")
                self.end_headers()

            def log_message(self, *words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook?x=1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_each_end_is_told_signed_and_until_it_is_taken(trainer: Trainer, receiver: Receiver) -> None:
    client = trainer.client_of("told")
    made = client.webhooks.create(name="ends", url=receiver.url, event_types=KINDS)
    receiver.answers = [500, 307]
    file = client.files.create(file=("a.jsonl", b"{}\n"), purpose="fine-tune").id
    job = client.fine_tuning.jobs.create(model="baseline", training_file=file).id
    trainer.until(lambda: len(receiver.seen), lambda count: count >= 3)
    assert len({headers["webhook-id"] for headers, _ in receiver.seen}) == 1
    for headers, body in receiver.seen:
        client.webhooks.verify_signature(body, headers, secret=made.signing_secret)
    event = json.loads(receiver.seen[-1][1])
    assert (event["type"], event["object"], event["data"]) == ("fine_tuning.job.failed", "event", {"id": job})
    headers, body = receiver.seen[-1]
    assert client.webhooks.unwrap(body, headers, secret=made.signing_secret).type == "fine_tuning.job.failed"


def test_a_killed_trainer_still_tells(own_trainer: Trainer, receiver: Receiver) -> None:
    client = own_trainer.client
    client.webhooks.create(name="ends", url=receiver.url, event_types=KINDS)
    receiver.answers = [503]
    job = client.fine_tuning.jobs.create(model="baseline", training_file=own_trainer.upload(desk(20))).id
    client.fine_tuning.jobs.cancel(job)
    own_trainer.until(lambda: len(receiver.seen), lambda count: count == 1)
    own_trainer.end(signal.SIGKILL)
    own_trainer.start()
    own_trainer.until(lambda: len(receiver.seen), lambda count: count == 2)
    assert json.loads(receiver.seen[1][1])["type"] == "fine_tuning.job.cancelled"
    assert receiver.seen[0][0]["webhook-id"] == receiver.seen[1][0]["webhook-id"]


def test_endpoints_are_listed_changed_and_removed_by_their_own_key(trainer: Trainer, receiver: Receiver) -> None:
    client: OpenAI = trainer.client_of("endpoints")
    made = client.webhooks.create(name="a", url=receiver.url, event_types=KINDS[:1])
    assert made.signing_secret.startswith("whsec_")
    assert [endpoint.id for endpoint in client.webhooks.list()] == [made.id]
    assert "signing_secret" not in client.webhooks.retrieve(made.id).to_dict()
    assert client.webhooks.rotate_secret(made.id).signing_secret != made.signing_secret
    with pytest.raises(NotFoundError):
        trainer.client.webhooks.retrieve(made.id)
    assert client.webhooks.delete(made.id).deleted
    assert list(client.webhooks.list()) == []
    for wrong in ({"url": "ftp://x/"}, {"url": "http://u:p@x/"}, {"event_types": []}, {"name": ""}):
        with pytest.raises(BadRequestError):
            client.webhooks.create(**{"name": "a", "url": receiver.url, "event_types": KINDS, **wrong})
