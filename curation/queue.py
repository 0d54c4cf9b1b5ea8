"""How far the review is: what is left, how fast it goes, who holds what."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Left, Now
from django.utils import timezone

from .models import Exchange, Project, Review, ReviewSlot, User

# Counting stops here, so that a page costs the same however long the queue is.
COUNTED = 10_000
PAUSE = timedelta(minutes=5)


@dataclass(frozen=True)
class Progress:
    """`left` rows can be decided now (counted up to 10,000); `today` were decided by this person since midnight UTC."""

    left: int
    today: int
    seconds_each: float | None

    @property
    def total(self) -> int:
        return self.today + self.left

    @property
    def seconds_left(self) -> float | None:
        return None if self.seconds_each is None else self.seconds_each * self.left


def open_now(project: Project) -> QuerySet[ReviewSlot]:
    """Slots that wait for a person now, held or not."""
    return project.slots.filter(Q(not_before=None) | Q(not_before__lte=Now()), done_at=None)


def progress(project: Project, user: User) -> Progress:
    mine = project.reviews.filter(reviewer=user).exclude(verb=Review.Verb.UNDONE).order_by("-id")
    times = list(mine.filter(reversed_by=None).values_list("created_at", flat=True)[:1000])
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    today = [time for time in times if time >= midnight]
    return Progress(open_now(project)[: COUNTED + 1].count(), len(today), _pace(today[:21]))


def _pace(times: list[datetime]) -> float | None:
    """Median seconds between verdicts, newest first; pauses do not count. None until there is something to say."""
    gaps = [later - earlier for later, earlier in pairwise(times)]
    working = [gap.total_seconds() for gap in gaps if gap < PAUSE]
    return median(working) if len(working) >= 3 else None


def last_verdicts(project: Project, user: User, count: int = 8, before: int | None = None) -> QuerySet[Review]:
    """The person's newest verdicts, or those before that one, with `excerpt`, the beginning of the prompt, and
    `is_undone`.
    """
    undoing = Review.objects.filter(reverses=OuterRef("pk"))
    mine = project.reviews.filter(reviewer=user)
    return (
        (mine if before is None else mine.filter(pk__lt=before))
        .annotate(excerpt=Left("exchange__user_prompt", 80), is_undone=Exists(undoing))
        .only(
            "verb",
            "created_at",
            "reasons",
            "reverses_id",
            "slot_id",
            "exchange_id",
            "state_after",
            "reviewer_id",
            "project_id",
        )
        .order_by("-id")[:count]
    )


@dataclass(frozen=True)
class Standing:
    """Why the queue has nothing to hand out."""

    held: list[ReviewSlot]
    put_off_count: int
    next_due: datetime | None
    has_rows: bool
    awaiting_count: int


def standing(project: Project) -> Standing:
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
    )
