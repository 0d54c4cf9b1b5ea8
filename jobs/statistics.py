"""What counts of right and wrong answers can tell, and what they cannot. Pure; short functions instead of a library
that would take a second to load.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, comb, exp, lgamma, log, sqrt
from statistics import NormalDist

# Two-sided 95 %; the chance to find a difference that is there, when cases are planned.
Z95 = NormalDist().inv_cdf(0.975)
POWER = 0.8
SIGNIFICANT = 0.05
# Beyond this the exact sums are taken over logarithms: the numbers would no longer fit a float.
_LARGE = 1000


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, with 95 % confidence."""

    low: float
    high: float


def wilson(right: int, total: int, z: float = Z95) -> Interval:
    """The interval of a share of `right` of `total`, by Wilson's score method; all of 0 to 1 where there is no case."""
    if not total:
        return Interval(0.0, 1.0)
    share = right / total
    middle = share + z * z / (2 * total)
    spread = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    low = 0.0 if right == 0 else (middle - spread) / scale
    return Interval(max(low, 0.0), 1.0 if right == total else min((middle + spread) / scale, 1.0))


def mcnemar(fixed: int, broken: int) -> float:
    """The exact two-sided p of McNemar's test: how often chance alone would split the cases on which two candidates
    differ at least as unevenly. 1 where they differ nowhere.
    """
    count, fewer = fixed + broken, min(fixed, broken)
    if count == 0:
        return 1.0
    return min(1.0, 2 * _below_half(fewer, count))


def _below_half(most: int, count: int) -> float:
    """The chance of at most `most` heads in `count` throws of a fair coin."""
    if count <= _LARGE:
        return sum(comb(count, heads) for heads in range(most + 1)) / 2**count
    # Each term is the one before it times (heads) / (count - heads + 1); they shrink fast towards zero heads.
    biggest = lgamma(count + 1) - lgamma(most + 1) - lgamma(count - most + 1) - count * log(2)
    total, term, heads = 0.0, 1.0, most
    while term > 1e-17 and heads >= 0:
        total += term
        term *= heads / (count - heads + 1)
        heads -= 1
    return min(1.0, exp(biggest) * total)


def gain(fixed: int, broken: int, total: int, z: float = Z95) -> Interval:
    """The interval of the paired difference of two shares, (fixed − broken) / total: Wald's with one case added to
    each way of differing (Bonett and Price 2012), which keeps its confidence also with few cases.
    """
    if not total:
        return Interval(-1.0, 1.0)
    up, down = (fixed + 1) / (total + 2), (broken + 1) / (total + 2)
    spread = z * sqrt((up + down - (up - down) ** 2) / (total + 2))
    return Interval(max(up - down - spread, -1.0), min(up - down + spread, 1.0))


def cases_needed(fixed: int, broken: int, total: int, power: float = POWER) -> int | None:
    """How many cases would tell, with that power, a difference like the one seen from chance (Connor 1987); None where
    nothing differs, so that no number of cases is enough.
    """
    if not total or fixed == broken:
        return None
    differing, difference = (fixed + broken) / total, (fixed - broken) / total
    z_power = NormalDist().inv_cdf(power)
    root = Z95 * sqrt(differing) + z_power * sqrt(max(differing - difference**2, 0.0))
    # Fewer than six differing cases can never be significant.
    return max(ceil((root / difference) ** 2), ceil(6 / differing))


def cases_for(difference: float, differing: float = 0.2, power: float = POWER) -> int:
    """How many cases would show a difference of that share, where candidates differ on `differing` of the cases."""
    differing = max(differing, abs(difference))
    root = Z95 * sqrt(differing) + NormalDist().inv_cdf(power) * sqrt(differing - difference**2)
    return ceil((root / difference) ** 2)


@dataclass(frozen=True)
class Paired:
    """Two candidates on the same cases: what the second gets right that the first does not, and the other way round."""

    fixed: int
    broken: int
    both_right: int
    both_wrong: int

    @property
    def total(self) -> int:
        return self.fixed + self.broken + self.both_right + self.both_wrong

    @property
    def same(self) -> int:
        return self.both_right + self.both_wrong

    @property
    def before_right(self) -> int:
        return self.both_right + self.broken

    @property
    def after_right(self) -> int:
        return self.both_right + self.fixed

    @property
    def p(self) -> float:
        return mcnemar(self.fixed, self.broken)

    @property
    def is_significant(self) -> bool:
        return self.p < SIGNIFICANT

    @property
    def gain(self) -> float:
        """The difference of the two shares, −1 to 1."""
        return (self.fixed - self.broken) / self.total if self.total else 0.0

    @property
    def interval(self) -> Interval:
        return gain(self.fixed, self.broken, self.total)

    @property
    def cases_needed(self) -> int | None:
        return cases_needed(self.fixed, self.broken, self.total)


def paired(before: Sequence[bool], after: Sequence[bool]) -> Paired:
    """Count over cases in the same order."""
    pairs = list(zip(before, after, strict=True))
    return Paired(
        fixed=pairs.count((False, True)),
        broken=pairs.count((True, False)),
        both_right=pairs.count((True, True)),
        both_wrong=pairs.count((False, False)),
    )


# Classes and scores


@dataclass(frozen=True)
class Agreement:
    """Of what was wanted and what was found: how much of the one is in the other. None where a share has no meaning."""

    hits: int
    spurious: int
    missed: int

    @property
    def precision(self) -> float | None:
        found = self.hits + self.spurious
        return self.hits / found if found else None

    @property
    def recall(self) -> float | None:
        wanted = self.hits + self.missed
        return self.hits / wanted if wanted else None

    @property
    def f1(self) -> float | None:
        """None where nothing was wanted and nothing found."""
        all_of_it = 2 * self.hits + self.spurious + self.missed
        return 2 * self.hits / all_of_it if all_of_it else None

    def __add__(self, other: "Agreement") -> "Agreement":
        return Agreement(self.hits + other.hits, self.spurious + other.spurious, self.missed + other.missed)


def brier(scores: Sequence[float], labels: Sequence[bool]) -> float | None:
    """The mean squared distance of scores from 0 to 1 to what is true: 0 is perfect, 0.25 is always saying one half."""
    if not scores:
        return None
    return sum((score - label) ** 2 for score, label in zip(scores, labels, strict=True)) / len(scores)


def roc_auc(scores: Sequence[float], labels: Sequence[bool]) -> float | None:
    """The chance that something true scores above something untrue, ties counting half; None where all are alike."""
    positive = sum(labels)
    negative = len(labels) - positive
    if not positive or not negative:
        return None
    ranks = _ranks(scores)
    of_positive = sum(rank for rank, label in zip(ranks, labels, strict=True) if label)
    return (of_positive - positive * (positive + 1) / 2) / (positive * negative)


def _ranks(values: Sequence[float]) -> list[float]:
    """From 1; like values share the mean of their places."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks, start = [0.0] * len(values), 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            ranks[place] = (start + 1 + end) / 2
        start = end
    return ranks
