"""A model before the gate: its figures are gathered from an evaluation, judged, and kept with the verdict."""

import logging
from dataclasses import asdict, dataclass, replace

from django.db import transaction

from curation.models import ModelAlias, Project, User
from curation.prices import price_for

from . import graders
from .comparisons import Comparison, must_pass
from .gate import Check, Figures, Limits, Slice, has_passed, judge, summed_up
from .models import EvaluationCandidate, EvaluationResult, EvaluationRun, GateCheck, GatePolicy, GateResult
from .models.registry import ModelVersion
from .registry import evaluation_of
from .reports import CandidateSummary, of_model, summary

log = logging.getLogger(__name__)


def policy_of(project: Project) -> GatePolicy:
    policy, _ = GatePolicy.objects.get_or_create(project=project)
    policy.project = project  # known already
    return policy


def limits_of(policy: GatePolicy) -> Limits:
    return Limits(
        minimum_gain=policy.minimum_gain,
        most_chance=policy.most_chance,
        most_slice_loss=policy.most_slice_loss,
        most_p95_ms=policy.most_p95_ms,
        most_price=None if policy.most_price is None else float(policy.most_price),
        least_valid=policy.least_valid,
    )


@dataclass(frozen=True)
class Judged:
    """A verdict that is not kept: for a page that shows what would be said."""

    evaluation: EvaluationRun | None
    limits: Limits
    figures: Figures
    checks: list[Check]

    @property
    def is_passed(self) -> bool:
        return has_passed(self.checks)

    @property
    def words(self) -> str:
        return summed_up(self.checks)


def look(alias: ModelAlias, model: ModelVersion, evaluation: EvaluationRun | None = None) -> Judged:
    """What the gate says of the model now, by its latest finished evaluation unless another is given."""
    evaluation = evaluation or evaluation_of(model)
    limits = limits_of(policy_of(model.project))
    figures = figures_of(alias, model, evaluation, limits)
    return Judged(evaluation, limits, figures, judge(figures, limits))


@transaction.atomic
def pass_judgement(
    alias: ModelAlias, model: ModelVersion, evaluation: EvaluationRun | None = None, user: User | None = None
) -> GateResult:
    """The same, kept for ever with its figures and limits."""
    judged = look(alias, model, evaluation)
    result = GateResult.objects.create(
        alias=alias,
        model_version=model,
        evaluation=judged.evaluation,
        compared_provider=alias.provider,
        compared_model=alias.model,
        is_passed=judged.is_passed,
        words=judged.words,
        limits=asdict(judged.limits),
        figures=asdict(judged.figures),
        created_by=user,
    )
    GateCheck.objects.bulk_create(
        GateCheck(result=result, code=check.code, verdict=check.verdict.value, words=check.words)
        for check in judged.checks
    )
    log.info("gate %s model_version=%s passed=%s", result.pk, model.pk, result.is_passed)
    return result


# The figures


def figures_of(
    alias: ModelAlias, model: ModelVersion, evaluation: EvaluationRun | None, limits: Limits | None = None
) -> Figures:
    """What an evaluation says of the model against what the alias serves now."""
    summaries = summary(evaluation) if evaluation else []
    tuned, serving = of_model(summaries, model.provider, model.name), of_model(summaries, alias.provider, alias.model)
    if evaluation is None or tuned is None:
        return Figures(alias=alias.name, total=0, before=None, after=0)
    valid, checked = _validity(model.project, tuned.candidate)
    must = must_pass(evaluation, tuned.candidate)
    figures = Figures(
        alias=alias.name,
        total=tuned.total,
        before=None,
        after=tuned.right,
        must_pass=must.total,
        missed=tuple(f"row {case.exchange_id}" for case in must.failed),
        p95_ms=tuned.p95_ms,
        price=price_of_calls(tuned),
        valid=valid,
        checked=checked,
    )
    return _compared(figures, serving.candidate, tuned.candidate) if serving else figures


def price_of_calls(of: CandidateSummary) -> float | None:
    """US dollars for 1,000 calls with as many tokens as these had; None where the price or the tokens are not known."""
    if (known := of.dollars_per_1000) is not None:
        return known
    price = price_for(of.candidate.provider, of.candidate.model)
    if price is None or price.input is None or price.output is None:
        return None
    if of.prompt_tokens is None or of.completion_tokens is None:
        return None
    return (of.prompt_tokens * price.input + of.completion_tokens * price.output) / 1000


def _validity(project: Project, candidate: EvaluationCandidate) -> tuple[int, int]:
    """How many answers have the shape that is asked for, of how many; (0, 0) where none is asked."""
    if not project.is_json:
        return 0, 0
    answers = EvaluationResult.objects.filter(candidate=candidate).values_list("answer", flat=True)
    valid = [is_as_asked(project, answer) for answer in answers.iterator(chunk_size=500)]
    return sum(valid), len(valid)


def is_as_asked(project: Project, answer: str | None) -> bool:
    """Whether an answer is the JSON that the project wants; any text is where it wants text."""
    return graders.fits(answer, project.answer_schema) if project.is_json else bool(answer)


def _compared(figures: Figures, before: EvaluationCandidate, after: EvaluationCandidate) -> Figures:
    """With what changed on the cases that both answered, in all and in each part of them."""
    compared = Comparison(before, after)
    found = compared.paired
    return replace(
        figures,
        total=found.total,
        before=found.before_right,
        after=found.after_right,
        fixed=found.fixed,
        broken=found.broken,
        slices=tuple(
            Slice(f"{part.kind} {part.name}", part.paired.total, part.paired.before_right, part.paired.after_right)
            for part in compared.slices
        ),
    )
