"""What a fine-tune saves: what a project's own rows say of its traffic, prompts, prices and people's time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from django.db.models import Avg, Count, FloatField, Min, Q, Sum
from django.db.models.functions import Coalesce, Least
from django.utils import timezone

from curation.models import LoggedCall, ModelAlias, Project, Provider, Review, User
from curation.prices import price_for
from curation.pricing import Change, Outlay, Price, Rate, break_even_on, days_to_break_even, usual_epochs

from .models import EvaluationRun, ModelVersion, PaybackForecast, Promotion
from .registry import main_alias
from .reports import of_role, summary

WINDOW = timedelta(days=30)
# Somebody who went for lunch with the page open did not review all the time.
LONGEST_REVIEW = 600.0
HOURLY = 40.0


PriceOf = Callable[[Provider, str], Price | None]


@dataclass(frozen=True)
class Measured:
    """What the rows say. None: nothing is known; the form begins with a guess then."""

    calls_per_day: float | None
    long_tokens: float | None
    short_tokens: float | None
    completion_tokens: float | None
    before: Rate | None
    after: Rate | None
    training: float | None
    reviewer_minutes: float


def measured(project: Project, now: datetime | None = None) -> Measured:
    """Traffic and tokens of the last thirty days; prompt lengths of the latest evaluation where calls tell nothing."""
    now = now or timezone.now()
    calls = _calls(project, now - WINDOW)
    base, short = _evaluated(project)
    price = cache(price_for)  # the base's is asked twice
    rate = _rate(project, price)
    long_tokens = calls["long"] if calls["long"] is not None else base
    return Measured(
        calls_per_day=_a_day(calls, now),
        long_tokens=long_tokens,
        short_tokens=short,
        completion_tokens=calls["answer"],
        before=rate,
        after=rate,
        training=_training(project, price),
        reviewer_minutes=reviewer_minutes(project),
    )


def _rate(project: Project, price_of: PriceOf) -> Rate | None:
    provider = project.default_provider
    price = price_of(provider, provider.base_model) if provider else None
    if price is None or price.input is None or price.output is None:
        return None
    return Rate(price.input, price.output)


def _calls(project: Project, since: datetime) -> dict[str, Any]:
    """How many came through the gateway and when the first did; mean tokens of those no tuned model answered."""
    tuned = ModelVersion.objects.filter(project=project).values("name")
    untuned = Q(prompt_tokens__isnull=False) & ~Q(served_model__in=tuned)
    through = Q(source=LoggedCall.Source.GATEWAY)
    return LoggedCall.objects.filter(project=project, started_at__gt=since).aggregate(
        count=Count("pk", filter=through),
        first=Min("started_at", filter=through),
        long=Avg("prompt_tokens", filter=untuned),
        answer=Avg("completion_tokens", filter=untuned),
    )


def _a_day(calls: dict[str, Any], now: datetime) -> float | None:
    """The mean of the last thirty days, or of as many as there are calls for."""
    if not calls["count"]:
        return None
    return calls["count"] / max((now - calls["first"]).total_seconds() / 86_400, 1.0)


def _evaluated(project: Project) -> tuple[float | None, float | None]:
    """Mean prompt tokens of base and tuned model in the latest finished evaluation."""
    run = project.evaluations.filter(status=EvaluationRun.Status.SUCCEEDED).first()
    if run is None:
        return None, None
    summaries = summary(run)
    base, tuned = of_role(summaries, "base"), of_role(summaries, "tuned")
    return base.prompt_tokens if base else None, tuned.prompt_tokens if tuned else None


def _training(project: Project, price_of: PriceOf) -> float | None:
    """US dollars of the latest fine-tune: what the provider counted, else what its examples come to."""
    finetune = project.finetunes.select_related("version", "provider").first()
    price = price_of(finetune.provider, finetune.base_model) if finetune else None
    if finetune is None or price is None:
        return None
    if finetune.trained_tokens:
        return price.training(finetune.trained_tokens, 1)
    tokens = finetune.version.figures.get("tokens", {}).get("o200k_base", {}).get("train", 0)
    return price.training(tokens, usual_epochs(finetune.version.train_count))


def reviewer_minutes(project: Project) -> float:
    """Minutes people had rows open that they decided, none longer than ten."""
    seconds = Review.objects.filter(project=project, seconds_open__isnull=False).aggregate(
        total=Sum(Least("seconds_open", LONGEST_REVIEW, output_field=FloatField()))
    )
    return (seconds["total"] or 0) / 60


# Before and after


def keep(
    project: Project, inputs: dict[str, Any], change: Change, outlay: Outlay, user: User | None
) -> PaybackForecast:
    """Keep a forecast, counted from today."""
    return PaybackForecast.objects.create(
        project=project,
        inputs=inputs,
        saving_per_day=change.saving_per_day,
        outlay=outlay.total,
        break_even_on=break_even_on(change, outlay, timezone.localdate()),
        created_by=user,
    )


@dataclass(frozen=True)
class Since:
    """What calls since a promotion really cost, against what they would have cost with the model and prompt before."""

    alias: ModelAlias
    promotion: Promotion
    days: float
    calls: int
    prompt_tokens: float
    change: Change
    saved: float
    outlay: Outlay

    @property
    def days_left(self) -> int | None:
        """Until what is saved has paid the outlay, at the pace so far; 0 when it has, None when it never will."""
        return days_to_break_even(self.change, Outlay(max(self.outlay.total - self.saved, 0), 0, 0))

    @property
    def break_even_on(self) -> date | None:
        left = self.days_left
        return None if left is None else timezone.localdate() + timedelta(days=left)


def since_promotion(project: Project, outlay: Outlay, before: Rate, after: Rate) -> Since | None:
    """Measured since the tuned model that is served now was promoted. None without one, or without calls on both sides
    that say how many tokens they had.
    """
    alias = main_alias(project)
    promotion = _standing(alias) if alias else None
    if alias is None or promotion is None:
        return None
    ours = LoggedCall.objects.filter(
        project=project, requested_model=alias.name, prompt_tokens__isnull=False, completion_tokens__isnull=False
    )
    means = ours.filter(started_at__gt=promotion.created_at - WINDOW).aggregate(
        **_means("new", Q(served_model=promotion.model, started_at__gte=promotion.created_at)),
        **_means("old", Q(served_model=promotion.previous_model, started_at__lt=promotion.created_at)),
    )
    count = means["new_count"]
    if not count or not means["old_count"]:
        return None
    days = max((timezone.now() - promotion.created_at).total_seconds() / 86_400, 1 / 24)
    change = Change(count / days, means["old_prompt"], means["new_prompt"], means["new_completion"], before, after)
    saved = count * (before.call(means["old_prompt"], means["old_completion"]) - change.call_after)
    return Since(alias, promotion, days, count, means["new_prompt"], change, saved, outlay)


def _standing(alias: ModelAlias) -> Promotion | None:
    """The promotion by which the alias is answered as it is."""
    last = Promotion.objects.filter(alias=alias, provider=alias.provider, model=alias.model).first()
    return last if last and last.kind == Promotion.Kind.PROMOTED else None


def _means(name: str, those: Q) -> dict[str, Any]:
    """Of those calls: how many, and the mean tokens of prompt and answer."""
    return {
        f"{name}_count": Count("pk", filter=those),
        f"{name}_prompt": Coalesce(Avg("prompt_tokens", filter=those), 0.0, output_field=FloatField()),
        f"{name}_completion": Coalesce(Avg("completion_tokens", filter=those), 0.0, output_field=FloatField()),
    }
