"""Two candidates on the same cases: fixed, broken or the same, in all and by tag, reason and region."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Count, F, Q, QuerySet

from curation.models import Coverage, Example, Review, RowRegion, Tag
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


def compare(before: EvaluationCandidate, after: EvaluationCandidate) -> Paired:
    """Over the held-out cases that both have answered."""
    return _paired(*_both(before, after))


@dataclass(frozen=True)
class Slice:
    """The held-out cases that share a tag, a reason or a region. A case may be in several."""

    kind: str
    name: str
    paired: Paired


def slices(before: EvaluationCandidate, after: EvaluationCandidate) -> list[Slice]:
    """By kind, the largest first; of each at least LEAST cases."""
    was, now = _both(before, after)
    found = []
    for kind, groups in groups_of(before.run, was).items():
        made = [
            Slice(kind, name, _paired({pk: was[pk] for pk in pks}, {pk: now[pk] for pk in pks}))
            for name, pks in groups.items()
            if len(pks) >= LEAST
        ]
        found += sorted(made, key=lambda each: (-each.paired.total, each.name))[:MOST_SLICES]
    return found


def groups_of(run: EvaluationRun, examples: Iterable[int]) -> dict[str, dict[str, list[int]]]:
    """{"tag" | "reason" | "region": {name: cases}}, of these cases."""
    rows = dict(held_out(run).filter(pk__in=list(examples)).values_list("exchange_id", "pk"))
    regions = Coverage.objects.filter(project=run.project_id).values_list("regions", flat=True).first()
    found = {"tag": _grouped(_tags(rows), rows), "reason": _grouped(_reasons(rows), rows)}
    if regions:
        names = Regions.of_json(regions)
        places = RowRegion.objects.filter(exchange__in=rows).values_list("region", "exchange")
        found["region"] = _grouped(((names.name(region), row) for region, row in places), rows)
    return found


def _tags(rows: Mapping[int, int]) -> Iterable[tuple[str, int]]:
    return Tag.objects.filter(exchanges__in=rows).order_by("name").values_list("name", "exchanges__pk")


def _reasons(rows: Mapping[int, int]) -> Iterable[tuple[str, int]]:
    """Of the verdict that stands."""
    latest = (
        Review.objects.filter(exchange__in=rows, is_opinion=False)
        .order_by("exchange", "-pk")
        .distinct("exchange")
        .values_list("reasons", "exchange")
    )
    for reasons, row in latest:
        for reason in reasons:
            yield reason, row


def _grouped(pairs: Iterable[tuple[str, int]], rows: Mapping[int, int]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for name, row in pairs:
        if row in rows:
            found[name].append(rows[row])
    return dict(found)


def _both(before: EvaluationCandidate, after: EvaluationCandidate) -> tuple[dict[int, bool], dict[int, bool]]:
    """Held-out verdicts of the cases both have answered."""
    was, now = verdicts(before), verdicts(after)
    common = held_out(before.run).filter(pk__in=was.keys() & now.keys()).order_by("position")
    kept = list(common.values_list("pk", flat=True))
    return {pk: was[pk] for pk in kept}, {pk: now[pk] for pk in kept}


def _paired(was: Mapping[int, bool], now: Mapping[int, bool]) -> Paired:
    return paired(list(was.values()), [now[pk] for pk in was])


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
