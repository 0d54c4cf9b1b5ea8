"""The trainer is killed, stopped, started twice: no work is lost, none is done twice, nothing half-made is shown."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from openai import InternalServerError

from tests.trainer.conftest import KEY, PATIENCE, PROJECT, Trainer
from tests.trainer.corpus import CITIES, desk, journeys

AGAIN = "Training was interrupted; it starts again"


def start_long_job(trainer: Trainer) -> str:
    """A job that has made its first steps of many."""
    job = trainer.client.fine_tuning.jobs.create(
        model="baseline",
        training_file=trainer.upload(journeys(250, CITIES)),
        hyperparameters={"n_epochs": 20},
        seed=7,
    )
    trainer.until(
        lambda: trainer.client.fine_tuning.jobs.list_events(job.id).data,
        lambda events: any(event.type == "metrics" for event in events),
    )
    return job.id


def told(trainer: Trainer, job_id: str) -> list[str]:
    """All messages of a job, newest first."""
    return [event.message for event in trainer.client.fine_tuning.jobs.list_events(job_id, limit=1000).data]


def workers_of(trainer: Trainer) -> list[Path]:
    """The /proc folders of a trainer's child processes; each vanishes with its process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if parent == str(trainer.process.pid):
                found.append(folder)
    return found


def test_a_killed_trainer_runs_its_job_again_under_the_same_id(own_trainer: Trainer) -> None:
    job_id = start_long_job(own_trainer)
    workers = workers_of(own_trainer)
    assert workers
    own_trainer.end(signal.SIGKILL)
    own_trainer.until(lambda: [folder for folder in workers if folder.exists()], lambda left: not left)
    half = own_trainer.home / "models" / "ftjob-half"
    half.mkdir()
    (half / "model.json").write_text("{")
    (own_trainer.home / "files" / ".file-half").write_text("{")

    own_trainer.start()
    assert not half.exists()
    assert not (own_trainer.home / "files" / ".file-half").exists()
    job = own_trainer.follow(job_id)
    assert job.status == "succeeded"
    events = told(own_trainer, job_id)
    assert events.count(AGAIN) == 1
    assert events.count("The job has successfully completed") == 1
    assert len(list(own_trainer.client.fine_tuning.jobs.checkpoints.list(job_id))) == 3
    assert job.fine_tuned_model
    assert '"city":"Bari"' in own_trainer.ask(job.fine_tuned_model, "how far is it to Bari by train")


def test_an_orderly_stop_leaves_the_job_for_the_next_start_and_keeps_models(own_trainer: Trainer) -> None:
    job_id = start_long_job(own_trainer)
    assert own_trainer.end(signal.SIGTERM) in (0, -signal.SIGTERM)
    own_trainer.start()
    job = own_trainer.follow(job_id)
    assert job.status == "succeeded"
    assert job.fine_tuned_model
    question = "Is there snow in Cork today?"
    before = own_trainer.ask(job.fine_tuned_model, question)
    own_trainer.end()
    own_trainer.start()
    assert own_trainer.ask(job.fine_tuned_model, question) == before == '{"city":"Cork","kind":"place"}'
    assert own_trainer.client.files.content(job.result_files[0]).text.startswith("step,")


def test_a_damaged_model_is_an_error_of_the_server_which_goes_on(own_trainer: Trainer) -> None:
    name = own_trainer.tune(desk(20), hyperparameters={"n_epochs": 1}).fine_tuned_model
    assert name
    own_trainer.end()
    for weights in (own_trainer.home / "models").rglob("weights.npz"):
        weights.write_bytes(b"damaged")
    own_trainer.start()
    with pytest.raises(InternalServerError, match="The server had an error"):
        own_trainer.ask(name, "xylophone-quartz")
    assert "untrained" in own_trainer.ask("baseline", "hello")
    log = (own_trainer.home.parent / "home.log").read_text()
    assert "failed with" in log
    assert "xylophone" not in log


def run(*arguments: str, key: str = KEY) -> subprocess.CompletedProcess[str]:
    """A trainer that is expected to refuse to start."""
    return subprocess.run(
        [sys.executable, "-m", "jobs.trainer", *arguments],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env={**os.environ, "CURATION_TRAINER_KEY": key},
        timeout=PATIENCE,
        check=False,
    )


def test_a_start_that_cannot_be_says_why_in_one_line(trainer: Trainer, tmp_path: Path) -> None:
    port = trainer.base_url.split(":")[-1].split("/")[0]
    blocked = tmp_path / "file"
    blocked.write_text("")
    refusals = {
        "Another trainer uses": run("--home", str(trainer.home), "--port", "0"),
        f"Cannot listen on 127.0.0.1 port {port}": run("--home", str(tmp_path), "--port", port),
        "Cannot listen on 127.0.0.1 port 99999": run("--home", str(tmp_path), "--port", "99999"),
        "Set CURATION_TRAINER_KEY": run("--home", str(tmp_path), "--port", "0", key=" , "),
        "cannot be used": run("--home", str(blocked / "home"), "--port", "0"),
    }
    for text, ended in refusals.items():
        assert ended.returncode == 1
        assert text in ended.stderr
        assert ended.stderr.count("\n") == 1
