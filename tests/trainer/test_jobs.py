"""Jobs: what may be ordered, what fails and why, what can be cancelled, found and paged."""

from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.trainer.conftest import Trainer
from tests.trainer.corpus import CITIES, examples, journeys, jsonl, messages


@pytest.fixture(scope="module")
def file(trainer: Trainer) -> str:
    return trainer.upload(messages(20))


@pytest.mark.parametrize(
    ("order", "param"),
    [
        ({"model": "gpt-none"}, "model"),
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"training_file": "file-none"}, "training_file"),
        ({"training_file": "../lock"}, "training_file"),
        ({"validation_file": "file-none"}, "validation_file"),
        ({"suffix": ""}, "suffix"),
        ({"suffix": "s" * 65}, "suffix"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**31}, "seed"),
        ({"seed": True}, "seed"),
        ({"hyperparameters": {"n_epochs": 0}}, "hyperparameters.n_epochs"),
        ({"hyperparameters": {"n_epochs": 51}}, "hyperparameters.n_epochs"),
        ({"hyperparameters": {"n_epochs": "3"}}, "hyperparameters.n_epochs"),
        ({"hyperparameters": {"batch_size": 257}}, "hyperparameters.batch_size"),
        ({"hyperparameters": {"learning_rate_multiplier": 0}}, "hyperparameters.learning_rate_multiplier"),
        ({"hyperparameters": {"beta": 1}}, "hyperparameters.beta"),
        ({"hyperparameters": []}, "hyperparameters"),
        ({"method": {"type": "dpo"}}, "method.type"),
        (
            {"method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1.5}}}},
            "method.supervised.hyperparameters.n_epochs",
        ),
        ({"metadata": {str(at): "x" for at in range(17)}}, "metadata"),
        ({"metadata": {"k" * 65: "x"}}, "metadata"),
        ({"metadata": {"k": "x" * 513}}, "metadata.k"),
        ({"metadata": {"k": 1}}, "metadata.k"),
        ({"integrations": [{"type": "other"}]}, "integrations"),
        ({"integrations": [{"type": "wandb", "wandb": {}}]}, "integrations"),
        ({"method": {"type": "reinforcement", "reinforcement": {}}}, "method.type"),
    ],
)
def test_an_order_beyond_the_limits_is_refused(client: OpenAI, file: str, order: dict[str, Any], param: str) -> None:
    before = len(list(client.fine_tuning.jobs.list()))
    body = {"model": "baseline", "training_file": file, **order}
    with pytest.raises(BadRequestError) as refusal:
        client.post("/fine_tuning/jobs", body=body, cast_to=object)
    assert refusal.value.param == param
    assert len(list(client.fine_tuning.jobs.list())) == before


def test_unknown_parameters_are_ignored_with_a_warning(client: OpenAI, file: str) -> None:
    job = client.fine_tuning.jobs.create(model="baseline", training_file=file, extra_body={"trainingType": "Standard"})
    warnings = [event.message for event in client.fine_tuning.jobs.list_events(job.id) if event.level == "warn"]
    assert warnings == ["Ignored 1 unknown parameter(s), the first: trainingType"]
    client.fine_tuning.jobs.cancel(job.id)


def line_with(**changes: Any) -> bytes:
    """A good file whose third line is changed."""
    lines = examples(messages(12))
    lines[2] = {**lines[2], **changes}
    return jsonl(lines)


def talk(*turns: dict[str, Any]) -> bytes:
    return line_with(messages=list(turns))


@pytest.mark.parametrize(
    ("content", "code", "text"),
    [
        (
            jsonl(examples(messages(9))),
            "invalid_n_examples",
            "Training file has 9 example(s), but must have at least 10",
        ),
        (line_with(weight=1), "invalid_file_format", "Line 3: unexpected key 'weight'"),
        (line_with(messages=[]), "invalid_training_file", "Line 3: 'messages' must be a list with at least one"),
        (talk({"content": "hi"}), "invalid_training_file", "Line 3, message 1: missing key 'role'"),
        (talk({"role": "robot", "content": ""}), "invalid_training_file", "Line 3, message 1: role 'robot'"),
        (talk({"role": "user", "content": "hi"}), "invalid_training_file", "Line 3: the last message must be"),
        (
            talk({"role": "user", "content": "hi"}, {"role": "assistant", "content": "<|im_end|>"}),
            "invalid_file_format",
            "Line 3, message 2: contains an invalid token <|im_end|>",
        ),
        (
            talk({"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho", "weight": 0}),
            "invalid_training_file",
            "Line 3: every assistant message has weight 0",
        ),
    ],
)
def test_a_bad_file_fails_the_job_before_it_is_queued(
    trainer: Trainer, client: OpenAI, content: bytes, code: str, text: str
) -> None:
    job = client.fine_tuning.jobs.create(model="baseline", training_file=trainer.upload_bytes(content))
    job = trainer.follow(job.id)
    assert job.status == "failed"
    assert job.error
    assert (job.error.code, job.error.param) == (code, "training_file")
    assert text in job.error.message
    told = [(event.level, event.message) for event in client.fine_tuning.jobs.list_events(job.id)]
    assert told[0] == ("error", job.error.message)
    assert not any("queued" in message for _, message in told)
    assert job.fine_tuned_model is None


def test_a_bad_validation_file_is_named_as_such_and_every_problem_is_told(trainer: Trainer, client: OpenAI) -> None:
    lines = examples(messages(4))
    lines[1]["messages"][0]["role"] = lines[3]["messages"][0]["role"] = "robot"
    job = client.fine_tuning.jobs.create(
        model="baseline",
        training_file=trainer.upload(messages(20)),
        validation_file=trainer.upload_bytes(jsonl(lines)),
    )
    job = trainer.follow(job.id)
    assert job.error
    assert (job.error.code, job.error.param) == ("invalid_validation_file", "validation_file")
    errors = [event.message for event in client.fine_tuning.jobs.list_events(job.id) if event.level == "error"]
    assert ["Line 2" in errors[0], "Line 4" in errors[1]] == [True, True]


def test_a_file_deleted_too_early_fails_the_job(trainer: Trainer, client: OpenAI) -> None:
    running = client.fine_tuning.jobs.create(model="baseline", training_file=trainer.upload(journeys(400, CITIES)))
    file = trainer.upload(messages(20))
    job = client.fine_tuning.jobs.create(model="baseline", training_file=file)
    client.files.delete(file)
    job = trainer.follow(job.id)
    assert job.error
    assert (job.status, job.error.code) == ("failed", "invalid_training_file")
    assert "was deleted" in job.error.message
    client.fine_tuning.jobs.cancel(running.id)


def test_one_job_runs_and_one_waits_and_both_can_be_cancelled(trainer: Trainer, client: OpenAI) -> None:
    long = trainer.upload(journeys(1500, CITIES))
    jobs = client.fine_tuning.jobs
    first, second = (
        jobs.create(model="baseline", training_file=long, hyperparameters={"n_epochs": 50}) for _ in range(2)
    )

    def statuses() -> tuple[str, str]:
        return jobs.retrieve(first.id).status, jobs.retrieve(second.id).status

    trainer.until(statuses, lambda seen: seen == ("running", "queued"))
    assert jobs.cancel(second.id).status == "cancelled"
    assert jobs.cancel(first.id).status == "cancelled"
    assert statuses() == ("cancelled", "cancelled")
    for job in (first, second):
        with pytest.raises(BadRequestError, match="already completed"):
            jobs.cancel(job.id)
        assert jobs.list_events(job.id).data[0].message == "The job was cancelled"
    trainer.until(lambda: list((trainer.home / "work").iterdir()), lambda left: not left)


def test_jobs_are_found_by_metadata_and_paged(client: OpenAI, file: str) -> None:
    jobs = client.fine_tuning.jobs
    made = [
        jobs.create(model="baseline", training_file=file, metadata={"batch": "b'7\"", "at": str(at % 2)}).id
        for at in range(4)
    ]
    bare = jobs.create(model="baseline", training_file=file).id
    assert [job.id for job in jobs.list(limit=2, metadata={"batch": "b'7\""})] == made[::-1]
    assert [job.id for job in jobs.list(metadata={"batch": "b'7\"", "at": "1"})] == [made[3], made[1]]
    assert [job.id for job in jobs.list(metadata={"batch": "another"})] == []
    without = [job.id for job in jobs.list(extra_query={"metadata": "null"})]
    assert bare in without
    assert not set(made) & set(without)
    page = jobs.list(limit=3)
    assert page.has_more
    assert [job.id for job in page.data] == [bare, made[3], made[2]]
    assert [job.id for job in jobs.list(after=made[2], limit=2).data] == [made[1], made[0]]
    for job in (*made, bare):
        jobs.cancel(job)


def test_the_same_order_twice_is_two_jobs(client: OpenAI, file: str) -> None:
    order: Any = {"model": "baseline", "training_file": file, "metadata": {"launch_id": "twice"}}
    first, second = (client.fine_tuning.jobs.create(**order).id for _ in range(2))
    assert first != second
    for job in (first, second):
        assert client.fine_tuning.jobs.cancel(job).status == "cancelled"


def test_a_job_that_does_not_exist_is_not_found(client: OpenAI) -> None:
    jobs = client.fine_tuning.jobs
    for ask in (jobs.retrieve, jobs.cancel, jobs.pause, jobs.list_events, jobs.checkpoints.list):
        for name in ("ftjob-none", "x" * 5000):
            with pytest.raises(NotFoundError, match="No such fine-tuning job"):
                ask(name)


def test_a_method_the_engine_lacks_is_refused_with_those_it_has(client: OpenAI, file: str) -> None:
    with pytest.raises(
        BadRequestError, match="Method 'dpo' is not supported for baseline; its methods are: 'supervised'"
    ):
        client.fine_tuning.jobs.create(model="baseline", training_file=file, method={"type": "dpo", "dpo": {}})


def test_integrations_are_kept_and_said_to_be_told_nothing(client: OpenAI, file: str) -> None:
    wandb: Any = [{"type": "wandb", "wandb": {"project": "p"}}]
    job = client.fine_tuning.jobs.create(model="baseline", training_file=file, integrations=wandb)
    assert job.integrations
    assert job.integrations[0].wandb.project == "p"
    warnings = [event.message for event in client.fine_tuning.jobs.list_events(job.id) if event.level == "warn"]
    assert warnings == ["This trainer reports to its own events only, not to integrations."]
    client.fine_tuning.jobs.cancel(job.id)


def test_a_paused_job_lies_still_lets_others_by_and_goes_on_when_resumed(trainer: Trainer, client: OpenAI) -> None:
    jobs = client.fine_tuning.jobs
    long = jobs.create(
        model="baseline", training_file=trainer.upload(journeys(250, CITIES)), hyperparameters={"n_epochs": 20}, seed=7
    )
    trainer.until(lambda: jobs.list_events(long.id).data, lambda events: any(e.type == "metrics" for e in events))
    assert jobs.pause(long.id).status in ("pausing", "paused")
    trainer.until(lambda: jobs.retrieve(long.id).status, lambda status: status == "paused")
    with pytest.raises(BadRequestError, match="is paused and cannot be paused"):
        jobs.pause(long.id)
    assert trainer.tune(messages(20), hyperparameters={"n_epochs": 1}).status == "succeeded"
    assert jobs.retrieve(long.id).status == "paused"
    assert jobs.resume(long.id).status == "queued"
    job = trainer.follow(long.id)
    assert (job.status, job.error) == ("succeeded", None)
    for ask in (jobs.pause, jobs.resume):
        with pytest.raises(BadRequestError, match="is succeeded and cannot be"):
            ask(long.id)
    told = [event.message for event in reversed(list(jobs.list_events(long.id)))]
    steps = [
        "The job is being paused",
        "The job was paused",
        "The job was resumed",
        "The job has successfully completed",
    ]
    assert [message for message in told if message in steps] == steps
