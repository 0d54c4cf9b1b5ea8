"""How far the review is: what is left, how fast it goes, who holds what."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from .assigning import given_to_others
from .models import Exchange, Project, Review, ReviewSlot, User

# Counting stops here, so that a page costs the same however long the queue is.
COUNTED = 10_000
# Beyond this many the number may be a few seconds old: to count them would be the dearest part of a row's page.
COUNTED_ANEW = 1_000
COUNTED_EVERY = 10  # seconds
# So many verdicts of today are counted anew for a page; of more, what was counted is kept for so many seconds.
TODAY_COUNTED = 200
TODAY_ANEW = 60
PAUSE = timedelta(minutes=5)


@dataclass(frozen=True)
class Progress:
    """`left` rows can be decided now (counted up to 10,000, and anew each time up to 1,000); `today` were decided by
    this person since midnight UTC.
    """

    left: int
    today: int
    seconds_each: float | None
    can_undo: bool = False

    @property
    def total(self) -> int:
        return self.today + self.left

    @property
    def seconds_left(self) -> float | None:
        return None if self.seconds_each is None else self.seconds_each * self.left


def open_now(project: Project) -> QuerySet[ReviewSlot]:
    """Slots that wait for a person now, held or not."""
    return project.slots.filter(Q(not_before=None) | Q(not_before__lte=Now()), done_at=None)


_STANDS = "r.verb <> 'undone' AND (SELECT count(*) FROM curation_review o WHERE o.reverses_id = r.id) = 0"
# How many `open_now` finds.
_LEFT = """(
    SELECT count(*) FROM (
        SELECT FROM curation_reviewslot WHERE project_id = %(project)s AND done_at IS NULL
          AND (not_before IS NULL OR not_before <= statement_timestamp())
        LIMIT %(most)s
    ) AS open
)"""
# One query for what every page of the queue shows: that, and what `review.undoable` finds, today and at all. Only one's
# own verdicts can be undone, so those of today less what took one of them back are what stands; looked up one by one,
# or among all that a person ever decided, they would cost more than the rest of the page. Of today only what came after
# `since` is counted. A scalar count and not NOT EXISTS: the planner may read the whole table for that.
_PROGRESS = f"""
WITH counted AS MATERIALIZED (
    SELECT id, verb, reverses_id, created_at FROM curation_review
    WHERE project_id = %(project)s AND reviewer_id = %(me)s AND created_at > %(since)s
)
SELECT {_LEFT},
    (SELECT count(*) FILTER (WHERE verb <> 'undone')
        - count(*) FILTER (WHERE verb = 'undone' AND reverses_id >= coalesce(%(first)s, (SELECT min(id) FROM counted)))
        FROM counted),
    (SELECT min(id) FROM counted), (SELECT max(created_at) FROM counted),
    ARRAY(SELECT created_at FROM curation_review
        WHERE project_id = %(project)s AND reviewer_id = %(me)s AND verb <> 'undone' AND created_at >= %(midnight)s
        ORDER BY created_at DESC LIMIT 21),
    (SELECT true FROM curation_review r WHERE r.project_id = %(project)s AND r.reviewer_id = %(me)s AND {_STANDS}
        ORDER BY r.id DESC LIMIT 1) IS NOT NULL
"""  # noqa: S608 - constants of ours


@dataclass(frozen=True)
class _Day:
    """What a person decided of a day until a moment, and the first of it."""

    since: datetime
    first: int | None = None
    count: int = 0


def progress(project: Project, user: User) -> Progress:
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    place = f"today-{project.pk}-{user.pk}-{midnight.date()}"
    known: _Day = cache.get(place) or _Day(midnight - timedelta(microseconds=1))
    with connection.cursor() as cursor:
        values: dict[str, Any] = {"project": project.pk, "me": user.pk, "midnight": midnight, "most": COUNTED_ANEW + 1}
        cursor.execute(_PROGRESS, values | {"since": known.since, "first": known.first})
        left, more, first, newest, times, can_undo = cursor.fetchone()
    if left > COUNTED_ANEW:
        left = cache.get_or_set(f"left-{project.pk}", partial(_left, project), COUNTED_EVERY)
    today = known.count + more
    if more > TODAY_COUNTED:
        cache.set(place, _Day(newest, known.first or first, today), TODAY_ANEW)
    return Progress(left, today, _pace(times), can_undo)


def _left(project: Project) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_LEFT}", {"project": project.pk, "most": COUNTED + 1})
        return cursor.fetchone()[0]


def _pace(times: list[datetime]) -> float | None:
    """Median seconds between verdicts, newest first; pauses do not count. None until there is something to say."""
    gaps = [later - earlier for later, earlier in pairwise(times)]
    working = [gap.total_seconds() for gap in gaps if gap < PAUSE]
    return median(working) if len(working) >= 3 else None


_LAST = """
SELECT r.id, r.verb, r.created_at, r.reasons, r.reverses_id, r.slot_id, r.exchange_id, r.state_after, r.reviewer_id,
    r.project_id, left(e.user_prompt, 80) AS excerpt,
    (SELECT count(*) FROM curation_review o WHERE o.reverses_id = r.id) > 0 AS is_undone
FROM curation_review r JOIN curation_exchange e ON e.id = r.exchange_id
WHERE r.project_id = %(project)s AND r.reviewer_id = %(me)s AND (%(before)s::bigint IS NULL OR r.id < %(before)s)
ORDER BY r.id DESC LIMIT %(count)s
"""


def last_verdicts(project: Project, user: User, count: int = 8, before: int | None = None) -> list[Review]:
    """The person's newest verdicts, or those before that one, with `excerpt`, the beginning of the prompt, and
    `is_undone`.
    """
    values = {"project": project.pk, "me": user.pk, "before": before, "count": count}
    return list(Review.objects.raw(_LAST, values))


@dataclass(frozen=True)
class Team:
    """What all reviewers did since midnight UTC. `people` (name, verdicts, seconds each) is empty for who may not see
    others' pace.
    """

    count: int
    reviewers: int
    seconds_left: float | None  # as fast as all of them were today
    people: list[tuple[str, int, float | None]]


# An opinion on a row that is not settled is left out: who gave one must not be guessed from a count that moves.
_TODAY = f"""
SELECT u.username, r.created_at FROM curation_membership m JOIN curation_user u ON u.id = m.user_id
CROSS JOIN LATERAL (
    SELECT * FROM curation_review r WHERE r.project_id = m.project_id AND r.reviewer_id = m.user_id
    ORDER BY r.id DESC LIMIT %(most)s
) r
WHERE m.project_id = %(project)s AND r.created_at >= %(midnight)s AND {_STANDS}
  AND NOT (r.is_opinion AND EXISTS (
      SELECT FROM curation_exchange e WHERE e.id = r.exchange_id AND e.state NOT IN ('included', 'excluded')))
ORDER BY u.username, r.id DESC
"""  # noqa: S608 - constants of ours


def team(project: Project, left: int, names: bool) -> Team:
    """`left` rows wait; `names`: may the visitor see who did how much? One query."""
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    times: dict[str, list[datetime]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_TODAY, {"project": project.pk, "midnight": midnight, "most": 1000})
        for name, time in cursor:
            times.setdefault(name, []).append(time)
    paces = {name: _pace(theirs) for name, theirs in times.items()}
    together = sum(1 / pace for pace in paces.values() if pace)  # verdicts a second
    return Team(
        count=sum(map(len, times.values())),
        reviewers=len(times),
        seconds_left=left / together if together else None,
        people=[(name, len(theirs), paces[name]) for name, theirs in times.items()] if names else [],
    )


@dataclass(frozen=True)
class Standing:
    """Why the queue has nothing to hand out."""

    held: list[ReviewSlot]
    put_off_count: int
    next_due: datetime | None
    has_rows: bool
    awaiting_count: int
    given_count: int  # rows that wait for other people alone


def standing(project: Project, user: User) -> Standing:
    others = ReviewSlot.objects.filter(exchange=OuterRef("exchange")).exclude(pk=OuterRef("pk"))
    put_off = project.slots.filter(done_at=None, not_before__gt=Now()).order_by("not_before")
    return Standing(
        held=list(
            open_now(project)
            .filter(claimed_until__gt=Now())
            .annotate(is_one_of_several=Exists(others))
            .select_related("reviewer")
            .order_by("claimed_until")
        ),
        put_off_count=put_off.count(),
        next_due=put_off.values_list("not_before", flat=True).first(),
        has_rows=project.exchanges.exists(),
        awaiting_count=project.exchanges.filter(state=Exchange.State.AWAITING)[:COUNTED].count(),
        given_count=given_to_others(project, user),
    )
