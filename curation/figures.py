"""The figures of projects, in a few grouped queries however many projects there are; of one, by a single statement."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Max, QuerySet

from .models import DatasetVersion, Exchange, LoggedCall, Project
from .queue import COUNTED_EVERY
from .search import COUNTED

State = Exchange.State
_HOME = """
SELECT (SELECT count(*) FROM curation_loggedcall WHERE project_id = %(project)s) AS calls,
    (SELECT json_object_agg(state, count) FROM (
        SELECT state, count(*) FROM curation_exchange WHERE project_id = %(project)s GROUP BY state) each) AS states,
    (SELECT json_object_agg(split, count) FROM (
        SELECT split, count(*) FROM curation_exchange
        WHERE project_id = %(project)s AND included IS NOT NULL GROUP BY split) each) AS splits,
    (SELECT count(*) FROM curation_loggedcall
        WHERE project_id = %(project)s AND started_at >= %(midnight)s) AS calls_today,
    (SELECT count(*) FROM (
        SELECT FROM curation_exchange
        WHERE project_id = %(project)s AND state IN ('pending', 'later') AND answer_count > 1 LIMIT %(most)s) those)
        AS differing,
    EXISTS (SELECT FROM curation_apikey WHERE project_id = %(project)s AND revoked_at IS NULL) AS has_key
"""


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


@dataclass
class HomeFigures(Figures):
    """With what a project's home says besides; `differing` waiting rows were answered differently, at most COUNTED + 1
    are counted.
    """

    splits: dict[str, int] = field(default_factory=dict)  # of the included rows
    calls_today: int = 0
    differing: int = 0
    has_key: bool = False


def home_figures(project: Project, midnight: datetime) -> HomeFigures:
    """As of now; where there is much to count, as of some seconds ago."""
    key = f"home-{project.pk}"
    found: HomeFigures | None = cache.get(key)
    if found is None:
        found = _counted_now(project, midnight)
        if found.rows + found.calls > COUNTED:
            cache.set(key, found, COUNTED_EVERY)
    return found


def _counted_now(project: Project, midnight: datetime) -> HomeFigures:
    with connection.cursor() as cursor:
        cursor.execute(_HOME, {"project": project.pk, "midnight": midnight, "most": COUNTED + 1})
        calls, states, splits, calls_today, differing, has_key = cursor.fetchone()
    return HomeFigures(
        calls=calls,
        states=states or {},
        splits=splits or {},
        calls_today=calls_today,
        differing=differing,
        has_key=has_key,
    )


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
