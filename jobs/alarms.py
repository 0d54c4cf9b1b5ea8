"""Whether the calls of a model go worse than those before it. Pure: counts in, sentences out.

The exact one-sided test (Fisher) says how often chance alone would put so many of the bad calls on one side. It is
asked again and again while calls come, so its limit is strict, and it is asked anew only when the calls have grown by a
quarter.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb
from typing import NamedTuple

LEAST_CALLS, LEAST_BAD = 20, 5
MOST_CHANCE = 0.001
# Where nothing is known of before: so many of the calls are too many in any case.
TOO_MANY = 0.5
GROWTH = 1.25


@dataclass(frozen=True)
class Window:
    """Counts of some calls: how many, how many brought no answer, how many answers have another shape than is asked
    for, and how many of the thumbs that were given point down.
    """

    calls: int = 0
    errors: int = 0
    answers: int = 0
    malformed: int = 0
    thumbs: int = 0
    down: int = 0

    @property
    def weight(self) -> int:
        return self.calls + self.thumbs


class Alarm(NamedTuple):
    code: str
    chance: float
    words: str


def alarms(now: Window, before: Window) -> list[Alarm]:
    """What has risen beyond chance."""
    return [alarm for alarm in _compared(now, before) if alarm]


def is_worth_a_look(now: Window, last_weight: int) -> bool:
    return now.weight >= max(LEAST_CALLS, last_weight * GROWTH)


def fisher(bad: int, total: int, bad_before: int, total_before: int) -> float:
    """The chance that, of all the bad ones, at least so many fall on this side by luck (one-sided, exact)."""
    all_bad, everything = bad + bad_before, total + total_before
    most = min(all_bad, total)
    ways = sum(comb(total, k) * comb(total_before, all_bad - k) for k in range(bad, most + 1))
    return ways / comb(everything, all_bad)


def _compared(now: Window, before: Window) -> Iterator[Alarm | None]:
    yield _alarm("errors", "brought no answer", now.errors, now.calls, before.errors, before.calls)
    yield _alarm(
        "shape", "had another shape than is asked for", now.malformed, now.answers, before.malformed, before.answers
    )
    yield _alarm("thumbs", "of the thumbs pointed down", now.down, now.thumbs, before.down, before.thumbs)


def _alarm(code: str, what: str, bad: int, total: int, bad_before: int, total_before: int) -> Alarm | None:
    if bad < LEAST_BAD or total < LEAST_CALLS:
        return None
    if total_before < LEAST_CALLS:
        words = f"{bad} of {total} {what}, and too little is known of before."
        return Alarm(code, 0.0, words) if bad >= total * TOO_MANY else None
    chance = fisher(bad, total, bad_before, total_before)
    if chance > MOST_CHANCE or bad * total_before <= bad_before * total:
        return None
    return Alarm(code, chance, f"{bad} of {total} {what}, before {bad_before} of {total_before} (p = {chance:.1g}).")
