"""A queue for each kind of work; workers that serve all of them, or one."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from curation.datasets import freeze
from curation.models import DatasetVersion
from jobs import finetunes, tasks
from jobs.exports import request_export
from jobs.models import Export, FineTune
from jobs.queues import DEFAULT, OF_KIND, QUEUES, route
from tests.machines import environment, make_due, step
from tests.stack import wait_for

SERVED = {queue.name for queue in QUEUES}


@pytest.mark.parametrize("kind", tasks.KINDS)
def test_every_kind_goes_to_a_queue_that_is_served(kind):
    assert route("jobs.tasks.advance", (kind, 1))["queue"] in SERVED


def test_only_known_kinds_have_a_queue_and_the_rest_shares_one():
    assert set(OF_KIND) < set(tasks.KINDS)
    assert route("jobs.tasks.sweep", ()) == route("jobs.tasks.change_many_rows", (7,)) == {"queue": DEFAULT}


@contextmanager
def worker(media: Path, *words: str) -> Iterator[None]:
    command = ["-m", "celery", "-A", "jobs.celery", "worker", "--concurrency", "1", "--loglevel", "WARNING", *words]
    process = subprocess.Popen([sys.executable, *command], env=environment(media))
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.django_db(transaction=True)
def test_a_worker_for_training_leaves_files_to_others(project, media, include, provider, stub):
    def frozen(topic: str) -> DatasetVersion:
        for number in range(16):
            include(f"{topic} {number}?", f"Answer {number}.", "test" if number % 4 == 3 else "train")
        return freeze(project).version

    ready = finetunes.launch(frozen("Question"), provider)
    step(ready.export or Export.objects.get())
    export = request_export(frozen("Another"), "train")
    tasks.app.control.purge()

    def beat() -> None:
        for row in (ready, export):
            row.refresh_from_db()
            if not row.is_finished and row.lease_until is None:
                make_due(row)
        tasks.sweep()

    def trained() -> bool | None:
        beat()
        return True if FineTune.objects.get(pk=ready.pk).is_finished else None

    def written() -> bool | None:
        beat()
        return True if Export.objects.get(pk=export.pk).is_finished else None

    with worker(media, "-Q", "training"):
        wait_for("the model", trained)
    export.refresh_from_db()
    assert (export.status, export.attempts) == (Export.Status.PENDING, 0)
    with worker(media):
        wait_for("the file", written)
