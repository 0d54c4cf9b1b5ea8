"""What is too much, too early or out of place is refused in the protocol's words, and the trainer goes on."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from openai import APIStatusError, BadRequestError, NotFoundError, OpenAI

from tests.trainer.conftest import Trainer
from tests.trainer.corpus import CITIES, desk, examples, journeys, jsonl


def ask(client: OpenAI, model: str, text: str = "hi", **options: object) -> str | None:
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(model=model, messages=messages, **options).choices[0].message.content  # type: ignore[call-overload]


def test_a_page_of_ten_thousand_is_cut_to_what_a_page_may_be(client: OpenAI) -> None:
    assert len(client.fine_tuning.jobs.list(limit=10_000).data) <= 100


def test_an_example_longer_than_the_context_fails_the_job_and_is_never_cut(trainer: Trainer, client: OpenAI) -> None:
    lines = examples(desk(12))
    lines[4]["messages"][0]["content"] = "word " * 70_000
    job = client.fine_tuning.jobs.create(model="baseline", training_file=trainer.upload_bytes(jsonl(lines)))
    error = trainer.follow(job.id).error
    assert error
    assert "Line 5 holds 70" in error.message
    assert "at most 65536" in error.message


def test_a_model_that_is_not_made_yet_or_never_was_is_not_found(trainer: Trainer, client: OpenAI) -> None:
    job = client.fine_tuning.jobs.create(
        model="baseline", training_file=trainer.upload(journeys(400, CITIES)), suffix="../x"
    )
    name = f"ft:baseline:local:x:{job.id.removeprefix('ftjob-')[:8]}"
    with pytest.raises(NotFoundError) as refusal:
        ask(client, name)
    assert refusal.value.code == "model_not_found"
    client.fine_tuning.jobs.cancel(job.id)
    with pytest.raises(NotFoundError):
        ask(client, name)


def test_fifty_choices_and_a_conversation_beyond_the_context_are_refused(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as refusal:
        ask(client, "baseline", n=50)
    assert refusal.value.param == "n"


def test_a_hundred_callers_at_once_are_answered_or_told_to_wait(client: OpenAI) -> None:
    def one(_number: int) -> str:
        try:
            ask(client, "baseline")
        except APIStatusError as error:
            return f"{error.status_code} {error.code}"
        return "answered"

    with ThreadPoolExecutor(100) as threads:
        seen = list(threads.map(one, range(100)))
    assert set(seen) <= {"answered", "429 rate_limit_exceeded"}
    assert "answered" in seen
    assert one(0) == "answered"
