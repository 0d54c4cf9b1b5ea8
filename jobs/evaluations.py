"""What is asked for: a tuned model against what it would replace, or any candidates against each other. The asking
itself is `jobs/answering.py`.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Now

from curation.models import DatasetVersion, Example, Provider, User
from curation.prices import price_for
from curation.tokens import count_text

from .comparisons import cases_of
from .graders import is_judge, judge
from .judging import OPINION_TOKENS
from .models import EvaluationCandidate, EvaluationRun, ModelVersion
from .reports import CandidateSummary, summary

__all__ = ["CandidateSummary", "NothingToEvaluate", "request_evaluation", "summary"]

log = logging.getLogger(__name__)
Role, Prompt = EvaluationCandidate.Role, EvaluationCandidate.Prompt


class NothingToEvaluate(Exception):
    """There is no held-out case; the message says what to do."""


@transaction.atomic
def request_evaluation(
    model_version: ModelVersion, user: User | None = None, *, asks_again: bool = False
) -> EvaluationRun:
    """An evaluation of this model against its base and what is served now; the one under way, if there is one.

    Raises NothingToEvaluate.
    """
    version = model_version.version
    if not version.test_count:
        raise NothingToEvaluate(
            f"{version} has no held-out case, so nothing can be compared. Include more rows: a part is held out."
        )
    # Whoever asks at the same time waits here and then finds the run.
    ModelVersion.objects.select_for_update(of=("self",)).get(pk=model_version.pk)
    if live := EvaluationRun.objects.unfinished().filter(model_version=model_version, version=version).first():
        return live
    run = EvaluationRun.objects.create(
        project=model_version.project,
        version=version,
        model_version=model_version,
        created_by=user,
        asks_again=asks_again,
    )
    _begin(run, _candidates(run, model_version), must_pass_of(version))
    log.info("evaluation %s requested model_version=%s", run.pk, model_version.pk)
    return run


def _begin(run: EvaluationRun, candidates: list[EvaluationCandidate], must_pass: QuerySet[Example]) -> None:
    run.graders = [
        {
            "name": each.name,
            "definition": each.definition,
            "is_deciding": each.is_deciding,
            "provider": each.provider_id,
        }
        for each in run.project.graders.all()
    ]
    for candidate in candidates:
        if price := price_for(candidate.provider, candidate.model):
            candidate.input_price, candidate.output_price = _dollars(price.input), _dollars(price.output)
    EvaluationCandidate.objects.bulk_create(candidates)
    run.must_pass.set(must_pass)
    judges = sum(is_judge(each["definition"]) for each in run.graders)
    run.total_count = len(candidates) * run.repeats * cases_of(run).count() * (1 + judges)
    run.save(update_fields=["total_count", "graders"])


def _dollars(price: float | None) -> Decimal | None:
    return None if price is None else Decimal(str(price))


def must_pass_of(version: DatasetVersion) -> QuerySet[Example]:
    """The cases of a version that reviewers have marked by now as never to be wrong again."""
    return Example.objects.filter(version=version, exchange__must_pass__isnull=False)


def _candidates(run: EvaluationRun, model: ModelVersion) -> list[EvaluationCandidate]:
    wanted = [(Role.BASE, model.provider, model.base_model), (Role.TUNED, model.provider, model.name)]
    for alias in model.project.aliases.select_related("provider"):
        if (alias.provider, alias.model) not in [(provider, name) for _, provider, name in wanted]:
            wanted.append((Role.SERVING, alias.provider, alias.model))
    return [EvaluationCandidate(run=run, role=role, provider=provider, model=name) for role, provider, name in wanted]


# Any candidates


@dataclass(frozen=True)
class Contender:
    """A model to compare, and the system prompt it is sent: `prompt_text` where that is neither of the known."""

    provider: Provider
    model: str
    prompt: str = Prompt.TRAINING
    prompt_text: str = ""

    @property
    def label(self) -> str:
        return EvaluationCandidate(role=Role.OTHER, model=self.model, prompt=self.prompt).label


@dataclass(frozen=True)
class Wish:
    """Which candidates are asked which cases, how often and how fast."""

    version: DatasetVersion
    contenders: Sequence[Contender]
    repeats: int = 1
    per_minute: int | None = None
    budget: Decimal | None = None
    measures_first_token: bool = False
    asks_again: bool = False


@dataclass(frozen=True)
class Line:
    """What one candidate, or a model for its opinion, would be asked: calls, and about what they cost in US dollars;
    None without a price.
    """

    label: str
    calls: int
    dollars: float | None


def estimate(wish: Wish) -> list[Line]:
    """Counted before anything is sent, and at the most: what an earlier run has asked word for word costs nothing.
    An answer is taken to be as long as the expected one.
    """
    cases = wish.version.examples.exclude(body="").filter(Q(split="test") | Q(exchange__must_pass__isnull=False))
    found = cases.aggregate(count=Count("pk"), tokens=Sum("o200k_tokens"))
    calls = found["count"] * wish.repeats
    tokens = found["tokens"] / found["count"] if found["tokens"] else None
    lines = [Line(each.label, calls, _dollars_of(wish, each, calls, tokens)) for each in wish.contenders]
    return [*lines, *_opinions(wish, calls * len(lines), tokens)]


def _opinions(wish: Wish, answers: int, tokens: float | None) -> Iterator[Line]:
    """What the project's graders ask of models about so many answers."""
    for grader in wish.version.project.graders.select_related("provider"):
        if not is_judge(grader.definition) or grader.provider is None:
            continue
        orders = len(judge.questions(grader.definition, "", ""))
        rubric = sum(count_text(each["content"]) for each in grader.definition["input"])
        price = price_for(grader.provider, grader.definition["model"])
        dollars = None
        if price and price.input is not None and price.output is not None and tokens is not None:
            read, written = rubric + 2 * tokens, OPINION_TOKENS
            dollars = answers * orders * (read * price.input + written * price.output) / 1_000_000
        yield Line(f"Opinion: {grader.name}", answers * orders, dollars)


def _dollars_of(wish: Wish, contender: Contender, calls: int, tokens: float | None) -> float | None:
    price = price_for(contender.provider, contender.model)
    if price is None or price.input is None or price.output is None or tokens is None:
        return None
    read = tokens + _added_tokens(wish.version, contender)
    # Which part of an example is the answer is not counted apart: as if all were read, and a third of it written.
    return calls * (read * price.input + tokens / 3 * price.output) / 1_000_000


def _added_tokens(version: DatasetVersion, contender: Contender) -> int:
    """How many tokens longer the candidate's prompt is than the version's."""
    if contender.prompt == Prompt.CAPTURED:
        return max(version.figures.get("saved_tokens") or 0, 0)
    if contender.prompt == Prompt.OWN:
        return count_text(contender.prompt_text) - count_text(version.training_prompt)
    return 0


@transaction.atomic
def request_comparison(wish: Wish, user: User | None = None) -> EvaluationRun:
    """Have any candidates answer the held-out and the must-pass cases of a version. Raises NothingToEvaluate."""
    version = wish.version
    if not version.test_count:
        raise NothingToEvaluate(f"{version} has no held-out case. Include more rows: a part is held out.")
    run = EvaluationRun.objects.create(
        project=version.project,
        version=version,
        created_by=user,
        repeats=wish.repeats,
        per_minute=wish.per_minute,
        budget=wish.budget,
        measures_first_token=wish.measures_first_token,
        asks_again=wish.asks_again,
    )
    candidates = [
        EvaluationCandidate(
            run=run,
            role=Role.OTHER,
            provider=each.provider,
            model=each.model,
            prompt=each.prompt,
            prompt_text=each.prompt_text,
        )
        for each in wish.contenders
    ]
    _begin(run, candidates, must_pass_of(version))
    log.info("comparison %s requested candidates=%s", run.pk, len(candidates))
    return run


def raise_budget(run: EvaluationRun, budget: Decimal | None) -> bool:
    """Let a run that stands still at its budget go on. False when it does not stand still."""
    stands = EvaluationRun.objects.unfinished().filter(pk=run.pk, next_attempt_at=None, lease_until=None)
    return stands.update(budget=budget, next_attempt_at=Now(), error="") == 1
