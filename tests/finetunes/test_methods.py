"""How a model is to be trained and what goes with a job: checked here, then passed on in the words of the protocol."""

import pytest

from curation.datasets import freeze
from curation.models import Project
from jobs import finetunes
from jobs.models import FineTune
from jobs.providers import methods
from tests.machines import drive
from tests.provider_stub import Stub

pytestmark = pytest.mark.django_db
GRADER = {
    "type": "string_check",
    "name": "same",
    "operation": "eq",
    "input": "{{sample.output_text}}",
    "reference": "x",
}


def asked(stub: Stub) -> dict:
    [body] = [body for method, path, body in stub.seen if (method, path) == ("POST", "/fine_tuning/jobs")]
    return body


def test_preferences_are_sent_as_dpo_with_their_own_file(project, include, provider, stub: Stub):
    for number in range(14):
        include(f"Question {number}?", f"Answer {number}.", target=f"Better {number}." if number < 12 else None)
    wishes = {"beta": 0.2, "n_epochs": 2}
    finetune = finetunes.launch(freeze(project).version, provider, method="dpo", hyperparameters=wishes)
    assert drive(finetune).status == FineTune.Status.SUCCEEDED
    assert asked(stub)["method"] == {"type": "dpo", "dpo": {"hyperparameters": wishes}}
    sent = stub.files["file-1"]["content"]
    assert sent.count(b"non_preferred_output") == 12
    assert stub.create_count == 1


def test_too_few_corrections_are_said_before_anything_is_sent(version, provider, stub: Stub):
    finetune = drive(finetunes.launch(version, provider, method="dpo"))
    assert finetune.status == FineTune.Status.FAILED
    assert "0 rows say something to this method" in finetune.error
    assert (stub.create_count, stub.count("POST /files")) == (0, 0)


def test_reinforcement_goes_with_its_grader_and_both_files(project, include, provider, stub: Stub):
    Project.objects.filter(pk=project.pk).update(validation_share=30)
    for number in range(40):
        include(f"Question {number}?", f"Answer {number}.")
    version = freeze(project).version
    finetune = finetunes.launch(
        version, provider, method="reinforcement", grader=GRADER, hyperparameters={"reasoning_effort": "low"},
        metadata={"team": "support"}, integrations=[{"type": "wandb", "wandb": {"project": "support"}}], seed=5,
    )  # fmt: skip
    assert drive(finetune).status == FineTune.Status.SUCCEEDED
    body = asked(stub)
    assert body["method"] == {
        "type": "reinforcement",
        "reinforcement": {"hyperparameters": {"reasoning_effort": "low"}, "grader": GRADER},
    }
    assert body["metadata"] == {"team": "support", "launch_id": str(finetune.launch_id)}
    assert body["integrations"] == [{"type": "wandb", "wandb": {"project": "support"}}]
    assert body["validation_file"] == finetune.provider_validation_file_id
    assert b"reference_answer" in stub.files["file-1"]["content"]


def test_reinforcement_without_a_validation_file_is_refused(version, provider):
    with pytest.raises(finetunes.NotPossible, match="needs a validation file"):
        finetunes.launch(version, provider, method="reinforcement", grader=GRADER)


@pytest.mark.parametrize(
    ("method", "figures", "words"),
    [
        ("supervised", {"n_epochs": 0}, "n_epochs is “auto” or a whole number from 1 to 50, not 0"),
        ("supervised", {"n_epochs": 51}, "from 1 to 50"),
        ("supervised", {"n_epochs": "3"}, "n_epochs is"),
        ("supervised", {"n_epochs": True}, "n_epochs is"),
        ("supervised", {"batch_size": 257}, "from 1 to 256"),
        ("supervised", {"learning_rate_multiplier": 0}, "a number above 0, not 0"),
        ("supervised", {"learning_rate_multiplier": float("nan")}, "a number above 0"),
        ("supervised", {"beta": 0.1}, "supervised takes no beta"),
        ("dpo", {"beta": 2.1}, "above 0, at most 2"),
        ("reinforcement", {"compute_multiplier": 11}, "at most 10"),
        ("reinforcement", {"eval_samples": 0}, "from 1 on"),
        ("reinforcement", {"reasoning_effort": "huge"}, "reasoning_effort is one of"),
        ("reinforcement", {}, "needs a grader"),
        ("guessing", {}, "There is no method"),
    ],
)
def test_a_figure_beyond_the_protocols_limits_is_said_in_words(method, figures, words):
    assert words in methods.fault(method, figures, None)


def test_auto_and_figures_within_the_limits_pass():
    assert methods.fault("dpo", {"n_epochs": "auto", "batch_size": 256, "beta": 2}, None) == ""
    assert methods.fault("reinforcement", {"compute_multiplier": 0.5, "eval_interval": 9}, GRADER) == ""


@pytest.mark.parametrize(
    "wishes",
    [
        {"suffix": "s" * 65}, {"seed": -1}, {"seed": 2**31}, {"metadata": {str(at): "x" for at in range(16)}},
        {"metadata": {"k": "x" * 513}}, {"integrations": [{}]}, {"integrations": [{"type": "wandb"}] * 6},
    ],
)  # fmt: skip
def test_what_would_be_refused_is_not_launched(version, provider, wishes):
    with pytest.raises(finetunes.NotPossible):
        finetunes.launch(version, provider, **wishes)
    assert not FineTune.objects.exists()
