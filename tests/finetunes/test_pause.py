"""A person pauses a training and lets it go on; a provider that cannot says so."""

import pytest

from jobs import finetunes
from jobs.models import FineTune
from tests.machines import drive, step
from tests.provider_stub import Stub, refusal

pytestmark = pytest.mark.django_db
JOB = "/fine_tuning/jobs/ftjob-1"


@pytest.fixture
def running(version, provider, stub: Stub) -> FineTune:
    stub.statuses = ["running"]
    finetune = finetunes.launch(version, provider)
    while finetune.provider_status != "running":
        drive(finetune, steps=1)
    return finetune


def test_paused_and_resumed_it_comes_to_its_end(running, stub: Stub):
    assert (running.can_pause, running.can_resume) == (True, False)
    assert finetunes.request_pause(running)
    step(running)
    assert (running.provider_status, running.status, running.wish) == ("paused", FineTune.Status.RUNNING, "")
    assert not finetunes.request_pause(running)
    step(running)
    assert finetunes.request_resume(running)
    assert drive(running).status == FineTune.Status.SUCCEEDED
    assert (stub.count(f"POST {JOB}/pause"), stub.count(f"POST {JOB}/resume"), stub.create_count) == (1, 1, 1)


def test_a_provider_that_cannot_pause_says_so_and_goes_on(running, stub: Stub):
    stub.can_pause = False
    finetunes.request_pause(running)
    step(running)
    assert (running.provider_status, running.wish) == ("running", "")
    assert running.events.filter(level="warn", message__contains="This job cannot be paused").exists()
    stub.statuses = ["running", "succeeded"]
    assert drive(running).status == FineTune.Status.SUCCEEDED


def test_a_wish_outlives_a_provider_that_is_away(running, stub: Stub):
    stub.refuse[f"POST {JOB}/pause"] = [refusal(503, kind="server_error")]
    finetunes.request_pause(running)
    assert step(running).wish == "pause"
    assert step(running).provider_status == "paused"


def test_what_is_over_or_not_begun_cannot_be_paused(version, provider, stub: Stub):
    finetune = finetunes.launch(version, provider)
    assert not finetunes.request_pause(finetune)
    assert drive(finetune).status == FineTune.Status.SUCCEEDED
    assert not finetunes.request_pause(finetune)
    assert not finetunes.request_resume(finetune)


def test_a_paused_one_can_be_cancelled(running, stub: Stub):
    finetunes.request_pause(running)
    step(running)
    finetunes.request_cancel(running)
    assert drive(running).status == FineTune.Status.CANCELLED
