"""The database server itself is killed or restarted while a provider makes a job: the whole application, one POST."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.provider_stub import Stub
from tests.stack import Stack, running, wait_for

# Twelve rows to train on and four held out, frozen and launched.
LAUNCH = """
from django.utils import timezone
from curation.datasets import freeze
from curation.models import Exchange, Project
from jobs import finetunes
project = Project.objects.get(slug=%r)
for number in range(16):
    now, prompt = timezone.now(), f"Question {number}?"
    Exchange.objects.create(
        project=project, user_prompt=prompt, messages=[{"role": "user", "content": prompt}], state="included",
        response=f"Answer {number}.", split="test" if number %% 4 == 3 else "train", included=now, first_seen_at=now,
        last_seen_at=now,
    )
finetunes.launch(freeze(project).version, project.default_provider)
"""
# What a dead worker held is waited for; here the time is let pass.
PASS = "UPDATE jobs_finetune SET lease_until = NULL, next_attempt_at = now() WHERE finished_at IS NULL"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("restarts"), {"CURATION_PRIVATE_PROVIDERS": "127.0.0.0/8"}) as stack:
        yield stack


def state(stack: Stack) -> dict:
    return json.loads((Path(stack.environment["CURATION_HOME"]) / "run" / "state.json").read_text())


def ask(stack: Stack, query: str) -> list[tuple]:
    with psycopg.connect(state(stack)["environment"]["DATABASE_URL"], autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []


def postmaster(stack: Stack) -> int:
    """Its process, as Postgres notes it in the data folder (for root the folder is a link)."""
    file = Path(stack.environment["CURATION_HOME"]) / "postgres" / "data" / "postmaster.pid"
    return int(file.read_text().splitlines()[0])


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "restarted"])
def test_postgres_goes_away_while_the_provider_makes_the_job(stack: Stack, stub: Stub, how):
    slug = "killed" if how == signal.SIGKILL else "restarted"
    stub.statuses = ["succeeded"]
    gone = []

    def restart() -> None:
        if not gone:
            gone.append(postmaster(stack))
            os.kill(gone[0], how)

    stub.hooks["POST /fine_tuning/jobs"] = restart
    stack.manage("create_project", slug, "--provider-url", stub.url, "--base-model", "base")
    stack.manage("shell", "-c", LAUNCH % slug)
    wait_for("the request", lambda: True if gone else None)
    own = f"SELECT f.status FROM jobs_finetune f JOIN curation_project p ON p.id = f.project_id WHERE p.slug = '{slug}'"

    def ended() -> str | None:
        try:
            ask(stack, PASS)
            ((status,),) = ask(stack, own)
        except psycopg.OperationalError:  # it is not back yet
            return None
        return status if status in ("succeeded", "failed", "cancelled") else None

    assert wait_for("the model", ended, 120) == "succeeded"
    assert postmaster(stack) != gone[0]
    assert (stub.create_count, stub.count("POST /files")) == (1, 1)
