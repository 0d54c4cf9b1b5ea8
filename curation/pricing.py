"""What training and answering cost, and when a fine-tune has paid for itself. Pure; the prices themselves are data
(profiles.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil

TOKEN_LIMIT = 65_536


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens, for training by the hour where it is billed so; None is not known."""

    train: float | None = None
    train_hour: float | None = None
    input: float | None = None
    cached: float | None = None
    output: float | None = None
    source: str = ""
    read_on: date | None = None

    def training(self, tokens: int, passes: int) -> float | None:
        """US dollars for so many passes over so many tokens."""
        return None if self.train is None else self.train * tokens * passes / 1_000_000

    def answering(self, prompt_tokens: int, answer_tokens: int) -> float | None:
        """US dollars for one call."""
        if self.input is None or self.output is None:
            return None
        return (self.input * prompt_tokens + self.output * answer_tokens) / 1_000_000


def usual_epochs(count: int) -> int:
    """Passes that OpenAI takes over so many examples unless told otherwise, by its own notebook."""
    if count * 3 < 100:
        return min(25, 100 // max(count, 1))
    return max(1, 25_000 // count) if count * 3 > 25_000 else 3


# Payback


DAYS_A_YEAR = 365
# Beyond this a date says nothing.
LONGEST_DAYS = 36_500


@dataclass(frozen=True)
class Rate:
    """US dollars for a million tokens that are read and written."""

    input: float
    output: float

    def call(self, prompt_tokens: float, completion_tokens: float) -> float:
        return (prompt_tokens * self.input + completion_tokens * self.output) / 1_000_000


@dataclass(frozen=True)
class Change:
    """Calls as they are made now, and as they would be made to a tuned model with a shorter prompt."""

    calls_per_day: float
    long_tokens: float
    short_tokens: float
    completion_tokens: float
    before: Rate
    after: Rate

    @property
    def call_before(self) -> float:
        return self.before.call(self.long_tokens, self.completion_tokens)

    @property
    def call_after(self) -> float:
        return self.after.call(self.short_tokens, self.completion_tokens)

    @property
    def saved_share(self) -> float | None:
        """Which part of the money is saved, 0 to 1; below 0 where it costs more. None where calls cost nothing now."""
        return 1 - self.call_after / self.call_before if self.call_before else None

    @property
    def saving_per_day(self) -> float:
        return self.calls_per_day * (self.call_before - self.call_after)

    @property
    def saving_per_year(self) -> float:
        return self.saving_per_day * DAYS_A_YEAR


@dataclass(frozen=True)
class Outlay:
    """What is paid once: training, evaluation, and people's time at so many dollars an hour."""

    training: float
    reviewer_minutes: float
    hourly: float
    evaluation: float = 0.0

    @property
    def people(self) -> float:
        return self.reviewer_minutes / 60 * self.hourly

    @property
    def total(self) -> float:
        return self.training + self.evaluation + self.people


def days_to_break_even(change: Change, outlay: Outlay) -> int | None:
    """Whole days until the savings have paid the outlay; None where they never do, or not within a hundred years."""
    if change.saving_per_day <= 0:
        return None
    days = ceil(outlay.total / change.saving_per_day - 1e-9)
    return days if days <= LONGEST_DAYS else None


def break_even_on(change: Change, outlay: Outlay, start: date) -> date | None:
    days = days_to_break_even(change, outlay)
    return None if days is None else start + timedelta(days=days)


@dataclass(frozen=True)
class Sum:
    """A sum that is told about fine-tuning, done again. `adds_up` with what is told alone; `words` say how."""

    told: str
    adds_up: bool
    words: str


def sums_told(inputs: Mapping[str, float]) -> list[Sum]:
    """The two sums that made people want this, computed. `inputs`: known prices of reading by model's name."""
    return [_shorter_prompt(inputs), _cheaper_model()]


def _shorter_prompt(inputs: Mapping[str, float]) -> Sum:
    calls, long_tokens, claimed = 100_000, 139, 14_000
    saved = [(long_tokens - short) * calls * DAYS_A_YEAR / 1_000_000 for short in (100, 99)]  # million tokens a year
    low, high = claimed / saved[1], claimed / saved[0]
    words = (
        f"39 to 40 tokens fewer are {saved[0]:,.1f} to {saved[1]:,.0f} million tokens a year. That is 14,000 dollars "
        f"only at {low:.2f} to {high:.2f} dollars a million"
    )
    fitting = sorted(name for name, price in inputs.items() if low * 0.95 <= price <= high * 1.05)
    if fitting:
        words += f", the price of {', '.join(fitting[:3])}."
    elif inputs:
        name, dearest = max(inputs.items(), key=lambda entry: entry[1])
        words += (
            f"; the dearest input that is known, {dearest:.2f} ({name}), makes it {saved[1] * dearest:,.0f} dollars."
        )
    told = "A prompt of 139 tokens cut to under 100, at 100,000 calls a day, saves 14,000 dollars a year."
    return Sum(told, bool(fitting), words)


def _cheaper_model() -> Sum:
    before, after = 150, 9
    share = 1 - after / before
    return Sum(
        told="9 dollars in place of 150 for 10,000 calls: 94 % less.",
        adds_up=round(share * 100) == 94,
        words=f"1 − {after} / {before} = {share * 100:.1f} %, {(before - after) / 10_000:.4f} dollars a call.",
    )
