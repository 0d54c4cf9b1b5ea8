"""A training job costs money: whatever breaks, the provider sees one POST for each launch."""

import pytest

from curation.models import DatasetVersion, Provider
from jobs import finetunes
from jobs.models import FineTune, ModelVersion
from tests.machines import drive, step
from tests.provider_stub import Stub, refusal

pytestmark = pytest.mark.django_db
Step, Status = FineTune.Step, FineTune.Status


@pytest.fixture
def launched(version: DatasetVersion, provider: Provider) -> FineTune:
    return finetunes.launch(version, provider)


def until(finetune: FineTune, *reached: str) -> FineTune:
    """Let workers go on until the fine-tune is at one of these steps."""
    for _ in range(20):
        if finetune.step in reached:
            return finetune
        drive(finetune, steps=1)
    raise AssertionError(f"at {finetune.step}, not at {reached}: {finetune.error}")


def test_a_quiet_day(launched, stub: Stub):
    assert drive(launched).status == Status.SUCCEEDED
    assert (stub.create_count, stub.count("POST /files")) == (1, 1)
    assert launched.provider_job_id == "ftjob-1"
    assert launched.trained_tokens == 4321
    model = ModelVersion.objects.get()
    assert (model.name, str(model.retires_on)) == ("ft:base:test:support:1", "2031-05-06")
    assert model.evaluations.count() == 1


@pytest.mark.parametrize("mode", ["made, then 500", "made, then half", "made, then dropped"])
@pytest.mark.parametrize("filters", [True, False])
def test_the_answer_is_lost_and_the_job_adopted(launched, stub: Stub, mode, filters):
    stub.create_as, stub.filters = mode, filters
    stub.made_job({"model": "base", "training_file": "file-of-others", "metadata": {"launch_id": "another"}})
    until(launched, Step.UNKNOWN)
    assert drive(launched).status == Status.SUCCEEDED
    assert launched.provider_job_id == "ftjob-2"
    assert stub.create_count == 1


def test_a_provider_without_metadata_is_asked_for_the_training_file(launched, stub: Stub):
    stub.create_as, stub.keeps_metadata = "made, then dropped", False
    stub.made_job({"model": "base", "training_file": "file-of-others"})
    assert drive(launched).status == Status.SUCCEEDED
    assert launched.provider_job_id == "ftjob-2"
    assert stub.create_count == 1


def test_a_listing_that_lags_is_looked_at_again(launched, stub: Stub):
    stub.create_as, stub.listings_blind = "made, then dropped", 4
    assert drive(launched).status == Status.SUCCEEDED
    assert stub.create_count == 1


@pytest.mark.parametrize(
    "mode", ["dropped", refusal(429, message="too many"), refusal(500, kind="server_error"), refusal(409)]
)
def test_nothing_is_found_and_a_person_must_look(launched, stub: Stub, mode):
    stub.create_as = mode
    drive(launched)
    assert (launched.step, launched.status, launched.is_parked) == (Step.BLOCKED, Status.RUNNING, True)
    assert "still lists no job of this launch" in launched.error
    assert "launch anew or give up" in launched.error
    step(launched)
    assert stub.create_count == 1


def test_a_person_who_saw_that_there_is_no_job_launches_anew(launched, stub: Stub, person):
    stub.create_as = "dropped"
    drive(launched)
    stub.create_as = "ok"
    new = finetunes.relaunch(launched, person("olga"))
    assert drive(new).status == Status.SUCCEEDED
    launched.refresh_from_db()
    assert launched.status == Status.FAILED
    assert "Given up by olga" in launched.error
    assert new.launch_id != launched.launch_id
    assert stub.create_count == 2
    with pytest.raises(finetunes.NotPossible):
        finetunes.relaunch(launched, None)


def test_a_job_that_shows_after_the_last_look_is_found_when_a_person_looks_again(launched, stub: Stub):
    stub.create_as, stub.listings_blind = "made, then dropped", 99
    drive(launched)
    assert launched.step == Step.BLOCKED
    stub.listings_blind = 0
    finetunes.look_again(launched)
    launched.refresh_from_db()
    assert drive(launched).status == Status.SUCCEEDED
    assert stub.create_count == 1


def test_of_two_jobs_of_one_launch_the_later_is_cancelled(launched, stub: Stub):
    stub.create_as = "made, then dropped"
    stub.on_create = lambda: stub.made_job(stub.seen[-1][2])
    assert drive(launched).status == Status.SUCCEEDED
    assert launched.provider_job_id == "ftjob-1"
    assert stub.jobs["ftjob-2"]["status"] == "cancelled"
    assert launched.events.filter(level="error", message__contains="second job").exists()
    assert stub.create_count == 1


def test_a_refusal_that_is_final_is_said_in_words(launched, stub: Stub):
    stub.create_as = refusal(403, "training_not_available", "We are winding down.")
    drive(launched)
    assert launched.status == Status.FAILED
    assert "no longer lets your organisation create fine-tuning jobs" in launched.error
    assert "Launch the same dataset version at another provider" in launched.error
    assert stub.create_count == 1


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (refusal(401, "invalid_api_key", "Incorrect key sk-canary-4711"), "does not accept the key"),
        (refusal(400, "model_not_found", "The model `base` does not exist"), "does not know this model"),
        (refusal(429, "insufficient_quota", "You exceeded"), "quota is used up"),
        (refusal(413, message="Request too large"), "takes no call this large (413)"),
        (refusal(400, "moderation_blocked", "The file was blocked"), "Look through the rows it may mean"),
        (refusal(400, "invalid_training_file", "It violates our usage policies"), "Look through the rows it may mean"),
        (refusal(400, "", "This model is not available for fine-tuning"), "not available for fine-tuning"),
        (refusal(403, "", "Ask the owner for access to moderation"), "does not allow this with the key"),
        (refusal(404, "", "No such file"), "does not know what was asked for"),
        ((307, {"error": {}, "headers": {"location": "http://elsewhere.test/"}}), "redirects to another address"),
    ],
)
def test_each_refusal_says_what_to_do(launched, stub: Stub, refused, words):
    stub.create_as = refused
    drive(launched)
    assert words in launched.error
    assert "sk-canary" not in launched.error + "".join(launched.events.values_list("message", flat=True))
    assert stub.create_count == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_refusal_stays_one_whatever_its_message_speaks_of(launched, stub: Stub, status):
    stub.refuse["POST /files"] = [refusal(status, "", "Our moderation of this model is still processing")]
    assert drive(launched).status == Status.SUCCEEDED
    assert (stub.create_count, stub.count("POST /files")) == (1, 2)


def test_a_file_that_is_still_processed_is_waited_for_before_the_post(launched, stub: Stub):
    stub.file_looks_until_ready = 3
    assert drive(launched).status == Status.SUCCEEDED
    assert stub.create_count == 1


def test_still_processing_is_the_one_refusal_that_is_asked_again(launched, stub: Stub):
    stub.refuse["POST /fine_tuning/jobs"] = [refusal(400, "", "File 'file-1' is still being processed.")] * 2
    assert drive(launched).status == Status.SUCCEEDED
    assert stub.create_count == 3
    assert len(stub.jobs) == 1
