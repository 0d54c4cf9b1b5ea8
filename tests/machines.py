"""Fixtures for the machines' rooms: a frozen version, a provider to misuse, and a way to let time pass for a job."""

import os
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection, connections, models
from django.db.models.functions import Now
from django.utils import timezone

from curation.datasets import freeze
from curation.models import DatasetVersion, Example, Exchange, ModelAlias, Project, Provider
from jobs.models import EvaluationRun, FineTune, GateResult, Job, ModelVersion
from jobs.tasks import KINDS

from .provider_stub import Stub, running_stub


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    return settings.MEDIA_ROOT


@pytest.fixture
def include(project: Project) -> Callable[..., Exchange]:
    """`include("Where?", "Upstairs.", split="test")`: a row that a person included."""

    def make(prompt: str, answer: str, split: str = "train", **columns: Any) -> Exchange:
        now = timezone.now()
        defaults = {
            "messages": [{"role": "system", "content": "A long prompt."}, {"role": "user", "content": prompt}],
            "response": answer,
            "state": "included",
            "included": now,
            "first_seen_at": now,
            "last_seen_at": now,
        }
        return Exchange.objects.create(project=project, user_prompt=prompt, split=split, **(defaults | columns))

    return make


@pytest.fixture
def version(project: Project, include: Callable[..., Exchange]) -> DatasetVersion:
    """Twelve training examples and four held-out ones; the answer to “Question n?” is “Answer n.”"""
    for number in range(16):
        include(f"Question {number}?", f"Answer {number}.", "test" if number % 4 == 3 else "train")
    return freeze(project).version


@pytest.fixture
def stub() -> Iterator[Stub]:
    """Everything sent to it is held against OpenAI's description."""
    with running_stub() as stub:
        yield stub
    assert stub.faults == []


@pytest.fixture
def provider(project: Project, stub: Stub) -> Provider:
    """The project's provider, which is the stub."""
    provider = project.default_provider
    assert provider
    provider.kind, provider.base_url, provider.base_model = Provider.Kind.OPENAI_COMPATIBLE, stub.url, "base"
    provider.seal_key("sk-canary-4711")
    provider.save()
    project.aliases.update(model="base")
    return provider


def make_due(job: models.Model) -> None:
    """Let the time pass that a job waits, and a dead worker's lease; what waits for a person goes on waiting."""
    rows = type(job)._default_manager.filter(pk=job.pk)
    rows.filter(next_attempt_at__isnull=False).update(next_attempt_at=Now(), lease_until=None)


def step(job: Job) -> Any:
    """Let a worker take the job once."""
    make_due(job)
    KINDS[str(job._meta.model_name)][1](job.pk)
    job.refresh_from_db()
    return job


def drive(job: Job, steps: int = 60) -> Any:
    """Let workers take all jobs in turn, as messages would have them do, until this one is finished or parked."""
    for _ in range(steps):
        if job.is_finished or job.is_parked:
            break
        for kind, (model, _take) in KINDS.items():
            for other in model._default_manager.unfinished():
                if (kind, other.pk) != (job._meta.model_name, job.pk):
                    step(other)
        step(job)
    return job


def environment(media: Path, **more: str) -> dict[str, str]:
    """For another process that works on the database and the files of this test."""
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    ours = {
        "DJANGO_SETTINGS_MODULE": "curation.settings",
        "DATABASE_URL": database,
        "CURATION_HOME": str(media.parent),
        "PYTHONUNBUFFERED": "1",
    }
    return os.environ | ours | more


def forked(work: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Another process that does this work, to be killed: a copy of this one with a database connection of its own."""

    def begin() -> None:
        for inherited in connections.all():
            inherited.connection = None
        work(*arguments)

    process = get_context("fork").Process(target=begin, daemon=True)
    process.start()
    return process


@pytest.fixture
def make_model(project: Project, provider: Provider) -> Callable[..., ModelVersion]:
    """`make_model("ft:2", version)`: a model that a fine-tune made, without the fine-tune's way there."""

    def make(name: str, version: DatasetVersion) -> ModelVersion:
        finetune = FineTune.objects.create(
            project=project, version=version, provider=provider, base_model="base", status="succeeded", step="running",
            fine_tuned_model=name,
        )  # fmt: skip
        return ModelVersion.objects.create(
            project=project, provider=provider, name=name, base_model="base", finetune=finetune, version=version
        )

    return make


def passed(model: ModelVersion, alias: ModelAlias | None = None, is_passed: bool = True) -> GateResult:
    """A verdict on the model, as if it had been judged against what the alias serves now."""
    alias = ModelAlias.objects.get(pk=alias.pk) if alias else model.project.aliases.get()
    return GateResult.objects.create(
        alias=alias,
        model_version=model,
        evaluation=model.evaluations.first(),
        compared_provider=alias.provider,
        compared_model=alias.model,
        is_passed=is_passed,
        words="Passed." if is_passed else "Stopped.",
    )


@pytest.fixture
def make_evaluation() -> Callable[..., EvaluationRun]:
    """`make_evaluation(model, base=0, tuned=3)`: a finished evaluation with so many right answers each."""

    def make(model: ModelVersion, **right: int) -> EvaluationRun:
        run = EvaluationRun.objects.create(
            project=model.project, version=model.version, model_version=model, status="succeeded"
        )
        names = {"base": model.base_model, "tuned": model.name, "serving": model.project.aliases.get().model}
        for role, count in right.items():
            candidate = run.candidates.create(role=role, provider=model.provider, model=names[role])
            for number, example in enumerate(Example.objects.filter(version=model.version, split="test")):
                candidate.results.create(example=example, answer="an answer", is_right=number < count, latency_ms=5)
        return run

    return make
