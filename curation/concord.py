"""How much the reviewers of a project agree, in all and by pair. Only rows count that all their people have decided."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations

from .agreement import cohens_kappa, krippendorffs_alpha, raw_agreement
from .models import Exchange, Project, Review
from .opinions import GIVEN

State = Exchange.State
NEWEST = 20_000  # opinions; older ones say little about how people work now


@dataclass(frozen=True)
class Pair:
    one: str
    other: str
    count: int
    raw: float | None
    kappa: float | None


@dataclass(frozen=True)
class Concord:
    """`count` rows had two opinions or more; `raw` is the share of pairs of like verdicts."""

    count: int
    raw: float | None
    alpha: float | None
    pairs: list[Pair]


def concord(project: Project) -> Concord:
    rated: dict[int, dict[str, str]] = defaultdict(dict)
    for exchange, name, verb in _opinions(project):
        rated[exchange][name] = verb
    items = [by_name for by_name in rated.values() if len(by_name) > 1]
    both: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for by_name in items:
        for one, other in combinations(sorted(by_name), 2):
            both[one, other].append((by_name[one], by_name[other]))
    pairs = [
        Pair(one, other, len(verbs), raw_agreement(verbs), cohens_kappa(verbs))
        for (one, other), verbs in sorted(both.items())
    ]
    every = [verbs for of_pair in both.values() for verbs in of_pair]
    alpha = krippendorffs_alpha([list(by_name.values()) for by_name in items])
    return Concord(len(items), raw_agreement(every), alpha, pairs)


def _opinions(project: Project) -> list[tuple[int, str, str]]:
    decided = [State.INCLUDED, State.EXCLUDED, State.AWAITING]
    given = Review.objects.filter(
        project=project, is_opinion=True, reversed_by=None, verb__in=GIVEN, exchange__state__in=decided
    )
    newest = given.order_by("-id")[:NEWEST]
    return list(newest.values_list("exchange_id", "reviewer__username", "verb"))
