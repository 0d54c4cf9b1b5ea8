"""Whether a model may take over: figures and limits in, one sentence for each rule out. Pure: no Django, no rows.

Everything is paired: both models answered the same held-out cases, so what counts is the cases that changed. The exact
McNemar test says how likely such a difference is when the two are equally good.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from .statistics import Interval, gain, mcnemar

MOST_NAMED = 5


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"  # the rule is not set, or does not apply


@dataclass(frozen=True)
class Limits:
    """What is asked of a model. Gains and losses in percentage points; None: not asked."""

    minimum_gain: float = 1.0
    most_chance: float | None = None
    most_slice_loss: float | None = 10.0
    least_slice: int = 5
    most_p95_ms: float | None = None
    most_price: float | None = None
    least_valid: float | None = 95.0


class Slice(NamedTuple):
    """A part of the cases: how many of them each model had right."""

    name: str
    total: int
    before: int
    after: int

    @property
    def loss(self) -> float:
        """Percentage points lost; negative where it gained."""
        return (self.before - self.after) / self.total * 100


@dataclass(frozen=True)
class Figures:
    """What was measured on the same cases. `before` and `after` are counts of right answers; `before` None: what is
    served now was not asked. `must_pass` and `missed` count the cases a person marked as never to be wrong; `price` is
    US dollars for 1,000 calls; `valid` of `checked` answers had the shape that is asked for.
    """

    alias: str
    total: int
    before: int | None
    after: int
    fixed: int = 0
    broken: int = 0
    must_pass: int = 0
    missed: Sequence[str] = ()
    slices: Sequence[Slice] = ()
    p95_ms: float | None = None
    price: float | None = None
    valid: int = 0
    checked: int = 0

    @property
    def chance(self) -> float:
        return mcnemar(self.fixed, self.broken)

    @property
    def interval(self) -> Interval:
        """Where the gain lies with 95 % confidence, as a share."""
        return gain(self.fixed, self.broken, self.total)


class Check(NamedTuple):
    """One rule's verdict, in words with its numbers."""

    code: str
    verdict: Verdict
    words: str


def judge(figures: Figures, limits: Limits) -> list[Check]:
    """Every rule's verdict, also of those that are not asked, in the order a person reads them."""
    rules = (_must_pass, _gain, _chance, _slices, _validity, _latency, _price)
    return [rule(figures, limits) for rule in rules]


def has_passed(checks: Sequence[Check]) -> bool:
    return bool(checks) and all(check.verdict != Verdict.FAILED for check in checks)


def summed_up(checks: Sequence[Check]) -> str:
    """The whole in a sentence: what failed, or how many rules it passed."""
    failed = [check.words for check in checks if check.verdict == Verdict.FAILED]
    if failed:
        return f"Stopped: {' '.join(failed)}"
    passed = sum(check.verdict == Verdict.PASSED for check in checks)
    return (
        f"Passed: {passed} of {passed} rules that apply hold." if passed > 1 else "Passed: the rule that applies holds."
    )


def _must_pass(figures: Figures, limits: Limits) -> Check:
    code = "must_pass"
    if not figures.must_pass:
        return Check(code, Verdict.SKIPPED, "No held-out case is marked as one that must be right.")
    if not figures.missed:
        return Check(code, Verdict.PASSED, f"All {figures.must_pass} cases that must be right are right.")
    named = ", ".join(figures.missed[:MOST_NAMED])
    more = f" and {len(figures.missed) - MOST_NAMED} more" if len(figures.missed) > MOST_NAMED else ""
    wrong = len(figures.missed)
    verb = "is" if wrong == 1 else "are"
    return Check(
        code, Verdict.FAILED, f"{wrong} of {figures.must_pass} cases that must be right {verb} wrong: {named}{more}."
    )


def _gain(figures: Figures, limits: Limits) -> Check:
    code, served = "gain", f"what “{figures.alias}” serves now"
    if not figures.total:
        return Check(code, Verdict.FAILED, "No held-out case was answered, so nothing is known of this model.")
    if figures.before is None:
        return Check(
            code, Verdict.FAILED, f"This model was not compared with {served} on the same cases. Evaluate it again."
        )
    gained, between = (figures.after - figures.before) / figures.total * 100, figures.interval
    words = (
        f"{figures.after} of {figures.total} right, {served} {figures.before}: {gained:+.1f} points "
        f"({figures.fixed} fixed, {figures.broken} broken; 95 % sure between {between.low * 100:+.1f} and "
        f"{between.high * 100:+.1f}); at least {limits.minimum_gain:+g} asked."
    )
    return Check(code, _verdict(gained >= limits.minimum_gain), words)


def _chance(figures: Figures, limits: Limits) -> Check:
    code, p = "chance", figures.chance
    if figures.before is None:
        return Check(code, Verdict.SKIPPED, "Without a comparison there is no chance to compute.")
    words = f"{figures.fixed} fixed against {figures.broken} broken would be chance with p = {p:.2g}"
    if limits.most_chance is None:
        return Check(code, Verdict.SKIPPED, f"{words}; no limit is set.")
    # A limit on chance asks for proof of a gain. Where a loss is allowed, it is the loss that must not be proven.
    if limits.minimum_gain <= 0:
        is_fine = figures.broken <= figures.fixed or p > limits.most_chance
        return Check(code, _verdict(is_fine), f"{words}; a loss must not be proven at {limits.most_chance:g}.")
    is_fine = figures.fixed > figures.broken and p <= limits.most_chance
    return Check(code, _verdict(is_fine), f"{words}; at most {limits.most_chance:g} allowed.")


def _slices(figures: Figures, limits: Limits) -> Check:
    code, most = "slices", limits.most_slice_loss
    if most is None:
        return Check(code, Verdict.SKIPPED, "No limit is set to what a part of the cases may lose.")
    judged = [part for part in figures.slices if part.total >= limits.least_slice]
    if not judged or figures.before is None:
        return Check(code, Verdict.SKIPPED, f"No part of the cases has {limits.least_slice} cases to be judged by.")
    worse = sorted((part for part in judged if part.loss > most), key=lambda part: -part.loss)
    if worse:
        named = "; ".join(f"“{part.name}” {part.before} → {part.after} of {part.total}" for part in worse[:MOST_NAMED])
        return Check(code, Verdict.FAILED, f"Lost more than {most:g} points in {len(worse)} of {len(judged)}: {named}.")
    return Check(code, Verdict.PASSED, f"None of {len(judged)} parts of the cases lost more than {most:g} points.")


def _validity(figures: Figures, limits: Limits) -> Check:
    code, least = "validity", limits.least_valid
    if least is None or not figures.checked:
        return Check(code, Verdict.SKIPPED, "Answers of this project have no shape to check.")
    share = figures.valid / figures.checked * 100
    words = f"{figures.valid} of {figures.checked} answers have the shape asked for, {share:.1f} %"
    return Check(code, _verdict(share >= least), f"{words}; at least {least:g} % asked.")


def _latency(figures: Figures, limits: Limits) -> Check:
    code, most = "latency", limits.most_p95_ms
    if most is None:
        return Check(code, Verdict.SKIPPED, "No limit is set to how long an answer may take.")
    if figures.p95_ms is None:
        return Check(code, Verdict.FAILED, f"How long answers take is not known; at most {most:g} ms is asked.")
    words = f"95 of 100 answers took {figures.p95_ms:.0f} ms or less; at most {most:g} ms allowed."
    return Check(code, _verdict(figures.p95_ms <= most), words)


def _price(figures: Figures, limits: Limits) -> Check:
    code, most = "price", limits.most_price
    if most is None:
        return Check(code, Verdict.SKIPPED, "No limit is set to the price.")
    if figures.price is None:
        return Check(code, Verdict.FAILED, f"What this model costs is not known; at most ${most:g} is asked.")
    words = f"1,000 calls cost ${figures.price:.4g}; at most ${most:g} allowed."
    return Check(code, _verdict(figures.price <= most), words)


def _verdict(is_fine: bool) -> Verdict:
    return Verdict.PASSED if is_fine else Verdict.FAILED
