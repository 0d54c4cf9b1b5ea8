"""Other brokers than one Redis: what the settings make of their addresses; a Redis whose sentinels choose another."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from celery import Celery
from django.core.exceptions import ImproperlyConfigured
from kombu.exceptions import OperationalError

from curation.datasets import freeze
from curation.settings import _broker_options
from curation.supervisor import valkey
from jobs.exports import request_export
from jobs.models import Export
from tests.machines import environment, make_due
from tests.stack import free_port, wait_for


def test_what_only_redis_understands_is_said_to_redis_alone(monkeypatch):
    assert _broker_options("amqps://user:secret@rabbit.example.org/curation") == {}
    assert "visibility_timeout" in _broker_options("rediss://redis.example.org/0")
    monkeypatch.delenv("CURATION_SENTINEL_MASTER", raising=False)
    with pytest.raises(ImproperlyConfigured, match="CURATION_SENTINEL_MASTER is not set"):
        _broker_options("sentinel://one.example.org:26379")
    monkeypatch.setenv("CURATION_SENTINEL_MASTER", "queue")
    assert _broker_options("sentinel://one.example.org:26379")["master_name"] == "queue"


class Watched:
    """A Valkey, a copy of it, and a sentinel that makes the copy the first when the first is gone."""

    def __init__(self, folder: Path) -> None:
        self.first, self.second, self.sentinel = free_port(), free_port(), free_port()
        self.url = f"sentinel://127.0.0.1:{self.sentinel}"
        settings = folder / "sentinel.conf"
        settings.write_text(
            f"port {self.sentinel}\nsentinel monitor queue 127.0.0.1 {self.first} 1\n"
            "sentinel down-after-milliseconds queue 1000\nsentinel failover-timeout queue 5000\n"
        )
        plain = ["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0", "--dir", str(folder)]
        self.processes = [
            self._start("--port", str(self.first), *plain),
            self._start("--port", str(self.second), "--replicaof", "127.0.0.1", str(self.first), *plain),
        ]
        wait_for("the copy", lambda: True if self._role(self.second) == "slave" else None)
        self.processes.append(self._start(str(settings), "--sentinel"))
        wait_for("the sentinel's view", lambda: True if self._knows_the_copy() else None)

    def lose_the_first(self) -> None:
        self.processes[0].kill()
        wait_for("the copy to be the first", lambda: True if self._role(self.second) == "master" else None)

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([str(valkey._binary()), *words], stdout=subprocess.DEVNULL)

    def _role(self, port: int) -> str:
        try:
            with redis.Redis(port=port, decode_responses=True) as client:
                found = client.info("replication")
        except redis.ConnectionError:
            return ""
        is_copying = found["role"] == "slave" and found["master_link_status"] != "up"
        return "" if is_copying else str(found["role"])

    def _knows_the_copy(self) -> bool:
        try:
            with redis.Redis(port=self.sentinel, decode_responses=True) as client:
                return bool(client.execute_command("SENTINEL", "REPLICAS", "queue"))
        except redis.RedisError:
            return False


@pytest.fixture
def watched(tmp_path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    yield watched
    watched.stop()


@pytest.mark.django_db(transaction=True)
def test_work_goes_on_when_sentinels_choose_another_redis(project, media, include, watched):
    for number in range(12):
        include(f"Question {number}?", f"Answer {number}.")
    version = freeze(project).version
    settings = {"CURATION_BROKER_URL": watched.url, "CURATION_SENTINEL_MASTER": "queue"}
    client = Celery(broker=watched.url)
    client.conf.update(task_ignore_result=True, broker_transport_options={"master_name": "queue"})

    def written(export: Export) -> bool | None:
        """Messages as beat sends them, until a worker has taken one."""
        export.refresh_from_db()
        if export.lease_until is None and not export.is_finished:
            make_due(export)
            with suppress(OperationalError):  # while the sentinels choose
                client.send_task("jobs.tasks.advance", ("export", export.pk), queue="files", expires=10)
        return True if export.is_finished else None

    words = ["-m", "celery", "-A", "jobs.celery", "worker", "--concurrency", "1", "--loglevel", "WARNING"]
    process = subprocess.Popen([sys.executable, *words], env=environment(media, **settings))
    try:
        before = request_export(version, "train", "csv")
        wait_for("a file before", lambda: written(before))
        watched.lose_the_first()
        after = request_export(version, "train", "openai-chat")
        wait_for("a file after", lambda: written(after))
    finally:
        process.terminate()
        process.wait(60)
    assert {before.status, after.status} == {Export.Status.SUCCEEDED}
