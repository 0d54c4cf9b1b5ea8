"""What a run of candidates shows in figures, and in a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, Prefetch, Q, prefetch_related_objects

from curation.models import Provider

from .models import EvaluationCandidate, EvaluationRun
from .statistics import Interval, wilson

# Below this many cases a sentence says that there are few.
FEW = 30
Role, Prompt = EvaluationCandidate.Role, EvaluationCandidate.Prompt
# A run's candidates with their providers, read once.
CANDIDATES = Prefetch("candidates", EvaluationCandidate.objects.select_related("provider"))

# By case first: one that is asked several times is right when most of its answers are.
_FIGURES = """
WITH answers AS (
    SELECT r.*, x.split = 'test' AS is_held FROM jobs_evaluationresult r
    JOIN jobs_evaluationcandidate c ON c.id = r.candidate_id
    JOIN curation_example x ON x.id = r.example_id
    WHERE c.run_id = %(run)s
), cases AS (
    SELECT candidate_id, example_id, is_held,
        2 * count(*) FILTER (WHERE is_right) > count(*) AS is_right,
        2 * count(*) FILTER (WHERE is_exact) > count(*) AS is_exact,
        2 * count(*) FILTER (WHERE is_json_equal) > count(*) AS is_json_equal,
        bool_or(answer IS NULL) AS has_failed,
        bool_or(is_right) AND NOT bool_and(is_right) AS wavers,
        bool_or(fits_schema IS FALSE) AS misses_schema, bool_or(fits_schema IS NOT NULL) AS has_schema
    FROM answers GROUP BY 1, 2, 3
), judged AS (
    SELECT candidate_id,
        count(*) FILTER (WHERE is_held AND is_right) AS "right", count(*) FILTER (WHERE is_held) AS total,
        count(*) FILTER (WHERE is_held AND is_exact) AS exact,
        count(*) FILTER (WHERE is_held AND is_json_equal) AS json_equal,
        count(*) FILTER (WHERE is_held AND has_failed) AS failed,
        count(*) FILTER (WHERE is_held AND wavers) AS wavering,
        count(*) FILTER (WHERE misses_schema) AS schema_missed, count(*) FILTER (WHERE has_schema) AS schema_total,
        array_agg(example_id) FILTER (WHERE is_right) AS right_cases
    FROM cases GROUP BY 1
), must AS (
    SELECT j.candidate_id, count(*) AS must_pass_total,
        count(*) FILTER (WHERE m.example_id = ANY(j.right_cases)) AS must_pass_right
    FROM judged j CROSS JOIN jobs_evaluationrun_must_pass m
    WHERE m.evaluationrun_id = %(run)s
        AND EXISTS (SELECT FROM cases c WHERE (c.candidate_id, c.example_id) = (j.candidate_id, m.example_id))
    GROUP BY 1
), measured AS (
    SELECT candidate_id, count(*) AS answers, count(reused_id) AS reused,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms) AS p50_ms,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms) AS p95_ms,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY first_token_ms) AS first_p50_ms,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY first_token_ms) AS first_p95_ms,
        avg(prompt_tokens)::float8 AS prompt_tokens, avg(completion_tokens)::float8 AS completion_tokens
    FROM answers GROUP BY 1
)
SELECT candidate_id, "right", total, exact, json_equal, failed, wavering, schema_missed, schema_total,
    COALESCE(must_pass_right, 0), COALESCE(must_pass_total, 0), answers, reused,
    p50_ms, p95_ms, first_p50_ms, first_p95_ms, prompt_tokens, completion_tokens
FROM judged JOIN measured USING (candidate_id) LEFT JOIN must USING (candidate_id)
"""


@dataclass(frozen=True)
class CandidateSummary:
    """How one candidate did. `right` and `total` count held-out cases alone. Latencies in milliseconds; tokens are the
    mean of one call; None where not known.
    """

    candidate: EvaluationCandidate
    right: int = 0
    total: int = 0
    exact: int = 0
    json_equal: int = 0
    failed: int = 0
    # Cases asked several times that were answered right now and wrong then.
    wavering: int = 0
    # Cases whose answer does not fit the project's schema, of those it was held against.
    schema_missed: int = 0
    schema_total: int = 0
    must_pass_right: int = 0
    must_pass_total: int = 0
    answers: int = 0
    # Answers taken over from an earlier run, which asked the same.
    reused: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    first_p50_ms: float | None = None
    first_p95_ms: float | None = None
    prompt_tokens: float | None = None
    completion_tokens: float | None = None

    @property
    def role(self) -> str:
        return self.candidate.role

    @property
    def name(self) -> str:
        """As sentences and charts call it."""
        return self.candidate.label

    @property
    def share(self) -> float:
        """Right answers of all cases, 0 to 1."""
        return self.right / self.total if self.total else 0.0

    @property
    def percent(self) -> int:
        return round(self.share * 100)

    @property
    def interval(self) -> Interval:
        """Where the share lies with 95 % confidence."""
        return wilson(self.right, self.total)

    @property
    def dollars_per_1000(self) -> float | None:
        """What a thousand calls cost in US dollars; None where tokens or prices are not known."""
        if self.prompt_tokens is None or self.completion_tokens is None:
            return None
        price = self.candidate.price(self.prompt_tokens, self.completion_tokens)
        return None if price is None else price * 1000


def summary(run: EvaluationRun) -> list[CandidateSummary]:
    """One summary for each candidate, in the order they were named."""
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES, {"run": run.pk})
        figures = {pk: rest for pk, *rest in cursor}
    prefetch_related_objects([run], CANDIDATES)
    return [CandidateSummary(candidate, *figures.get(candidate.pk, ())) for candidate in run.candidates.all()]


def tallies(runs: Sequence[EvaluationRun]) -> dict[int, list[EvaluationCandidate]]:
    """By run: its candidates with their counts `right` and `total`, of answers; for lists, in one query."""
    is_held = Q(results__example__split="test")
    counted = EvaluationCandidate.objects.filter(run__in=runs).annotate(
        right=Count("results", filter=is_held & Q(results__is_right=True)), total=Count("results", filter=is_held)
    )
    found: dict[int, list[EvaluationCandidate]] = {}
    for candidate in counted:
        found.setdefault(candidate.run_id, []).append(candidate)
    return found


def by_role(candidates: Sequence[EvaluationCandidate]) -> dict[str, EvaluationCandidate]:
    """The first of each role."""
    found: dict[str, EvaluationCandidate] = {}
    for candidate in candidates:
        found.setdefault(candidate.role, candidate)
    return found


def of_role(summaries: Sequence[CandidateSummary], role: str) -> CandidateSummary | None:
    return next((each for each in summaries if each.role == role), None)


def of_model(summaries: Sequence[CandidateSummary], provider: Provider, model: str) -> CandidateSummary | None:
    """The summary of that model, whatever its role. Of an untuned model that was asked with two prompts, the one with
    the captured prompt: that is what applications send it.
    """
    same = [each for each in summaries if (each.candidate.provider_id, each.candidate.model) == (provider.pk, model)]
    return next((each for each in same if each.candidate.prompt == Prompt.CAPTURED), same[0] if same else None)


def subject_of(candidates: Sequence[EvaluationCandidate]) -> EvaluationCandidate | None:
    """What a run is about: its tuned model, else what was named last."""
    tuned = (each for each in candidates if each.role == Role.TUNED)
    return next(tuned, candidates[-1] if len(candidates) > 1 else None)


def compared_with(candidates: Sequence[EvaluationCandidate]) -> EvaluationCandidate | None:
    """What the subject would replace: what is served now where that is another model, else its base, with the captured
    prompt where it was asked with that.
    """
    subject = subject_of(candidates)
    others = [each for each in candidates if each != subject]
    serving = [each for each in others if each.role == Role.SERVING]
    base = [each for each in others if each.role == Role.BASE]
    captured = [each for each in base if each.prompt == Prompt.CAPTURED]
    return next(iter([*serving, *captured, *base, *others]), None)


def sentence(summaries: Sequence[CandidateSummary]) -> str:
    """“Tuned answers 41 of 52 held-out cases right, base 0 of 52.”"""
    subject = subject_of([each.candidate for each in summaries])
    first = next((each for each in summaries if each.candidate == subject), None)
    if first is None or not first.total:
        return "No answers yet."
    said = f"{first.name} answers {first.right} of {first.total} held-out cases right"
    for each in summaries:
        if each is not first and each.total:
            words = each.name[0].lower() + each.name[1:] if each.role != Role.OTHER else each.name
            said += f", {words} {each.right} of {each.total}"
    said += "."
    if first.total < FEW:
        said += f" Only {first.total} cases: a difference of a few may be chance."
    return said
