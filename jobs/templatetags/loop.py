"""The machines' part of a project's home page: `{% load loop %}{% loop_figures project as loop %}`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.conf import settings
from django.db.models import Count, Q

from curation.datasets import new_rows
from curation.models import DatasetVersion, ModelAlias, Project
from jobs.evaluations import CandidateSummary, summary
from jobs.latest import latest_of
from jobs.models import EvaluationCandidate, EvaluationRun, FineTune, RetrainingPolicy
from jobs.needs import Need, needs_of
from jobs.readiness import find, next_due, policy_shown
from jobs.reports import sentence

register = template.Library()
MOST_POINTS = 20


@dataclass(frozen=True)
class Serving:
    """What an alias, by its name, answers with; `version_number` is that of the data it was tuned on, if it was."""

    alias: str
    model: str
    provider: str
    since: datetime
    version_number: int | None

    @property
    def is_tuned(self) -> bool:
        return self.version_number is not None


@dataclass(frozen=True)
class Point:
    """How base and tuned did on the held-out cases of one version: shares from 0 to 1."""

    version_number: int
    base_share: float
    tuned_share: float


@dataclass(frozen=True)
class Retraining:
    policy: RetrainingPolicy
    sentence: str  # empty: switched on, and not checked yet
    next_check_at: datetime | None


@dataclass(frozen=True)
class Loop:
    version: DatasetVersion | None
    new_rows: int
    finetune: FineTune | None
    serving: list[Serving]
    points: list[Point]
    evaluation: EvaluationRun | None
    latest_evaluation: list[CandidateSummary] | None
    evaluation_sentence: str
    retraining: Retraining
    needs: list[Need]


@register.simple_tag
def loop_figures(project: Project) -> Loop:
    """Everything the home page shows of the machines, in about a dozen small queries."""
    latest = latest_of(project)
    evaluation = latest.finished
    summaries = summary(evaluation) if evaluation else None
    new_count = new_rows(project, latest.version).count()
    return Loop(
        version=latest.version,
        new_rows=new_count,
        finetune=latest.finetune,
        serving=[_serving(alias) for alias in latest.aliases],
        points=_points(project),
        evaluation=evaluation,
        latest_evaluation=summaries,
        evaluation_sentence=sentence(summaries) if summaries else "",
        retraining=_retraining(project, new_count),
        needs=needs_of(latest, summaries),
    )


def _serving(alias: ModelAlias) -> Serving:
    return Serving(
        alias=alias.name,
        model=alias.model,
        provider=alias.provider.name,
        since=alias.updated_at,
        version_number=alias.version_number,  # type: ignore[attr-defined]  # of registry.aliases_of
    )


def _points(project: Project) -> list[Point]:
    """One for each version that was evaluated, by its latest evaluation; the oldest first."""
    runs = project.evaluations.filter(status=EvaluationRun.Status.SUCCEEDED).order_by("-pk")[:MOST_POINTS]
    rows = (
        EvaluationCandidate.objects.filter(run__in=runs, role__in=["base", "tuned"], prompt="training")
        .order_by("run_id")
        .values_list("run__version__number", "role")
        .annotate(right=Count("results", filter=Q(results__is_right=True)), total=Count("results"))
        .values_list("run__version__number", "role", "right", "total")
    )
    shares: dict[int, dict[str, float]] = {}
    for number, role, right, total in rows:
        shares.setdefault(number, {})[role] = right / total if total else 0.0
    return [
        Point(number, both["base"], both["tuned"])
        for number, both in sorted(shares.items())
        if both.keys() == {"base", "tuned"}
    ]


def _retraining(project: Project, new_rows: int) -> Retraining:
    policy = policy_shown(project)
    every: Any = settings.CELERY_BEAT_SCHEDULE["check retraining policies"]["schedule"]
    soon = policy.last_checked_at + timedelta(seconds=every) if policy.last_checked_at else None
    return Retraining(
        policy=policy,
        sentence=policy.last_finding if policy.is_enabled else find(policy, new_rows).sentence,
        next_check_at=next_due(policy) or soon,
    )
