"""Something that runs dies; the supervisor starts it again and the rest goes on."""

import signal
from urllib.parse import urlsplit

import psycopg
import redis
from celery import Celery

from .conftest import until


def test_a_killed_worker_comes_back_after_a_pause(supervisor):
    supervisor.start()
    supervisor.kill("worker")

    assert "worker ended with signal SIGKILL; starting it again in 2 s" in supervisor.log()
    assert supervisor.end() == 0


def test_killed_postgres_comes_back_with_its_data(supervisor, database):
    supervisor.start()
    with database() as connection:
        connection.execute("INSERT INTO note VALUES ('kept')")
    supervisor.kill("postgres")

    def notes():
        try:
            with database() as connection:
                return connection.execute("SELECT text FROM note").fetchall()
        except psycopg.OperationalError:
            return None

    assert until(notes) == [("kept",)]
    assert supervisor.end() == 0


def test_a_celery_task_outlives_a_restart_of_valkey(supervisor, tmp_path):
    supervisor.start(STANDIN_WORKER="celery")
    # Its socket lies in the data folder, or elsewhere where that folder's path is too long for one.
    broker = supervisor.state()["environment"]["REDIS_URL"]
    client = Celery(broker=f"redis+socket://{urlsplit(broker).path}?virtual_host=0")
    client.conf.task_ignore_result = True
    work = "tests.supervisor.standin_celery.work"
    client.send_task(work, [str(tmp_path), 4])
    until((tmp_path / "begun").exists)

    supervisor.kill("valkey")
    until((tmp_path / "done").exists)
    # The task may end before Valkey is back: only an answering broker can take the next one.
    until(lambda: answers(broker))
    # The worker still takes work, whether it lived on or was started again.
    (tmp_path / "done").unlink()
    client.send_task(work, [str(tmp_path), 0])
    until((tmp_path / "done").exists)
    assert supervisor.end(signal.SIGTERM) == 0


def answers(broker) -> bool:
    try:
        return redis.from_url(broker).ping()
    except redis.exceptions.RedisError:
        return False
