"""What people ask of a fine-tune: launch, cancel."""

import pytest

from curation.datasets import freeze
from jobs import finetunes
from jobs.models import Export, FineTune
from tests.machines import drive, step
from tests.provider_stub import Stub

pytestmark = pytest.mark.django_db
Step, Status = FineTune.Step, FineTune.Status


def test_too_few_examples_are_refused_before_anything_is_sent(project, provider, include, stub: Stub):
    for number in range(9):
        include(f"Question {number}?", "Yes.")
    with pytest.raises(finetunes.NotPossible, match="has 9 training examples; providers want at least 10"):
        finetunes.launch(freeze(project).version, provider)
    assert stub.seen == []


def test_two_people_who_launch_the_same_get_one(version, provider):
    assert finetunes.launch(version, provider) == finetunes.launch(version, provider)
    assert FineTune.objects.count() == 1


def test_a_finished_one_may_be_launched_again(version, provider, stub: Stub):
    first = drive(finetunes.launch(version, provider))
    assert finetunes.launch(version, provider) != first


def test_the_file_is_named_after_the_launch_and_its_content(version, provider, stub: Stub):
    finetune = drive(finetunes.launch(version, provider))
    export = Export.objects.get(split="train")
    assert stub.files["file-1"]["filename"] == f"{finetune.launch_id}-{export.sha256[:12]}.jsonl"
    assert b'"content":"Answer 0."' in stub.files["file-1"]["content"]
    assert b"Answer 3." not in stub.files["file-1"]["content"]  # held out
    body = next(body for method, path, body in stub.seen if (method, path) == ("POST", "/fine_tuning/jobs"))
    assert body == {
        "model": "base",
        "training_file": "file-1",
        "metadata": {"launch_id": str(finetune.launch_id)},
        "suffix": "support-v1",
    }


def test_wishes_are_passed_on(version, provider, stub: Stub):
    drive(finetunes.launch(version, provider, "other-base", suffix="x", seed=7, hyperparameters={"n_epochs": 2}))
    body = next(body for method, path, body in stub.seen if (method, path) == ("POST", "/fine_tuning/jobs"))
    assert (body["model"], body["seed"], body["suffix"]) == ("other-base", 7, "x")
    assert body["method"] == {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}}


def test_an_altered_file_is_not_sent(version, provider, stub: Stub, media):
    finetune = finetunes.launch(version, provider)
    step(Export.objects.get())
    path = next(media.rglob("train.openai-chat.jsonl"))
    path.write_bytes(path.read_bytes().replace(b"Answer 0.", b"Answer X."))
    drive(finetune)
    assert finetune.status == Status.FAILED
    assert "was changed after it was written" in finetune.error
    assert stub.create_count == 0
    assert drive(finetunes.launch(version, provider)).status == Status.SUCCEEDED
    assert b"Answer 0." in path.read_bytes()


@pytest.mark.parametrize("at", [Step.INTENT, Step.UPLOADING, Step.UPLOADED])
def test_cancelled_before_the_launch_nothing_is_made(version, provider, stub: Stub, at):
    finetune = finetunes.launch(version, provider)
    export = step(Export.objects.get())
    FineTune.objects.update(step=at, export=export, provider_file_id="file-1")
    finetunes.request_cancel(finetune)
    assert drive(finetune).status == Status.CANCELLED
    assert stub.create_count == 0


@pytest.mark.parametrize("status", ["queued", "running", "paused"])
def test_cancelled_while_it_trains_it_is_cancelled_at_the_provider(version, provider, stub: Stub, status):
    stub.statuses = [status]
    finetune = finetunes.launch(version, provider)
    while finetune.provider_status != status:
        drive(finetune, steps=1)
    finetunes.request_cancel(finetune)
    assert drive(finetune).status == Status.CANCELLED
    assert stub.jobs["ftjob-1"]["status"] == "cancelled"
    assert not finetunes.request_cancel(finetune)


def test_a_cancel_that_comes_too_late_leaves_the_model(version, provider, stub: Stub):
    finetune = finetunes.launch(version, provider)
    while finetune.provider_status != "running":
        drive(finetune, steps=1)
    stub.jobs["ftjob-1"]["status"] = "succeeded"
    finetunes.request_cancel(finetune)
    assert drive(finetune).status == Status.SUCCEEDED
    assert finetune.cancel_requested_at


def test_cancelled_while_the_outcome_is_unclear_a_found_job_is_cancelled(version, provider, stub: Stub):
    stub.create_as, stub.listings_blind = "made, then dropped", 3
    finetune = finetunes.launch(version, provider)
    while finetune.step != Step.UNKNOWN:
        drive(finetune, steps=1)
    finetunes.request_cancel(finetune)
    assert drive(finetune).status == Status.CANCELLED
    assert stub.jobs["ftjob-1"]["status"] == "cancelled"
    assert stub.create_count == 1


def test_cancelled_while_blocked_it_ends(version, provider, stub: Stub):
    stub.create_as = "dropped"
    finetune = drive(finetunes.launch(version, provider))
    assert finetune.step == Step.BLOCKED
    finetunes.request_cancel(finetune)
    assert drive(step(finetune)).status == Status.CANCELLED


def test_a_provider_that_cannot_be_reached_is_tried_again_and_then_given_up(version, provider):
    provider.base_url = "http://127.0.0.1:9/v1"
    provider.save()
    finetune = drive(finetunes.launch(version, provider))
    assert finetune.status == Status.FAILED
    assert "cannot be reached" in finetune.error
