"""How much reviewers agree, beyond what chance would bring. Pure."""

from collections import Counter
from collections.abc import Hashable, Sequence
from itertools import permutations


def raw_agreement(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """The share of pairs of like verdicts; None without any."""
    return sum(one == other for one, other in pairs) / len(pairs) if pairs else None


def cohens_kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """Cohen's kappa of two raters over the items both rated: 1 full agreement, 0 as by chance. None where it is not
    defined: nothing rated, or only one category ever given.
    """
    if not pairs:
        return None
    count = len(pairs)
    firsts, seconds = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    by_chance = sum(firsts[kind] * seconds[kind] for kind in firsts) / count**2
    if by_chance == 1:
        return None
    return (sum(one == other for one, other in pairs) / count - by_chance) / (1 - by_chance)


def krippendorffs_alpha(items: Sequence[Sequence[Hashable]]) -> float | None:
    """Krippendorff's alpha for any number of raters and nominal categories; an item lists the ratings it got. Items
    with one rating say nothing. None where it is not defined.
    """
    coincidences: Counter[tuple[Hashable, Hashable]] = Counter()
    for ratings in items:
        if len(ratings) < 2:
            continue
        for pair in permutations(ratings, 2):
            coincidences[pair] += 1 / (len(ratings) - 1)  # type: ignore[assignment]
    totals: Counter[Hashable] = Counter()
    for (one, _), weight in coincidences.items():
        totals[one] += weight
    total = sum(totals.values())
    expected = sum(totals[one] * totals[other] for one in totals for other in totals if one != other)
    if not expected:
        return None
    observed = sum(weight for (one, other), weight in coincidences.items() if one != other)
    return 1 - (total - 1) * observed / expected
