"""A project's graders: tried on answers that are there, and summed up over an evaluation."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from curation.chat import said_in
from curation.models import Project

from . import graders
from .models import EvaluationCandidate, EvaluationResult, EvaluationRun
from .statistics import Agreement, brier, roc_auc

# A trial reads so many answers, and shows so many of which it thinks otherwise.
MOST_TRIED, MOST_SHOWN = 1000, 10
SHOWN_LETTERS = 600


@dataclass(frozen=True)
class GraderFigures:
    """What one grader says of one candidate's answers to held-out cases. `agreement` of fields or labels, `brier` and
    `auc` of scores, where the grader knows such; else None.
    """

    name: str
    candidate: EvaluationCandidate
    passed: int
    total: int
    score: float
    agreement: Agreement | None
    brier: float | None
    auc: float | None
    # A model's word, not a measurement.
    is_opinion: bool

    @property
    def right(self) -> int:
        return self.passed


def figures(run: EvaluationRun) -> list[GraderFigures]:
    """Grader by grader, candidate by candidate."""
    candidates = list(run.candidates.all())
    found: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    rows = EvaluationResult.objects.filter(candidate__run=run, example__split="test").exclude(grades={})
    for candidate, grades in rows.values_list("candidate", "grades").iterator(chunk_size=500):
        for name, grade in grades.items():
            found.setdefault((name, candidate), []).append(grade)
    return [
        _figures(each["name"], candidate, found[each["name"], candidate.pk])
        for each in run.graders
        for candidate in candidates
        if (each["name"], candidate.pk) in found
    ]


def _figures(name: str, candidate: EvaluationCandidate, grades: list[Mapping[str, Any]]) -> GraderFigures:
    details = [grade["detail"] for grade in grades]
    counted = [Agreement(each["hits"], each["spurious"], each["missed"]) for each in details if "hits" in each]
    pairs = [pair for each in details for pair in each.get("scores", {}).values()]
    scores, labels = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return GraderFigures(
        name=name,
        candidate=candidate,
        passed=sum(grade["passes"] for grade in grades),
        total=len(grades),
        score=sum(grade["score"] for grade in grades) / len(grades),
        agreement=sum(counted, Agreement(0, 0, 0)) if counted else None,
        brier=brier(scores, labels),
        auc=roc_auc(scores, labels) if scores else None,
        is_opinion=any(each.get("opinion") for each in details),
    )


@dataclass(frozen=True)
class Otherwise:
    """An answer that the grader judges otherwise than it was judged."""

    expected: str
    answer: str
    was_right: bool
    grade: graders.Grade


@dataclass(frozen=True)
class Trial:
    """A grader on the answers of the latest evaluation: of `total` answers it passes `passed`, `agreed` as judged."""

    run: EvaluationRun
    total: int
    passed: int
    agreed: int
    others: list[Otherwise]


def trial(project: Project, definition: Mapping[str, Any]) -> Trial | None:
    """None where no evaluation has finished yet."""
    run = project.evaluations.filter(status=EvaluationRun.Status.SUCCEEDED).first()
    if run is None:
        return None
    total = passed = agreed = 0
    others: list[Otherwise] = []
    for expected, result in _answers(run):
        grade = graders.grade(definition, expected, result.answer)
        total, passed = total + 1, passed + grade.passes
        if grade.passes == result.is_right:
            agreed += 1
        elif len(others) < MOST_SHOWN:
            others.append(
                Otherwise(expected[:SHOWN_LETTERS], (result.answer or "")[:SHOWN_LETTERS], result.is_right, grade)
            )
    return Trial(run, total, passed, agreed, others)


def _answers(run: EvaluationRun) -> Iterator[tuple[str, EvaluationResult]]:
    rows = EvaluationResult.objects.filter(candidate__run=run, example__split="test").exclude(example__body="")
    for result in rows.select_related("example").order_by("example__position", "pk")[:MOST_TRIED]:
        yield said_in(json.loads(result.example.body)["messages"][-1]), result
