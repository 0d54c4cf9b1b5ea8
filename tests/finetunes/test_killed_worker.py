"""A worker is killed in the middle of a launch; the next one goes on, and the provider sees one POST."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from jobs import exports, finetunes, manifest
from jobs.models import Export, FineTune
from tests.machines import drive, forked, make_due, step
from tests.provider_stub import Stub
from tests.stack import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
Step, Status = FineTune.Step, FineTune.Status


@pytest.fixture
def ready(version, provider) -> FineTune:
    """A fine-tune whose training file is written."""
    finetune = finetunes.launch(version, provider)
    step(Export.objects.get())
    return finetune


def kill_at(request: str, finetune: FineTune, stub: Stub) -> None:
    """Let another process work on it, and kill that process when the provider has acted on this request."""
    advancing = []
    stub.hooks[request] = lambda: advancing[0].kill()
    with stub.lock:  # the provider answers nothing until it knows whom to kill
        advancing.append(forked(finetunes.advance, finetune.pk))
    advancing[0].join(60)
    del stub.hooks[request]
    finetune.refresh_from_db()
    assert finetune.lease_until, "the process was not killed in the middle of it"


@pytest.mark.parametrize(
    ("request_", "at"),
    [
        ("GET /files", Step.UPLOADING),
        ("POST /files", Step.UPLOADING),
        ("GET /files/file-1", Step.UPLOADED),
        ("POST /fine_tuning/jobs", Step.CREATING),
        ("GET /fine_tuning/jobs/ftjob-1", Step.LAUNCHED),
    ],
)
def test_killed_after_the_provider_acted(ready, stub: Stub, request_, at):
    kill_at(request_, ready, stub)
    assert ready.step == at
    assert drive(ready).status == Status.SUCCEEDED
    assert (stub.create_count, stub.count("POST /files")) == (1, 1)
    assert ready.provider_job_id == "ftjob-1"


@pytest.mark.parametrize(
    "request_", ["POST /uploads", "POST /uploads/upload_1/parts", "POST /uploads/upload_1/complete"]
)
def test_killed_while_a_file_goes_in_parts(ready, stub: Stub, settings, request_):
    settings.UPLOAD_PART_BYTES = 500
    kill_at(request_, ready, stub)
    assert ready.step == Step.UPLOADING
    assert drive(ready).status == Status.SUCCEEDED
    assert (stub.create_count, len(stub.files)) == (1, 1)


def test_killed_while_the_provider_lost_the_request(ready, stub: Stub):
    stub.create_as = "dropped"
    kill_at("POST /fine_tuning/jobs", ready, stub)
    assert drive(ready).step == Step.BLOCKED
    assert stub.create_count == 1


def test_killed_while_the_training_file_is_written(version, provider, stub: Stub):
    """Between the file and its manifest, which is a pipe that nobody reads."""
    finetune = finetunes.launch(version, provider)
    step(finetune)
    export = Export.objects.get()
    path = exports.path_of(export)
    path.parent.mkdir(parents=True)
    os.mkfifo(path.with_name(f".{manifest.name_of(path.name)}.{export.pk}-1"))
    writer = forked(exports.run, export.pk)
    wait_for("the lines", lambda: any(path.parent.glob(f".{path.name}.{export.pk}-1")) or None)
    writer.kill()
    writer.join(60)
    step(export)
    assert (export.status, export.attempts) == (Export.Status.SUCCEEDED, 2)
    assert drive(finetune).status == Status.SUCCEEDED
    assert (stub.create_count, stub.count("POST /files")) == (1, 1)


@pytest.mark.parametrize("blind", [0, 1])
def test_killed_while_the_job_of_an_unclear_launch_is_looked_for(ready, stub: Stub, blind):
    stub.create_as, stub.listings_blind = "made, then dropped", blind
    assert step(ready).step == Step.UNKNOWN
    make_due(ready)
    kill_at("GET /fine_tuning/jobs", ready, stub)
    assert ready.step == Step.UNKNOWN
    assert drive(ready).status == Status.SUCCEEDED
    assert (stub.create_count, ready.provider_job_id) == (1, "ftjob-1")


def test_killed_while_the_results_are_read(ready, stub: Stub):
    stub.results, stub.statuses = b"step,train_loss\n1,2.5\n2,1.5\n", ["running"]
    while ready.provider_status != "running":
        step(ready)
    stub.statuses = ["succeeded"]
    make_due(ready)
    kill_at("GET /files/file-results/content", ready, stub)
    assert not ready.is_finished
    assert drive(ready).status == Status.SUCCEEDED
    assert list(ready.metrics.values_list("step", flat=True)) == [1, 2]
    assert (stub.create_count, stub.count("POST /files")) == (1, 1)


def test_thirty_messages_at_once(ready, stub: Stub):
    def advance(_number: int) -> None:
        try:
            finetunes.advance(ready.pk)
        finally:
            connection.close()

    for _ in range(3):
        make_due(ready)
        with ThreadPoolExecutor(30) as threads:
            list(threads.map(advance, range(30)))
    ready.refresh_from_db()
    assert ready.provider_job_id == "ftjob-1"
    assert (stub.create_count, stub.count("POST /files")) == (1, 1)


def test_ten_who_launch_at_once_get_one(version, provider):
    def launch(_number: int) -> int:
        try:
            return finetunes.launch(version, provider).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as threads:
        assert len(set(threads.map(launch, range(10)))) == 1
    assert FineTune.objects.count() == 1
