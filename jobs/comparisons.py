"""Two candidates on the same cases: fixed, broken or the same, in all and by tag, reason and region."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from django.db import connection
from django.db.models import Count, F, Q, QuerySet

from curation.models import Example
from curation.regions import Regions

from .models import EvaluationCandidate, EvaluationResult, EvaluationRun
from .statistics import Paired, paired

# Slices of fewer cases say nothing.
LEAST = 3
MOST_SLICES = 40


def cases_of(run: EvaluationRun) -> QuerySet[Example]:
    """What a run asks: the held-out cases of its version and the must-pass cases, those to train on among them."""
    must_pass = run.must_pass.through.objects.filter(evaluationrun=run).values("example")
    return Example.objects.filter(version=run.version_id).exclude(body="").filter(Q(split="test") | Q(pk__in=must_pass))


def held_out(run: EvaluationRun) -> QuerySet[Example]:
    return Example.objects.filter(version=run.version_id, split="test").exclude(body="")


def verdicts(candidate: EvaluationCandidate) -> dict[int, bool]:
    """By case (an Example's id), held out or not: right or wrong. Asked several times, most answers must be right."""
    counted = (
        EvaluationResult.objects.filter(candidate=candidate)
        .order_by()
        .values("example")
        .annotate(right=Count("pk", filter=Q(is_right=True)), asked=Count("pk"))
    )
    return {row["example"]: 2 * row["right"] > row["asked"] for row in counted}


@dataclass(frozen=True)
class Slice:
    """The held-out cases that share a tag, a reason or a region. A case may be in several."""

    kind: str
    name: str
    paired: Paired


class Comparison:
    """Two candidates of a run over the held-out cases that both have answered."""

    def __init__(self, before: EvaluationCandidate, after: EvaluationCandidate) -> None:
        self.run = before.run
        self.was: dict[int, bool] = {}
        self.now: dict[int, bool] = {}
        self._rows: dict[int, int] = {}  # the exchange of each case → the case
        for case, row, was_right, was_asked, now_right, now_asked in _answered_by_both(before, after):
            self._rows[row] = case
            self.was[case], self.now[case] = 2 * was_right > was_asked, 2 * now_right > now_asked

    @cached_property
    def paired(self) -> Paired:
        return self._paired(self.was)

    @cached_property
    def groups(self) -> dict[str, dict[str, list[int]]]:
        """{"tag" | "reason" | "region": {name: cases}}."""
        return groups_of(self.run, self._rows)

    @cached_property
    def slices(self) -> list[Slice]:
        """By kind, the largest first; of each at least LEAST cases."""
        found = []
        for kind, groups in self.groups.items():
            made = [Slice(kind, name, self._paired(cases)) for name, cases in groups.items() if len(cases) >= LEAST]
            found += sorted(made, key=lambda each: (-each.paired.total, each.name))[:MOST_SLICES]
        return found

    def changed(self, how: str) -> list[int]:
        """The cases that were "fixed", "broken", or stayed the "same"."""
        wanted = {"fixed": (False, True), "broken": (True, False)}.get(how)
        both = ((case, (was, self.now[case])) for case, was in self.was.items())
        return [case for case, pair in both if (pair[0] == pair[1] if wanted is None else pair == wanted)]

    def _paired(self, cases: Iterable[int]) -> Paired:
        kept = list(cases)
        return paired([self.was[case] for case in kept], [self.now[case] for case in kept])


def _answered_by_both(before: EvaluationCandidate, after: EvaluationCandidate) -> Iterable[tuple[int, ...]]:
    """Case, its exchange, and of each candidate the right answers and all."""
    cases = held_out(before.run).filter(results__candidate__in=[before, after])
    return (
        cases.annotate(
            was_right=_count(before, results__is_right=True),
            was_asked=_count(before),
            now_right=_count(after, results__is_right=True),
            now_asked=_count(after),
        )
        .filter(was_asked__gt=0, now_asked__gt=0)
        .order_by("position")
        .values_list("pk", "exchange_id", "was_right", "was_asked", "now_right", "now_asked")
    )


def _count(candidate: EvaluationCandidate, **those: bool) -> Count:
    return Count("results", filter=Q(results__candidate=candidate, **those))


# How the project's regions are called, and then what the rows of cases have in common.
_GROUPS = """
SELECT 'names' AS kind, regions::text AS name, NULL::bigint AS exchange_id
FROM curation_coverage WHERE project_id = %(project)s AND regions IS NOT NULL
UNION ALL
SELECT 'tag', t.name, x.exchange_id
FROM curation_tag_exchanges x JOIN curation_tag t ON t.id = x.tag_id WHERE x.exchange_id = ANY(%(rows)s)
UNION ALL
SELECT 'reason', unnest(standing.reasons), standing.exchange_id FROM (
    SELECT DISTINCT ON (exchange_id) exchange_id, reasons FROM curation_review
    WHERE exchange_id = ANY(%(rows)s) AND NOT is_opinion ORDER BY exchange_id, id DESC
) standing
UNION ALL
SELECT 'region', region::text, exchange_id FROM curation_rowregion WHERE exchange_id = ANY(%(rows)s)
ORDER BY exchange_id NULLS FIRST
"""


def groups_of(run: EvaluationRun, cases: Mapping[int, int]) -> dict[str, dict[str, list[int]]]:
    """{"tag" | "reason" | "region": {name: cases}}, of cases given by the rows they were made of."""
    found: dict[str, dict[str, list[int]]] = {kind: defaultdict(list) for kind in ("tag", "reason", "region")}
    regions = None
    with connection.cursor() as cursor:
        cursor.execute(_GROUPS, {"rows": list(cases), "project": run.project_id})
        for kind, name, row in cursor:
            if kind == "names":
                regions = Regions.of_json(stored) if (stored := json.loads(name)) else None
            elif kind != "region":
                found[kind][name].append(cases[row])
            elif regions:
                found[kind][regions.name(int(name))].append(cases[row])
    return found


@dataclass(frozen=True)
class MustPass:
    """How a candidate did on the must-pass cases: those it got wrong, or has not answered, by row."""

    total: int
    failed: list[Example]

    @property
    def right(self) -> int:
        return self.total - len(self.failed)


def must_pass(run: EvaluationRun, candidate: EvaluationCandidate) -> MustPass:
    """Every must-pass case of the run; one without an answer counts as failed."""
    right = verdicts(candidate)
    cases = list(run.must_pass.defer("body").annotate(row=F("exchange_id")).order_by("split", "position"))
    return MustPass(len(cases), [case for case in cases if not right.get(case.pk, False)])
