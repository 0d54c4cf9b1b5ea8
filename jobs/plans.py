"""A fine-tune before it is paid for: what it would cost, what stands against it, and what deserves a second look."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import ROUND_UP, Decimal
from typing import Any

from django.db.models import Max, Sum
from django.db.models.functions import Length
from django.utils import timezone

from curation.models import DatasetVersion, Provider
from curation.prices import price_for
from curation.pricing import TOKEN_LIMIT, Price, usual_epochs
from curation.profiles import BaseModel, Profile

CENT = Decimal("0.01")
LETTERS_A_TOKEN = 4
# A retirement this near is told beside the button.
SOON = 90
METHOD_NAMES = {"supervised": "supervised training", "dpo": "training on preferences", "reinforcement": "reinforcement"}


@dataclass(frozen=True)
class Plan:
    """What somebody wishes to train. `hyperparameters` without a name that is left to the provider."""

    version: DatasetVersion
    provider: Provider
    base_model: str
    method: str = "supervised"
    suffix: str = ""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    # US dollars for a million tokens, typed just now.
    typed_price: Decimal | None = None

    @property
    def profile(self) -> Profile:
        return self.provider.profile

    @property
    def model(self) -> BaseModel | None:
        return self.profile.model(self.base_model)


@dataclass(frozen=True)
class Estimate:
    """US dollars for training: tokens of a pass × passes × price. `amount` is None where no price is known."""

    token_count: int
    passes: int
    # The passes are the provider's choice, and this is what it usually chooses.
    is_guess: bool
    price: Price | None
    amount: Decimal | None

    @property
    def is_free(self) -> bool:
        return self.amount == 0


def estimate(plan: Plan) -> Estimate:
    tokens = plan.version.train_tokens or _rough_tokens(plan.version)
    chosen = plan.hyperparameters.get("n_epochs")
    passes = chosen if isinstance(chosen, int) else usual_epochs(plan.version.train_count)
    price = price_for(plan.provider, plan.base_model)
    if plan.typed_price is not None:
        price = replace(price or Price(), train=float(plan.typed_price), source="typed by you", read_on=None)
    dollars = price.training(tokens, passes) if price else None
    amount = None if dollars is None else Decimal(str(dollars)).quantize(CENT, ROUND_UP)
    return Estimate(tokens, passes, not isinstance(chosen, int), price, amount)


def _rough_tokens(version: DatasetVersion) -> int:
    """For versions frozen before tokens were counted: four letters a token, as English has it."""
    letters = version.examples.filter(split="train").aggregate(sum=Sum(Length("body")))["sum"] or 0
    return round(letters / LETTERS_A_TOKEN)


def faults(plan: Plan, today: date | None = None) -> Iterator[str]:
    """What the provider would refuse, as far as is known: each a sentence that says what to do."""
    today = today or timezone.now().date()
    yield from _faults_of_size(plan)
    profile, model = plan.profile, plan.model
    if not profile.has_jobs:
        yield (
            f"{profile.name} does not take fine-tuning jobs by OpenAI's protocol. Download the file in the format "
            f"“{profile.export_format}”, train there, and enter the model's name as a base model in the settings."
        )
    if profile.fine_tuning_closes and today >= profile.fine_tuning_closes:
        closed = _day(profile.fine_tuning_closes)
        yield f"{profile.name} takes no new fine-tunes since {closed}. Choose another provider."
    if plan.method not in profile.methods:
        yield f"{profile.name} does not offer {METHOD_NAMES[plan.method]}. Choose another way, or another provider."
    if model and model.is_alias:
        dated = [other.pattern for other in profile.models if other.pattern.startswith(f"{plan.base_model}-2")]
        yield (
            f"{plan.base_model} stands for a dated model and cannot be tuned itself. "
            f"Name the dated one{f': {dated[0]}' if dated else ''}."
        )
    elif model and model.ends_on and today >= model.ends_on:
        yield f"{plan.base_model} is gone since {_day(model.ends_on)}. Choose another base model."
    elif model and model.methods and plan.method not in model.methods:
        yield (
            f"{plan.base_model} is not tuned by {METHOD_NAMES[plan.method]} at {profile.name}, "
            f"only by {' or '.join(METHOD_NAMES[each] for each in model.methods)}."
        )
    if profile.suffix_pattern and not re.fullmatch(profile.suffix_pattern, plan.suffix):
        yield f"{profile.name} does not take this suffix: {plan.suffix}. Leave out the dots."


def _faults_of_size(plan: Plan) -> Iterator[str]:
    count, profile = plan.version.train_count, plan.profile
    if count < profile.example_least:
        yield (
            f"{plan.version} has {count} training examples; providers want at least {profile.example_least}. "
            "Include more rows and freeze again."
        )
    if plan.method == "reinforcement" and not plan.version.validation_count:
        yield "Reinforcement needs a validation file. Set a validation share in the settings and freeze again."
    if profile.example_most and count > profile.example_most:
        yield f"{profile.name} takes at most {profile.example_most:,} examples; {plan.version} has {count:,}."
    limit = (plan.model and plan.model.example_tokens) or TOKEN_LIMIT
    if (longest := _longest(plan.version)) > limit:
        yield (
            f"The longest example has {longest:,} tokens; {plan.base_model} reads {limit:,} and silently drops the "
            "rest, which is where the answer stands. Shorten or exclude it and freeze again."
        )


def warnings(plan: Plan, today: date | None = None) -> Iterator[str]:
    """What does not forbid it, but should be known before paying."""
    today = today or timezone.now().date()
    profile = plan.profile
    if (ends_on := profile.ends_on(plan.base_model)) and 0 < (days := (ends_on - today).days) <= SOON:
        yield (
            f"{plan.base_model} and everything tuned on it stop answering on {_day(ends_on)}, in {days} days. "
            "The same version can be trained elsewhere."
        )
    if (closes := profile.fine_tuning_closes) and 0 < (days := (closes - today).days) <= SOON:
        yield f"{profile.name} takes no new fine-tunes from {_day(closes)} on, in {days} days. {profile.remark}"
    if profile.hosting_per_hour:
        yield profile.remark
    if plan.method == "dpo":
        yield "Only rows whose answer a person corrected are sent: the correction is preferred to what was captured."
    for code, severity, count in plan.version.figures.get("findings", []):
        if severity == "warning":
            yield f"The preflight warned of {code.replace('-', ' ')} in {count:,} row{'' if count == 1 else 's'}."


def _longest(version: DatasetVersion) -> int:
    return version.examples.exclude(split="test").aggregate(most=Max("o200k_tokens"))["most"] or 0


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
