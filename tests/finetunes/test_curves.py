"""The course of a training as the provider tells it: points of the loss curve, checkpoints, the guess of its end."""

import base64

import pytest

from jobs import finetunes
from jobs.models import FineTune, FineTuneMetric
from jobs.providers import results
from tests.finetunes.test_follow import event
from tests.machines import drive, step
from tests.provider_stub import Stub

TABLE = b"""step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy,a_new_column
1,2.5,0.25,2.75,0.125,x
2,1.5,0.5,,,x
3,nan,inf,1.25,0.75,
"""


@pytest.mark.parametrize("raw", [TABLE, b"\xef\xbb\xbf" + TABLE, base64.b64encode(TABLE), base64.encodebytes(TABLE)])
def test_a_result_file_is_read_by_its_names(raw):
    assert results.read_results(raw) == {
        1: {"train_loss": 2.5, "train_accuracy": 0.25, "valid_loss": 2.75, "valid_accuracy": 0.125},
        2: {"train_loss": 1.5, "train_accuracy": 0.5},
        3: {"valid_loss": 1.25, "valid_accuracy": 0.75},
    }


@pytest.mark.parametrize(
    "raw", [b"", b"<html>no</html>", b"\0\0", b"a,b\n1,2\n", b"step,train_loss\n-1,2\nx,y\n", b"x" * 999_999]
)
def test_what_is_no_result_file_gives_no_points(raw):
    assert results.read_results(raw) == {}


def test_a_long_curve_is_thinned_and_keeps_what_was_measured():
    points = {number: {"train_loss": 1.0} for number in range(100_000)}
    points[77_777]["valid_loss"] = 2.0
    kept = results.thinned(points)
    assert len(kept) <= results.MOST_POINTS + 2
    assert {0, 77_777, 99_999} <= kept.keys()


@pytest.fixture
def launched(version, provider, stub: Stub) -> FineTune:
    stub.statuses, stub.results = ["running"], TABLE
    finetune = finetunes.launch(version, provider)
    while finetune.provider_status != "running":
        drive(finetune, steps=1)
    return finetune


@pytest.mark.django_db
def test_the_curve_grows_with_the_events_and_is_completed_by_the_result_file(launched, stub: Stub):
    stub.events = [event(1, "Step 1/3", step=1, total_steps=3, train_loss=2.5, full_valid_loss=9.0)]
    stub.jobs["ftjob-1"]["estimated_finish"] = 1_900_000_000
    step(launched)
    assert list(launched.metrics.values_list("step", "train_loss", "train_accuracy")) == [(1, 2.5, None)]
    assert launched.estimated_finish_at.year == 2030
    stub.statuses = ["succeeded"]
    assert drive(launched).status == FineTune.Status.SUCCEEDED
    assert launched.result_file_ids == ["file-results"]
    first = launched.metrics.first()
    assert (first.train_accuracy, first.valid_loss, first.full_valid_loss) == (0.25, 2.75, 9.0)
    assert list(launched.metrics.values_list("step", flat=True)) == [1, 2, 3]


@pytest.mark.django_db
def test_checkpoints_are_kept_once(launched, stub: Stub):
    made = {"object": "fine_tuning.job.checkpoint", "created_at": 1_700_000_000, "fine_tuning_job_id": "ftjob-1"}
    stub.checkpoints = [
        made | {"id": f"ftckpt_{at}", "step_number": at, "fine_tuned_model_checkpoint": f"ft:m:ckpt-step-{at}",
                "metrics": {"step": at, "valid_loss": 1.5}}
        for at in (2, 1)
    ]  # fmt: skip
    stub.events = [event(1, "Checkpoint created")]
    step(launched)
    stub.statuses = ["succeeded"]
    drive(launched)
    assert [(row.step, row.model, row.metrics["valid_loss"]) for row in launched.checkpoints.all()] == [
        (1, "ft:m:ckpt-step-1", 1.5), (2, "ft:m:ckpt-step-2", 1.5),
    ]  # fmt: skip


@pytest.mark.django_db
def test_a_result_file_that_cannot_be_read_costs_the_curve_and_not_the_model(launched, stub: Stub):
    stub.statuses, stub.results = ["succeeded"], b"<html>"
    assert drive(launched).status == FineTune.Status.SUCCEEDED
    assert launched.events.filter(level="warn", message__contains="no figures that are known here").exists()
    assert not FineTuneMetric.objects.exists()
