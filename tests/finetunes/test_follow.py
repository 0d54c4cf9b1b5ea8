"""A job at the provider is followed to its end, whatever it calls its statuses."""

import pytest

from jobs import finetunes
from jobs.models import FineTune
from tests.machines import drive, step
from tests.provider_stub import Stub, refusal

pytestmark = pytest.mark.django_db
Step, Status = FineTune.Step, FineTune.Status
JOB = "GET /fine_tuning/jobs/ftjob-1"


@pytest.fixture
def launched(version, provider, stub: Stub) -> FineTune:
    """A fine-tune whose job the provider has accepted."""
    stub.statuses = ["queued", "running", "succeeded"]
    finetune = finetunes.launch(version, provider)
    while not finetune.provider_job_id:
        drive(finetune, steps=1)
    return finetune


def event(number: int, message: str, level: str = "info", **data: object) -> dict[str, object]:
    return {
        "id": f"ftevent-{number}", "object": "fine_tuning.job.event", "created_at": 1_700_000_000 + number // 2,
        "level": level, "message": message, "type": "metrics" if data else "message", "data": data or None,
    }  # fmt: skip


def test_the_providers_words_are_kept_and_unknown_ones_go_on(launched, stub: Stub):
    stub.statuses = ["queued", "pausing", "paused", "warming_the_oven", "running", "succeeded"]
    seen = [launched.provider_status]
    while not launched.is_finished:
        seen.append(step(launched).provider_status)
    assert seen == ["queued", "pausing", "paused", "warming_the_oven", "running", "succeeded"]
    assert launched.status == Status.SUCCEEDED


def test_events_are_stored_once_and_the_oldest_first(launched, stub: Stub):
    stub.statuses = ["running"]
    stub.events = [event(1, "Started"), event(2, "Step 1/4: training loss=2.10", step=1, total_steps=4)]
    step(launched)
    stub.events.append(event(3, "Step 2/4: training loss=1.50", step=2, total_steps=4))
    step(step(launched))
    reported = launched.events.filter(event_id__startswith="ftevent")
    assert list(reported.values_list("message", flat=True)) == [
        "Started", "Step 1/4: training loss=2.10", "Step 2/4: training loss=1.50",
    ]  # fmt: skip
    assert (launched.done_count, launched.total_count) == (2, 4)


def test_a_provider_without_events_is_followed_all_the_same(launched, stub: Stub):
    stub.refuse[f"{JOB}/events"] = [refusal(404)] * 9
    assert drive(launched).status == Status.SUCCEEDED


def test_a_failed_job_says_why_with_its_last_events(launched, stub: Stub):
    stub.statuses = ["running", "failed"]
    stub.error = {"code": "invalid_training_file", "message": "example 7, message 2: role missing"}
    stub.events = [event(1, "Reading"), event(2, "Example 7 looks odd", "warn")]
    drive(launched)
    assert (launched.status, launched.provider_status) == (Status.FAILED, "failed")
    assert "example 7, message 2: role missing" in launched.error
    assert "Example 7 looks odd" in launched.error
    assert "Reading" not in launched.error


def test_a_failed_job_with_an_empty_error_is_explained_by_its_events(launched, stub: Stub):
    stub.statuses, stub.events = ["failed"], [event(1, "Moderation found too much", "error")]
    assert "failed at the provider: Moderation found too much." in drive(launched).error


def test_success_without_a_model_is_waited_for_and_then_left_to_a_person(launched, stub: Stub):
    stub.statuses, stub.model = ["succeeded"], None
    drive(launched)
    assert (launched.step, launched.is_parked) == (Step.BLOCKED, True)
    assert "does not name the model" in launched.error
    stub.model = "ft:late"
    finetunes.look_again(launched)
    launched.refresh_from_db()
    assert drive(launched).status == Status.SUCCEEDED
    assert launched.model_version.name == "ft:late"


def test_a_cancelled_job_is_said_to_be_so(launched, stub: Stub):
    stub.statuses = ["cancelled"]
    drive(launched)
    assert (launched.status, launched.error) == (
        Status.CANCELLED,
        "It was cancelled at the provider, not from here.",
    )


def test_a_provider_that_is_away_for_a_night_costs_nothing_but_time(launched, stub: Stub):
    stub.refuse[JOB] = [refusal(503, kind="server_error")] * 30
    for _ in range(30):
        step(launched)
        assert launched.status == Status.RUNNING
        assert launched.next_attempt_at
    assert "error of its own (503)" in launched.error
    assert drive(launched).status == Status.SUCCEEDED
    assert launched.error == ""


def test_a_refused_key_blocks_until_a_person_has_mended_it(launched, stub: Stub):
    stub.refuse[JOB] = [refusal(401, "invalid_api_key", "Incorrect key sk-canary-4711")]
    drive(launched)
    assert (launched.step, launched.is_parked) == (Step.BLOCKED, True)
    assert "does not accept the key" in launched.error
    assert "canary" not in launched.error
    finetunes.look_again(launched)
    launched.refresh_from_db()
    assert drive(launched).status == Status.SUCCEEDED
    assert stub.create_count == 1


def test_a_key_sealed_with_another_sealing_key_blocks_too(launched, stub: Stub, settings):
    settings.SEALING_KEY = "A" * 43 + "="
    drive(launched)
    assert launched.step == Step.BLOCKED
    assert "sealed with another CURATION_SEALING_KEY" in launched.error


def test_a_job_the_provider_forgot_is_left_to_a_person(launched, stub: Stub):
    stub.jobs.clear()
    drive(launched)
    assert launched.step == Step.BLOCKED
    finetunes.give_up(launched, None)
    launched.refresh_from_db()
    assert launched.status == Status.FAILED


def test_a_page_of_html_is_no_answer(launched, stub: Stub):
    stub.refuse[JOB] = [(200, {"html": "<h1>Welcome</h1>"})]
    step(launched)
    assert launched.status == Status.RUNNING


def test_two_fine_tunes_are_never_said_to_have_made_one_model(launched, stub: Stub, version, provider):
    drive(launched)
    second = drive(finetunes.launch(version, provider))
    assert second.step == Step.BLOCKED
    assert "which another fine-tune made before" in second.error
