"""The cases of a run with all answers side by side."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from django.contrib.postgres.search import TrigramSimilarity
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast, Coalesce, Left

from curation.chat import said_in, split_prompt
from curation.diff import Piece, words_changed
from curation.json_layout import fault_in, laid_out
from curation.models import Example

from .comparisons import Comparison, cases_of, groups_of, held_out
from .models import EvaluationCandidate, EvaluationResult, EvaluationRun

# A page shows so much of a text.
MOST_LETTERS = 2000
# Likeness is measured over the first letters, of the first rows: a page must not read a version of a million.
MOST_COMPARED, MOST_TAUGHT = 500, 50_000
NEAREST, LEAST_LIKENESS = 5, 0.2


@dataclass(frozen=True)
class CaseAnswer:
    """One candidate's answers as they are shown; `changes` against the expected text where the first is wrong but not
    far off. `results` has one for each time the case was asked.
    """

    candidate: EvaluationCandidate
    results: list[EvaluationResult]
    text: str
    changes: list[Piece]

    @property
    def result(self) -> EvaluationResult | None:
        return self.results[0] if self.results else None

    @property
    def right(self) -> int:
        return sum(result.is_right for result in self.results)

    @property
    def is_right(self) -> bool:
        return 2 * self.right > len(self.results)


@dataclass(frozen=True)
class AnsweredCase:
    """One case with what each candidate answered, in the order of the candidates."""

    example: Example
    prompt: str
    expected: str
    is_must_pass: bool
    answers: list[CaseAnswer]


def chosen(
    run: EvaluationRun, compared: Comparison | None, change: str = "", group: tuple[str, str] | None = None
) -> QuerySet[Example]:
    """The cases of a run. With `change` those that were fixed, broken or left the same by what is compared, or the
    must-pass cases ("must"); with `group` (kind and name) those of a slice.
    """
    rows = cases_of(run).order_by("-split", "position") if change == "must" else held_out(run).order_by("position")
    if change == "must":
        rows = rows.filter(pk__in=run.must_pass.values("pk"))
    elif change and compared:
        rows = rows.filter(pk__in=compared.changed(change))
    if group:
        kind, name = group
        groups = compared.groups if compared else groups_of(run, dict(held_out(run).values_list("exchange_id", "pk")))
        rows = rows.filter(pk__in=groups.get(kind, {}).get(name, []))
    return rows


def must_pass_of(run: EvaluationRun) -> set[int]:
    """The must-pass cases of a run, by their ids."""
    return set(run.must_pass.through.objects.filter(evaluationrun=run).values_list("example", flat=True))


def with_answers(run: EvaluationRun, examples: Sequence[Example], must_pass: Collection[int]) -> Iterator[AnsweredCase]:
    """The cases of one page with all answers, cut to what a page can show."""
    candidates = list(run.candidates.all())
    found: dict[tuple[int, int], list[EvaluationResult]] = {}
    for result in EvaluationResult.objects.filter(candidate__in=candidates, example__in=examples).order_by("repeat"):
        found.setdefault((result.candidate_id, result.example_id), []).append(result)
    for example in examples:
        *asked, answer = json.loads(example.body)["messages"]
        expected = shown(said_in(answer))
        yield AnsweredCase(
            example=example,
            prompt=split_prompt(asked).user_prompt[:MOST_LETTERS],
            expected=expected,
            is_must_pass=example.pk in must_pass,
            answers=[_answer(each, found.get((each.pk, example.pk), []), expected) for each in candidates],
        )


def _answer(candidate: EvaluationCandidate, results: list[EvaluationResult], expected: str) -> CaseAnswer:
    first = results[0] if results else None
    text = shown(first.answer or "") if first else ""
    changes = words_changed(expected, text) if first and text and not first.is_right else None
    same = sum(len(piece.text) for piece in changes or () if piece.kind == "same")
    is_near = same * 2 > len(expected)
    return CaseAnswer(candidate, results, text, changes if changes and is_near else [])


def shown(text: str) -> str:
    """JSON a key a line, so that answers can be compared by eye; other text as it is."""
    text = text[:MOST_LETTERS]
    return text if fault_in(text) else laid_out(text)


def nearest_taught(run: EvaluationRun, example: Example) -> list[Example]:
    """The training rows of the run's version whose prompts are spelt most like that of a case: at most NEAREST, each
    with `prompt`, `answer` and `likeness`, the share of three-letter pieces both prompts have.
    """
    prompt = Left(Cast("exchange__user_prompt", TextField()), MOST_COMPARED)
    taught = Example.objects.filter(version=run.version_id).exclude(split="test").exclude(body="")
    return list(
        taught.filter(position__lte=MOST_TAUGHT)
        .annotate(
            prompt=Left(Cast("exchange__user_prompt", TextField()), MOST_LETTERS),
            answer=Left(Coalesce("exchange__target", "exchange__response"), MOST_LETTERS),
            likeness=TrigramSimilarity(prompt, example.exchange.user_prompt[:MOST_COMPARED]),
        )
        .filter(likeness__gte=LEAST_LIKENESS)
        .defer("body")
        .order_by("-likeness", "position")[:NEAREST]
    )
