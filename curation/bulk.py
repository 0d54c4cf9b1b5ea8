"""One verdict on many rows: counted and tried first, then given, then taken back as one if need be.

Each step takes up to CHUNK rows in one short transaction and can be done again: a web request does the few steps of a
small change, a worker those of a large one.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now

from .freezing import rules_of
from .models import BulkChange, BulkRow, Exchange, Project, Review, ReviewSlot, User
from .preflight import Severity, check_example
from .rendering import Renderer, Unteachable
from .review import LATER

logger = logging.getLogger(__name__)
CHUNK = 500
MOST = 10_000
TYPED_ABOVE = 100  # so many rows take more than one press
Status, Outcome, State, Verb = BulkChange.Status, BulkRow.Outcome, Exchange.State, Review.Verb
WANTED = (Outcome.FIT, Outcome.CONTRADICTS)
_STATES = {Verb.INCLUDED: State.INCLUDED, Verb.EXCLUDED: State.EXCLUDED, Verb.LATER: State.LATER}


class TooMany(Exception):
    """More rows than one change may touch; the message says what to do."""


def plan(
    project: Project, user: User, verb: str, rows: QuerySet[Exchange] | Iterable[tuple[int, int]], query: str = ""
) -> BulkChange:
    """Write down which rows are meant, in which state: of a search, or pairs of id and version. Raises TooMany."""
    found = rows.order_by("pk").values_list("pk", "version")[: MOST + 1] if isinstance(rows, QuerySet) else rows
    wanted = dict(found)
    if len(wanted) > MOST:
        raise TooMany(f"That is more than {MOST:,} rows, the most that one change may touch. Narrow the search.")
    with transaction.atomic():
        # Only rows of this project, whatever ids were sent.
        known = set(project.exchanges.filter(pk__in=wanted).values_list("pk", flat=True))
        bulk = BulkChange.objects.create(project=project, user=user, verb=verb, query=query, total_count=len(known))
        rows_of = [BulkRow(bulk=bulk, exchange_id=pk, version=wanted[pk]) for pk in sorted(known)]
        BulkRow.objects.bulk_create(rows_of, batch_size=2000)
    logger.info("project %s: bulk change %s of %s rows planned by user %s", project.pk, bulk.pk, len(known), user.pk)
    return bulk


def confirm(bulk: BulkChange) -> bool:
    """Let it happen. False when it was not waiting for that."""
    return _move(bulk, Status.READY, Status.RUNNING)


def take_back(bulk: BulkChange) -> bool:
    """Take all of it back as one. False when there is nothing to take back."""
    return _move(bulk, Status.DONE, Status.UNDOING)


def counts(bulk: BulkChange) -> dict[str, int]:
    """How many rows by outcome."""
    return dict(bulk.rows.order_by().values_list("outcome").annotate(count=Count("*")))


def due() -> QuerySet[BulkChange]:
    """Changes under way that nobody has moved for two seconds."""
    waiting = BulkChange.objects.filter(status__in=[Status.CHECKING, Status.RUNNING, Status.UNDOING])
    return waiting.filter(moved_at__lt=Now() - timedelta(seconds=2))


def advance(pk: int, steps: int = MOST // CHUNK * 3) -> None:
    """Take the change as far as it goes by itself, at most so many steps."""
    for _ in range(steps):
        if not _step(pk):
            return


@transaction.atomic
def _step(pk: int) -> bool:
    """One chunk; False when there is nothing more to do now, or another worker is at it."""
    bulk = BulkChange.objects.select_for_update(skip_locked=True, of=["self"]).select_related("project", "user")
    change = bulk.filter(pk=pk).first()
    if change is None or not change.is_moving:
        return False
    outcomes, work, after = _STEPS[Status(change.status)]
    rows = list(change.rows.filter(outcome__in=outcomes).order_by("exchange")[:CHUNK])
    if rows:
        work(change, rows)
        BulkRow.objects.bulk_update(rows, ["outcome", "review"])
    is_last = len(rows) < CHUNK
    BulkChange.objects.filter(pk=pk).update(moved_at=Now(), **({"status": after} if is_last else {}))
    if is_last:
        logger.info("bulk change %s is %s", pk, after)
    return not is_last


def _move(bulk: BulkChange, before: str, after: str) -> bool:
    moved = BulkChange.objects.filter(pk=bulk.pk, status=before).update(status=after, moved_at=Now())
    return bool(moved)


def _check(bulk: BulkChange, rows: list[BulkRow]) -> None:
    """Try it: what would happen to each row."""
    columns = ("messages", "response", "target", "tools", "answer_schema", "state", "version", "family", "project")
    exchanges = Exchange.objects.only(*columns).in_bulk([row.exchange_id for row in rows])
    unfit = _unfit(bulk, rows)
    contradicting = _contradicting(bulk, rows) if bulk.verb == Verb.INCLUDED else set()
    fails = _failing(bulk.project) if bulk.verb == Verb.INCLUDED else lambda exchange: False
    for row in rows:
        exchange = exchanges[row.exchange_id]
        if exchange.version != row.version:
            row.outcome = Outcome.CHANGED
        elif exchange.state == _STATES[Verb(bulk.verb)]:
            row.outcome = Outcome.SAME
        elif row.exchange_id in unfit:
            row.outcome = unfit[row.exchange_id]
        elif fails(exchange):
            row.outcome = Outcome.FAILS
        else:
            row.outcome = Outcome.CONTRADICTS if row.exchange_id in contradicting else Outcome.FIT


def _apply(bulk: BulkChange, rows: list[BulkRow]) -> None:
    exchanges = _locked(rows)
    unfit = _unfit(bulk, rows)
    reviews: list[Review] = []
    for row in rows:
        exchange = exchanges[row.exchange_id]
        if exchange.version != row.version:
            row.outcome = Outcome.CHANGED
        elif row.exchange_id in unfit:
            row.outcome = unfit[row.exchange_id]
        else:
            row.outcome, row.review = Outcome.DONE, _review(bulk, exchange, _STATES[Verb(bulk.verb)])
            reviews.append(row.review)
    Review.objects.bulk_create(reviews)
    ids = [review.exchange_id for review in reviews]
    is_decided = bulk.verb != Verb.LATER
    Exchange.objects.filter(pk__in=ids).update(
        state=_STATES[Verb(bulk.verb)],
        included=Now() if bulk.verb == Verb.INCLUDED else None,
        decided_at=Now() if is_decided else None,
        decided_by=bulk.user if is_decided else None,
        version=F("version") + 1,
    )
    _slots(ids).update(
        reviewer=bulk.user if is_decided else None,
        claim_token=None,
        claimed_until=None,
        done_at=Now() if is_decided else None,
        not_before=None if is_decided else Now() + LATER,
    )


def _undo(bulk: BulkChange, rows: list[BulkRow]) -> None:
    """Each row as it was, unless somebody decided it since."""
    exchanges = _locked(rows)
    before = Review.objects.in_bulk([row.review_id for row in rows])
    reviews: list[Review] = []
    for row in rows:
        exchange, given = exchanges[row.exchange_id], before[row.review_id]
        if exchange.version != given.version_after:
            row.outcome = Outcome.KEPT
            continue
        row.outcome = Outcome.UNDONE
        review = _review(bulk, exchange, given.state_before)
        review.verb, review.reverses = Verb.UNDONE, given
        reviews.append(review)
        exchange.state, exchange.included = given.state_before, given.included_before
        exchange.version += 1
    Review.objects.bulk_create(reviews)
    changed = [review.exchange for review in reviews]
    Exchange.objects.bulk_update(changed, ["state", "included", "version"])
    decided = [row.pk for row in changed if row.state in (State.INCLUDED, State.EXCLUDED)]
    waiting = [row.pk for row in changed if row.state not in (State.INCLUDED, State.EXCLUDED)]
    earlier = Review.objects.filter(exchange=OuterRef("pk"), reversed_by=None).exclude(verb=Verb.UNDONE).order_by("-id")
    decider = Subquery(earlier.values("reviewer")[:1])
    Exchange.objects.filter(pk__in=decided).update(decided_at=Now(), decided_by=decider)
    Exchange.objects.filter(pk__in=waiting).update(decided_at=None, decided_by=None)
    free = {"reviewer": None, "claim_token": None, "claimed_until": None, "not_before": None}
    _slots(decided).update(**free, done_at=Now())
    _slots(waiting).update(**free, done_at=None)


_Work = Callable[[BulkChange, list[BulkRow]], None]
# For each moving status: the rows still to be taken, what is done with them, and what comes after.
_STEPS: dict[str, tuple[tuple[str, ...], _Work, str]] = {
    Status.CHECKING: ((Outcome.UNCHECKED,), _check, Status.READY),
    Status.RUNNING: (WANTED, _apply, Status.DONE),
    Status.UNDOING: ((Outcome.DONE,), _undo, Status.UNDONE),
}


def _locked(rows: list[BulkRow]) -> dict[int, Exchange]:
    """Locked in the order of their ids, like everywhere, so that no two wait for each other in a circle."""
    columns = ("project_id", "state", "target", "target_origin", "included", "version")
    locked = Exchange.objects.select_for_update(no_key=True).only(*columns).order_by("pk")
    return {exchange.pk: exchange for exchange in locked.filter(pk__in=[row.exchange_id for row in rows])}


def _slots(ids: list[int]) -> QuerySet[ReviewSlot]:
    return ReviewSlot.objects.filter(exchange__in=ids, position=1)


def _unfit(bulk: BulkChange, rows: list[BulkRow]) -> dict[int, str]:
    """Rows that another person has in hand, or that more than one person is to decide."""
    slots = ReviewSlot.objects.filter(exchange__in=[row.exchange_id for row in rows])
    held = slots.filter(done_at=None, claimed_until__gt=Now()).exclude(reviewer=bulk.user)
    shared = slots.filter(position__gt=1).values_list("exchange", flat=True)
    found: dict[int, str] = dict.fromkeys(shared, Outcome.SHARED)
    return found | dict.fromkeys(held.values_list("exchange", flat=True), Outcome.HELD)


def _contradicting(bulk: BulkChange, rows: list[BulkRow]) -> set[int]:
    """Rows of whose family another is included with another answer."""
    answer = Coalesce("target", "response")
    other = (
        bulk.project.exchanges.included()
        .filter(family=OuterRef("family"))
        .exclude(pk=OuterRef("pk"))
        .annotate(answer=answer)
        .exclude(answer=OuterRef("answer"))
    )
    mine = bulk.project.exchanges.filter(pk__in=[row.exchange_id for row in rows], family__isnull=False)
    return set(mine.annotate(answer=answer).filter(Exists(other)).values_list("pk", flat=True))


def _failing(project: Project) -> Callable[[Exchange], bool]:
    """Would the freeze refuse this row?"""
    renderer, rules = Renderer(project), rules_of(project)

    def fails(exchange: Exchange) -> bool:
        try:
            example = renderer.example(exchange.messages, exchange.teaches, exchange.tools)
        except Unteachable:
            return True
        found = check_example(example, rules, schema=exchange.answer_schema)
        return any(finding.severity == Severity.BLOCKER for finding in found)

    return fails


def _review(bulk: BulkChange, exchange: Exchange, state: str) -> Review:
    return Review(
        project_id=exchange.project_id,
        exchange=exchange,
        reviewer=bulk.user,
        verb=bulk.verb,
        via=Review.Via.BULK,
        state_before=exchange.state,
        state_after=state,
        target_before=exchange.target,
        target_after=exchange.target,
        origin_before=exchange.target_origin,
        origin_after=exchange.target_origin,
        included_before=exchange.included,
        version_after=exchange.version + 1,
    )
