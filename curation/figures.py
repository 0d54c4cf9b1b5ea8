"""The figures of projects, in a few grouped queries however many projects there are."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Max, QuerySet

from .models import DatasetVersion, Exchange, LoggedCall, Project

State = Exchange.State


@dataclass
class Figures:
    """How far a project is round the circle. Rows are distinct prompts."""

    calls: int = 0
    states: dict[str, int] = field(default_factory=dict)
    latest_version: int | None = None

    @property
    def rows(self) -> int:
        return sum(self.states.values())

    @property
    def waiting(self) -> int:
        return self.states.get(State.PENDING, 0) + self.later

    @property
    def later(self) -> int:
        return self.states.get(State.LATER, 0)

    @property
    def included(self) -> int:
        return self.states.get(State.INCLUDED, 0)

    @property
    def excluded(self) -> int:
        return self.states.get(State.EXCLUDED, 0)


def figures_of(projects: Iterable[Project]) -> dict[int, Figures]:
    """The figures of each project, by its id."""
    found = {project.pk: Figures() for project in projects}
    of_these = {"project__in": list(found)}
    for pk, state, count in _counted(Exchange.objects.filter(**of_these), "project", "state"):
        found[pk].states[state] = count
    for pk, count in _counted(LoggedCall.objects.filter(**of_these), "project"):
        found[pk].calls = count
    versions = DatasetVersion.objects.filter(**of_these).order_by().values_list("project")
    for pk, number in versions.annotate(latest=Max("number")):
        found[pk].latest_version = number
    return found


def _counted(rows: QuerySet[Any], *fields: str) -> Iterable[tuple[Any, ...]]:
    return rows.order_by().values_list(*fields).annotate(count=Count("*"))
