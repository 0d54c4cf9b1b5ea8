"""A worker killed while it writes leaves no half file under a final name, and another one writes the same bytes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from curation.datasets import freeze
from jobs import exports, manifest, tasks
from jobs.models import Export
from tests.machines import environment, make_due

pytestmark = pytest.mark.django_db(transaction=True)
# Longer than a pipe holds and the writer keeps back, so that a reader who stops reading stops the writer.
LONG = "An answer that goes on. " * 2_000


@contextmanager
def worker(media: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker and its children; they are killed together."""
    words = ["-m", "celery", "-A", "jobs.celery", "worker", "--concurrency", "1", "--loglevel", "WARNING"]
    process = subprocess.Popen([sys.executable, *words], env=environment(media), start_new_session=True)
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def wait_for(what: str, look: Callable[[], bool]) -> None:
    end = time.monotonic() + 90
    while not look():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.1)


@pytest.fixture
def export(project, include, media) -> Export:
    """A file of half a megabyte that nobody has begun to write."""
    for number in range(12):
        include(f"Question {number}?", f"{LONG} {number}")
    tasks.app.control.purge()
    return exports.request_export(freeze(project).version, "train")


@contextmanager
def stopped_at(path: Path, media: Path, export: Export) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that writes the export and cannot go on at `path`, which is a pipe. It is killed there at last."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    with worker(media) as process:
        tasks.advance.delay("export", export.pk)
        yield process


def visible(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))


def finish(media: Path, export: Export) -> None:
    """Another worker takes it up once the dead one's lease has run out."""
    export.refresh_from_db()
    assert not export.is_finished
    make_due(export)
    with worker(media):
        tasks.advance.delay("export", export.pk)
        wait_for("the file", lambda: Export.objects.get(pk=export.pk).is_finished)
    export.refresh_from_db()
    assert (export.status, export.attempts) == (Export.Status.SUCCEEDED, 2), export.error


def undisturbed(export: Export) -> tuple[bytes, bytes]:
    """The same file and its manifest, written in one go."""
    exports.remove(export)
    export = exports.request_export(export.version, export.split)
    exports.run(export.pk)
    return contents(export)


def contents(export: Export) -> tuple[bytes, bytes]:
    path = exports.path_of(export)
    return path.read_bytes(), path.with_name(manifest.name_of(path.name)).read_bytes()


def test_killed_in_the_middle_of_the_file(media, export):
    path = exports.path_of(export)
    written = path.with_name(f".{path.name}.{export.pk}-1")
    with stopped_at(written, media, export) as process, written.open("rb", buffering=0) as pipe:
        assert pipe.read(1) == b"{"
        kill(process)  # before the pipe is closed, which would be an error that a worker can tell
    assert visible(path.parent) == []

    finish(media, export)
    assert sorted(os.listdir(path.parent)) == [path.name, manifest.name_of(path.name)]
    assert exports.check_file(export)
    found = contents(export)
    assert found[0].count(b"\n") == 12
    assert found == undisturbed(export)


def test_killed_between_the_file_and_its_manifest(media, export):
    path = exports.path_of(export)
    written, beside = path.with_name(f".{path.name}.{export.pk}-1"), manifest.name_of(path.name)
    with stopped_at(path.with_name(f".{beside}.{export.pk}-1"), media, export):
        wait_for("the whole file", lambda: written.exists() and written.read_bytes().count(b"\n") == 12)
    assert visible(path.parent) == []

    finish(media, export)
    assert sorted(os.listdir(path.parent)) == [path.name, beside]
    assert contents(export) == undisturbed(export)
