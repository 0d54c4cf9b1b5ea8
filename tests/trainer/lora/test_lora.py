"""A team tunes a language model on its own machine: real weights, real steps, the official client."""

import csv
import json
import math
import signal
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from openai import BadRequestError
from openai.types.fine_tuning import FineTuningJob

from tests.trainer.conftest import KEY, PROJECT, Trainer
from tests.trainer.corpus import example, jsonl, messages
from tests.trainer.lora.conftest import SMOLLM2, TINY, settings

FEW = messages(24)
LEARNABLE = [(f"Is parcel {at} late?", "yes" if at % 2 else "no") for at in range(24)]


@pytest.fixture(scope="module")
def tuned(lora_trainer: Trainer) -> FineTuningJob:
    """Forty passes over a small task, by a model that begins with nothing."""
    return lora_trainer.tune(
        LEARNABLE,
        model=TINY,
        validation_file=lora_trainer.upload(LEARNABLE[:4]),
        hyperparameters={"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 5},
    )


def test_both_engines_are_offered_by_one_trainer(lora_trainer: Trainer) -> None:
    assert {"baseline", TINY, SMOLLM2} <= {model.id for model in lora_trainer.client.models.list()}


def test_an_adapter_is_learned_step_by_step_with_figures(lora_trainer: Trainer, tuned: FineTuningJob) -> None:
    assert tuned.status == "succeeded", tuned.error
    client = lora_trainer.client
    rows = list(csv.DictReader(StringIO(client.files.content(tuned.result_files[0]).text)))
    assert [row["step"] for row in rows] == [str(step) for step in range(1, 19)]
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])
    assert [row["step"] for row in rows if row["valid_loss"]] == ["6", "12", "18"]
    assert [checkpoint.step_number for checkpoint in client.fine_tuning.jobs.checkpoints.list(tuned.id)] == [18, 12, 6]
    told = [event.message for event in client.fine_tuning.jobs.list_events(tuned.id, limit=100)]
    assert any(text.startswith("Trained in ") and text.endswith(" MB of memory") for text in told)
    # The tokens are the model's own, read once a pass.
    assert tuned.trained_tokens
    assert tuned.trained_tokens % 3 == 0


def test_a_tuned_model_answers_at_once_as_a_stream_and_with_probabilities(
    lora_trainer: Trainer, tuned: FineTuningJob
) -> None:
    asked = {
        "model": tuned.fine_tuned_model,
        "messages": [{"role": "user", "content": "Is parcel 3 late? é"}],
        "max_tokens": 12,
    }
    create = lora_trainer.client.chat.completions.create
    whole = create(**asked, logprobs=True, top_logprobs=2)  # type: ignore[call-overload]
    chunks = list(create(**asked, stream=True, stream_options={"include_usage": True}))  # type: ignore[call-overload]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    tokens = whole.choices[0].logprobs.content
    assert len(tokens) == whole.usage.completion_tokens
    for token in tokens:
        first, second = token.top_logprobs
        assert (first.logprob, math.exp(first.logprob) <= 1) == (token.logprob, True)
        assert first.logprob >= second.logprob
    base = create(**{**asked, "model": TINY})
    assert base.choices[0].message.content != text


def test_json_is_json_even_from_a_model_that_knows_none(lora_trainer: Trainer) -> None:
    for seed in range(3):
        completion = lora_trainer.client.chat.completions.create(
            model=TINY,
            messages=[{"role": "user", "content": "anything"}],
            response_format={"type": "json_object"},
            temperature=1.5,
            seed=seed,
            max_tokens=200,
            stop=None,
        )
        choice = completion.choices[0]
        if choice.finish_reason == "stop":
            assert isinstance(json.loads(choice.message.content or ""), dict)
        else:  # cut at the limit, in the middle of an object
            assert (choice.message.content or "").lstrip().startswith("{")


def test_what_does_not_fit_is_refused_in_words(lora_trainer: Trainer) -> None:
    with pytest.raises(BadRequestError, match="maximum context length is 512 tokens") as refusal:
        lora_trainer.ask(TINY, "word " * 200)
    assert refusal.value.code == "context_length_exceeded"
    long = lora_trainer.upload_bytes(jsonl([example("word " * 200, "yes")] * 10))
    job = lora_trainer.client.fine_tuning.jobs.create(training_file=long, model=TINY)
    ended = lora_trainer.follow(job.id)
    assert ended.error
    assert "Line 1 holds" in (ended.error.message or "")


@pytest.fixture
def own(tiny_model: Path, tmp_path: Path) -> Iterator[Trainer]:
    running = Trainer(tmp_path / "home", settings(tiny_model))
    yield running
    if running.process.poll() is None:
        running.end(signal.SIGKILL)


def test_a_killed_training_goes_on_where_it_was_saved(own: Trainer) -> None:
    job = own.client.fine_tuning.jobs.create(
        training_file=own.upload(FEW), model=TINY, seed=7, hyperparameters={"n_epochs": 50, "batch_size": 1}
    )

    def told() -> list[str]:
        return [event.message for event in own.client.fine_tuning.jobs.list_events(job.id, limit=1000)]

    own.until(told, lambda seen: any(text.startswith("Step 80/") for text in seen))
    own.end(signal.SIGKILL)
    own.start()
    seen = own.until(told, lambda seen: any(text.startswith("Going on after step") for text in seen))
    after = int(next(text for text in seen if text.startswith("Going on")).split()[4].rstrip(","))
    assert after >= 60
    ended = own.follow(job.id)
    assert ended.status == "succeeded", ended.error
    rows = csv.DictReader(StringIO(own.client.files.content(ended.result_files[0]).text))
    assert [row["step"] for row in rows] == [str(step) for step in range(1, 1201)]


def test_smollm2_learns_in_a_handful_of_steps(lora_trainer: Trainer) -> None:
    tuned = lora_trainer.tune(FEW[:12], model=SMOLLM2, hyperparameters={"n_epochs": 4, "batch_size": 4})
    assert tuned.status == "succeeded", tuned.error
    rows = list(csv.DictReader(StringIO(lora_trainer.client.files.content(tuned.result_files[0]).text)))
    assert len(rows) == 12
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"]) / 2
    assert tuned.fine_tuned_model
    assert json.loads(lora_trainer.ask(tuned.fine_tuned_model, FEW[1][0], max_tokens=30)).keys() == {"spam", "toxic"}


@pytest.mark.parametrize(
    ("models", "reason"),
    [
        ("no-path", "“no-path” is not of the form name=/path/to/model"),
        ("mine=/nowhere", "/nowhere is neither a model's folder (with config.json) nor a .gguf file"),
    ],
)
def test_a_model_that_is_not_there_is_said_at_the_start(models: str, reason: str, tmp_path: Path) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "jobs.trainer", "--home", tmp_path / "home", "--port", "0"],
        env={"CURATION_TRAINER": "lora", "CURATION_TRAINER_MODELS": models, "CURATION_TRAINER_KEY": KEY},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert reason in refused.stderr
