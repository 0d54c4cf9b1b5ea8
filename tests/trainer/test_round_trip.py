"""The whole way with the official client: upload, train, follow, ask."""

import csv
import json
from io import StringIO

import pytest
from openai import BadRequestError, NotFoundError
from openai.types.fine_tuning import FineTuningJob

from tests.trainer.conftest import Trainer
from tests.trainer.corpus import CITIES, UNSEEN_CITIES, desk, journeys

TRAINING = journeys(120, CITIES)
UNSEEN = journeys(40, UNSEEN_CITIES, seed=2)


@pytest.fixture(scope="module")
def tuned(trainer: Trainer) -> FineTuningJob:
    return trainer.tune(
        TRAINING,
        suffix="cities-3",
        metadata={"launch_id": "one"},
        validation_file=trainer.upload(UNSEEN),
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 6, "batch_size": "auto"}}},
    )


def test_a_job_ends_with_all_that_was_asked_for_and_learned(trainer: Trainer, tuned: FineTuningJob) -> None:
    assert tuned.status == "succeeded"
    assert tuned.error is None
    assert tuned.fine_tuned_model == f"ft:baseline:local:cities-3:{tuned.id.removeprefix('ftjob-')[:8]}"
    assert (tuned.seed, tuned.metadata) == (7, {"launch_id": "one"})
    assert tuned.method
    assert tuned.method.supervised
    assert tuned.method.supervised.hyperparameters
    assert tuned.method.supervised.hyperparameters.model_dump() == {
        "n_epochs": 6,
        "batch_size": 8,
        "learning_rate_multiplier": 1.0,
    }
    assert tuned.trained_tokens
    assert tuned.trained_tokens % 6 == 0
    assert tuned.finished_at
    assert tuned.finished_at >= tuned.created_at


def test_events_tell_the_story_newest_first_and_page(trainer: Trainer, tuned: FineTuningJob) -> None:
    events = list(trainer.client.fine_tuning.jobs.list_events(tuned.id, limit=4))
    assert len({event.id for event in events}) == len(events) > 10
    assert all(event.id.startswith("ftevent-") for event in events)
    told = [event.message for event in reversed(events)]
    milestones = ["Created fine-tuning job", "Validating training file", "Files validated", "Fine-tuning job started"]
    milestones += ["Step 1/6", "Step 6/6", "Checkpoint created", "New fine-tuned model created", "The job has success"]
    places = [next(at for at, text in enumerate(told) if text.startswith(start)) for start in milestones]
    assert places == sorted(places)
    steps = [event.data for event in reversed(events) if event.type == "metrics"]
    assert [step["step"] for step in steps] == [1, 2, 3, 4, 5, 6]  # type: ignore[index]


def test_the_result_file_shows_that_loss_fell(trainer: Trainer, tuned: FineTuningJob) -> None:
    [result] = tuned.result_files
    assert trainer.client.files.retrieve(result).purpose == "fine-tune-results"
    rows = list(csv.DictReader(StringIO(trainer.client.files.content(result).text)))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])
    assert 0 < float(rows[-1]["valid_loss"]) < float(rows[0]["valid_loss"])
    assert float(rows[-1]["train_accuracy"]) > 0.9


def test_checkpoints_are_models_that_answer(trainer: Trainer, tuned: FineTuningJob) -> None:
    checkpoints = list(trainer.client.fine_tuning.jobs.checkpoints.list(tuned.id, limit=2))
    assert [checkpoint.step_number for checkpoint in checkpoints] == [6, 5, 4]
    for checkpoint in checkpoints:
        assert checkpoint.metrics.valid_loss is not None
        assert json.loads(trainer.ask(checkpoint.fine_tuned_model_checkpoint, "Is there snow in Faro today?"))


def test_the_tuned_model_answers_what_it_has_not_seen_and_the_base_does_not(
    trainer: Trainer, tuned: FineTuningJob
) -> None:
    assert tuned.fine_tuned_model

    def share_right(model: str) -> float:
        return sum(trainer.ask(model, question) == answer for question, answer in UNSEEN) / len(UNSEEN)

    assert share_right(tuned.fine_tuned_model) >= 0.9
    assert share_right("baseline") == 0


def test_the_stream_and_the_single_answer_agree(trainer: Trainer, tuned: FineTuningJob) -> None:
    assert tuned.fine_tuned_model
    question, _ = UNSEEN[0]
    chunks = list(
        trainer.client.chat.completions.create(
            model=tuned.fine_tuned_model,
            messages=[{"role": "user", "content": question}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == trainer.ask(tuned.fine_tuned_model, question)
    assert len(chunks) > 5
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    usage = chunks[-1].usage
    assert usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens == usage.prompt_tokens + len(chunks) - 3


def test_no_prompt_is_logged(trainer: Trainer, tuned: FineTuningJob) -> None:
    trainer.ask("baseline", "xylophone-quartz")
    log = (trainer.home.parent / "home.log").read_text()
    assert f"job {tuned.id} succeeded" in log
    assert [word for word in (*CITIES, *UNSEEN_CITIES, "xylophone") if word in log] == []


def test_a_plain_text_model_is_listed_answers_and_can_be_deleted(trainer: Trainer) -> None:
    name = trainer.tune(desk(60), suffix="To Be/Deleted!").fine_tuned_model
    assert name
    assert name.startswith("ft:baseline:local:To-Be-Deleted:")
    assert trainer.ask(name, "help, my backpack is lost") == "Your suitcase is traced at the baggage desk."
    with pytest.raises(BadRequestError, match="cannot promise a JSON object"):
        trainer.ask(name, "where is my bag", response_format={"type": "json_object"})
    listed = {model.id: model for model in trainer.client.models.list()}
    assert {"baseline", name} <= listed.keys()
    assert listed[name].shutdown_date is None
    assert trainer.client.models.retrieve(name).owned_by == "local"
    assert trainer.client.models.delete(name).deleted
    assert name not in {model.id for model in trainer.client.models.list()}
    with pytest.raises(NotFoundError, match="does not exist") as refusal:
        trainer.ask(name, "hello")
    assert refusal.value.code == "model_not_found"
