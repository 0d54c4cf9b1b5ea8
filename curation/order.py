"""In which order a person gets the rows: what claims ask before they look for the next one."""

from dataclasses import dataclass

from .models import Project, ReviewOrder, User

Kind = ReviewOrder.Kind


@dataclass(frozen=True)
class Order:
    """Conditions and an ORDER BY on a slot `s`, all constants of this module, each with an index of its own.

    `beyond` is what comes after the slot whose id, priority, seen_count and draw are the parameters %(after)s,
    %(priority)s, %(seen_count)s and %(draw)s. `only` narrows the rows by %(share)s.
    """

    by: str
    beyond: str
    only: str = "true"
    share: float = 1.0


_ORDERS = {
    Kind.ATTENTION: Order("s.priority DESC, s.id DESC", "(s.priority, s.id) < (%(priority)s, %(after)s)"),
    Kind.NEWEST: Order("s.id DESC", "s.id < %(after)s"),
    Kind.MOST_SEEN: Order("s.seen_count DESC, s.id DESC", "(s.seen_count, s.id) < (%(seen_count)s, %(after)s)"),
}


def chosen(project: Project, user: User) -> ReviewOrder:
    """The person's choice in this project; the usual one, not stored, where none was made."""
    choice = ReviewOrder.objects.filter(project=project, user=user).first()
    return choice or ReviewOrder(project=project, user=user)


def order_of(project: Project, user: User) -> Order:
    """The order as claims need it."""
    choice = chosen(project, user)
    if choice.kind == Kind.SAMPLE:
        # Each row drew its place when it was made, so that a sample is the same rows for all and each day.
        share = choice.sample_percent / 100
        return Order("s.draw, s.id", "(s.draw, s.id) > (%(draw)s, %(after)s)", "s.draw < %(share)s", share)
    return _ORDERS[Kind(choice.kind)]


def choose(project: Project, user: User, kind: str, sample_percent: int | None = None) -> None:
    """Remember the person's choice. Its rows are handed out from the next claim on."""
    values = {"kind": kind} | ({"sample_percent": sample_percent} if sample_percent else {})
    ReviewOrder.objects.update_or_create(project=project, user=user, defaults=values)
