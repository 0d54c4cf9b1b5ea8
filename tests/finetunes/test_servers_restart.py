"""Postgres or the broker goes away in the middle of a launch; the provider still sees one POST."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import psycopg
import pytest
from celery import Celery
from django.db import connection, connections

from curation.supervisor import valkey
from jobs import finetunes
from jobs.models import Export, FineTune
from jobs.queues import route
from jobs.tasks import KINDS
from tests.machines import drive, environment, forked, make_due, step
from tests.provider_stub import Stub
from tests.stack import free_port, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ready(version, provider) -> FineTune:
    """A fine-tune whose training file is written."""
    finetune = finetunes.launch(version, provider)
    step(Export.objects.get())
    return finetune


def drop_all_connections() -> None:
    """What everybody sees of a Postgres that is restarted."""
    parameters = connection.get_connection_params()
    wanted = {name: parameters[name] for name in ("host", "port", "dbname", "user", "password") if parameters.get(name)}
    with psycopg.connect(**wanted, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid != pg_backend_pid()"
        )


@pytest.mark.parametrize("request_", ["POST /files", "POST /fine_tuning/jobs", "GET /fine_tuning/jobs/ftjob-1"])
def test_postgres_drops_every_connection_while_the_provider_acts(ready, stub: Stub, request_):
    stub.hooks[request_] = drop_all_connections
    worker = forked(finetunes.advance, ready.pk)
    worker.join(60)
    assert worker.exitcode == 1, "the worker did not lose its connection"
    del stub.hooks[request_]
    connections.close_all()
    ready.refresh_from_db()
    assert drive(ready).status == FineTune.Status.SUCCEEDED
    assert (stub.create_count, stub.count("POST /files")) == (1, 1)


class Broker:
    """A Valkey of this test's own, which forgets everything when it is restarted."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        words = [str(valkey._binary()), "--port", str(self.port), "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        wait_for("the broker", self._answers)

    def restart(self) -> None:
        self.stop()
        self.start()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool | None:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return None
        return True


@pytest.fixture
def broker() -> Iterator[Broker]:
    running = Broker()
    yield running
    running.stop()


@pytest.fixture
def worker(media, broker) -> Iterator[None]:
    words = ["-m", "celery", "-A", "jobs.celery", "worker", "--concurrency", "2", "--loglevel", "WARNING"]
    process = subprocess.Popen([sys.executable, *words], env=environment(media, REDIS_URL=broker.url))
    yield
    process.terminate()
    process.wait(60)


def test_the_broker_forgets_everything_while_the_provider_acts_and_each_message_comes_twice(
    ready, stub: Stub, broker, worker
):
    stub.hooks["POST /fine_tuning/jobs"] = broker.restart
    client = Celery(broker=broker.url)
    client.conf.task_ignore_result = True

    def finished() -> bool | None:
        """Messages as beat sends them, each of them twice."""
        for kind, (model, _take) in KINDS.items():
            for row in model._default_manager.unfinished():
                if row.lease_until is None:
                    make_due(row)
                for _ in range(2):
                    client.send_task(
                        "jobs.tasks.advance",
                        (kind, row.pk),
                        queue=route("jobs.tasks.advance", (kind,))["queue"],
                        retry=True,
                    )
        time.sleep(0.3)
        ready.refresh_from_db()
        return True if ready.is_finished else None

    wait_for("the model", finished)
    assert ready.status == FineTune.Status.SUCCEEDED, ready.error
    assert (stub.create_count, stub.count("POST /files")) == (1, 1)
