"""A job belongs to one worker at a time, and to nobody for long when that worker dies."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.db.models.functions import Now

from jobs.models import Export

Status = Export.Status


@pytest.fixture
def job(version) -> Export:
    return Export.objects.create(version=version, split="train")


@pytest.fixture
def lease_passed() -> Callable[[Export], None]:
    """Let the lease of a job run out, by the database's clock."""
    return lambda job: Export.objects.filter(pk=job.pk).update(lease_until=Now() - timedelta(seconds=1))


@pytest.mark.django_db(transaction=True)
def test_of_twenty_workers_one_gets_the_job(job):
    together = Barrier(20)

    def take(_number: int) -> Export | None:
        try:
            together.wait(timeout=30)
            return Export.claim(job.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as workers:
        won = [taken for taken in workers.map(take, range(20)) if taken]
    job.refresh_from_db()
    assert len(won) == 1
    assert (job.status, job.attempts) == (Status.RUNNING, 1)
    assert job.started_at


@pytest.mark.django_db
def test_a_finished_job_is_never_taken_again(job):
    assert Export.claim(job.pk).settle(Status.SUCCEEDED, sha256="0" * 64)
    job.refresh_from_db()
    assert (job.status, job.sha256, job.lease_until) == (Status.SUCCEEDED, "0" * 64, None)
    assert job.is_finished
    assert job.finished_at
    assert Export.claim(job.pk) is None


@pytest.mark.django_db
def test_a_killed_workers_job_is_due_again_when_its_lease_has_passed(job, lease_passed):
    first = Export.claim(job.pk)
    assert not Export.objects.due().exists()
    lease_passed(job)
    assert Export.objects.due().get() == job
    second = Export.claim(job.pk)
    assert (second.attempts, second.started_at) == (2, first.started_at)


@pytest.mark.django_db
def test_a_worker_that_lost_its_lease_writes_nothing_however_often_it_tries(job, lease_passed):
    stale = Export.claim(job.pk)
    lease_passed(job)
    assert Export.claim(job.pk)
    for _again in range(2):
        assert not stale.keep(done_count=7)
        assert not stale.wait(0, done_count=7)
        assert not stale.settle(Status.FAILED, "The disk is full.")
    job.refresh_from_db()
    assert (job.status, job.error, job.done_count, job.attempts) == (Status.RUNNING, "", 0, 2)
    assert job.lease_until


@pytest.mark.django_db
def test_progress_extends_the_lease(job, lease_passed):
    mine = Export.claim(job.pk)
    lease_passed(job)
    assert mine.keep(done_count=3)
    assert mine.done_count == 3
    assert Export.claim(job.pk) is None


@pytest.mark.django_db
def test_a_job_put_down_is_due_after_its_time(job):
    assert Export.claim(job.pk).wait(60)
    assert Export.claim(job.pk) is None
    Export.objects.update(next_attempt_at=Now())
    assert Export.claim(job.pk).attempts == 2
