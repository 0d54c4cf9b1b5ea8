"""Rows given to one person: nobody else gets them out of the queue until they are given to anybody again."""

import logging

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from .models import Exchange, Project, ReviewSlot, User

logger = logging.getLogger(__name__)
MOST = 10_000


class TooMany(Exception):
    """More rows than may be given at once; the message says how many."""


def assign(project: Project, rows: QuerySet[Exchange], person: User | None) -> int:
    """Give those of the rows that wait for their only opinion to the person, None: to anybody. How many were given.

    A row that somebody else holds at the moment stays as it is, and so does one that several people decide. Raises
    TooMany.
    """
    ids = list(rows.order_by("-pk").values_list("pk", flat=True)[: MOST + 1])
    if len(ids) > MOST:
        raise TooMany(f"At most {MOST:,} rows can be given at once. Narrow the search.")
    several = ReviewSlot.objects.filter(exchange=OuterRef("exchange"), position__gt=1)
    slots = project.slots.filter(~Exists(several), exchange__in=ids, done_at=None, position=1)
    free = Q(claimed_until=None) | Q(claimed_until__lt=Now()) | Q(reviewer=person)
    count = slots.filter(free).update(meant_for=person)
    logger.info("project %s: %s rows given to user %s", project.pk, count, person.pk if person else None)
    return count


def given_to(project: Project, person: User) -> int:
    """How many rows wait for this person alone."""
    return project.slots.filter(meant_for=person, done_at=None).count()


def given_to_others(project: Project, person: User) -> int:
    """How many rows wait for other people alone."""
    return project.slots.filter(meant_for__isnull=False, done_at=None).exclude(meant_for=person).count()
