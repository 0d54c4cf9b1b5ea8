"""Who holds which row. A claim lasts five minutes from the last sign of life, by the database's clock."""

import logging
import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from .models import Exchange, Project, ReviewSlot, Takeover, User
from .order import order_of

logger = logging.getLogger(__name__)
HELD_FOR = timedelta(minutes=5)
Place = tuple[str, str]  # a condition on a slot `s`, and the order in which those that meet it are taken
# `id = (… LIMIT 1)` and not `id IN (…)`: the planner may run the latter more than once and claim two. Of several places
# a later one is looked into only where those before it are empty.
_CLAIM = """
UPDATE curation_reviewslot
   SET claim_token = CASE WHEN reviewer_id = %(me)s AND claimed_until > statement_timestamp()
                          THEN claim_token ELSE %(token)s END,
       reviewer_id = %(me)s, claimed_until = statement_timestamp() + interval '5 minutes'
 WHERE id = COALESCE({places})
RETURNING *, (SELECT o.kind FROM curation_revieworder o
                WHERE o.project_id = curation_reviewslot.project_id AND o.user_id = %(me)s) AS order_kind,
             (SELECT o.sample_percent FROM curation_revieworder o
                WHERE o.project_id = curation_reviewslot.project_id AND o.user_id = %(me)s) AS order_percent
"""
# Where the claim would look, without taking anything.
_PEEK = "SELECT * FROM curation_reviewslot WHERE id = COALESCE({places})"
# `count(*) = 0` and not NOT EXISTS: the anti join would read the whole table for a reviewer without history. FILTER and
# not WHERE: else the planner may look among all rows the reviewer ever decided, for each row it considers.
_PLACE = """(SELECT s.id FROM curation_reviewslot s
 WHERE s.done_at IS NULL AND {where}
   AND (s.meant_for_id IS NULL OR s.meant_for_id = %(me)s)
   AND (SELECT count(*) FILTER (WHERE o.reviewer_id = %(me)s) FROM curation_reviewslot o
         WHERE o.exchange_id = s.exchange_id AND o.id <> s.id) = 0
 ORDER BY {order} LIMIT 1 {lock})"""
_LOCKED = "FOR UPDATE OF s SKIP LOCKED"
_FREE = "(s.claimed_until IS NULL OR s.claimed_until < statement_timestamp() OR s.reviewer_id = %(me)s)"
_OF_PROJECT = "s.project_id = %(project)s"
_MINE = f"{_OF_PROJECT} AND s.reviewer_id = %(me)s AND s.claimed_until > statement_timestamp()"
_DUE = f"{_OF_PROJECT} AND s.not_before <= statement_timestamp() AND {_FREE}"
_WAITING = f"{_OF_PROJECT} AND s.not_before IS NULL AND {_FREE}"


def next_slot(project: Project, user: User, after: ReviewSlot | None = None) -> ReviewSlot | None:
    """Claim the next row for this person, or None when nothing is free.

    Put-off rows that are due come first, then the others in the order the person has chosen. With `after` it goes on
    below that row and starts again at the top when the end is reached; without, a row the person still holds comes
    first of all.
    """
    return _first(project, user, after, _claim)


def peek(project: Project, user: User, after: ReviewSlot) -> ReviewSlot | None:
    """What `next_slot` would claim now; nothing is claimed, so another person may have it a moment later."""
    return _first(project, user, after, _look)


def _first(
    project: Project,
    user: User,
    after: ReviewSlot | None,
    find: Callable[[Sequence[Place], dict[str, Any]], ReviewSlot | None],
) -> ReviewSlot | None:
    order = order_of(project, user)
    values: dict[str, Any] = {"project": project.pk, "me": user.pk, "share": order.share}
    waiting = f"{_WAITING} AND {order.only}"
    if after is None:
        return find([(_MINE, "s.claimed_until DESC"), (_DUE, "s.not_before"), (waiting, order.by)], values)
    values |= {name: getattr(after, name) for name in ("priority", "seen_count", "draw")} | {"after": after.pk}
    below = [(f"{_DUE} AND s.id <> %(after)s", "s.not_before"), (f"{waiting} AND {order.beyond}", order.by)]
    return find(below, values) or find([(waiting, order.by), (_DUE, "s.not_before")], values)


def hold(exchange: Exchange, user: User) -> ReviewSlot | None:
    """Claim this row's open slot, or make an own claim last longer. None when another has it or nothing is open."""
    place = f"s.exchange_id = %(exchange)s AND {_FREE}", "s.reviewer_id IS DISTINCT FROM %(me)s, s.position"
    return _claim([place], {"exchange": exchange.pk, "me": user.pk})


@transaction.atomic
def take_over(exchange: Exchange, user: User) -> ReviewSlot | None:
    """Take the row out of another person's hands, which leaves a trace; None where nothing is open to be taken."""
    slots = list(exchange.slots.select_for_update(of=["self"]).select_related("reviewer").order_by("position"))
    if slot := hold(exchange, user):
        return slot
    slot = next((s for s in slots if s.done_at is None), None)
    if slot is None or slot.reviewer is None or any(s.reviewer_id == user.pk for s in slots):
        return None
    Takeover.objects.create(slot=slot, taken_by=user, taken_from=slot.reviewer)
    ReviewSlot.objects.filter(pk=slot.pk).update(
        reviewer=user, claim_token=uuid.uuid4(), claimed_until=Now() + HELD_FOR
    )
    logger.info("exchange %s taken by user %s from user %s", exchange.pk, user.pk, slot.reviewer_id)
    return ReviewSlot.objects.get(pk=slot.pk)


def taken_from(exchange: Exchange, user: User) -> Takeover | None:
    """Who took this row from the person, where that is why it is not theirs."""
    latest = Takeover.objects.filter(slot__exchange=exchange).select_related("taken_by").first()
    return latest if latest and latest.taken_from_id == user.pk else None


def release(slot_id: int, token: uuid.UUID | None) -> None:
    """Free a row left without a verdict. An old page's token frees nothing."""
    ReviewSlot.objects.filter(pk=slot_id, claim_token=token, claim_token__isnull=False, done_at=None).update(
        reviewer=None, claim_token=None, claimed_until=None
    )


def loosen(slot_id: int, token: uuid.UUID | None) -> None:
    """Let the claim end soon: its page was closed, or is only being loaded anew and will ask again."""
    soon = Now() + timedelta(seconds=30)
    claims = ReviewSlot.objects.filter(pk=slot_id, claim_token=token, claim_token__isnull=False, done_at=None)
    claims.filter(claimed_until__gt=soon).update(claimed_until=soon)


def bring_back(project: Project) -> int:
    """Make every put-off row of the project due now; the number of rows."""
    return ReviewSlot.objects.filter(project=project, done_at=None, not_before__gt=Now()).update(not_before=Now())


def first_slot(exchange: Exchange) -> ReviewSlot:
    """The slot a row's page speaks of: the first open one, else the first. With its `reviewer` loaded."""
    slots = exchange.slots.select_related("reviewer")
    return slots.order_by(F("done_at").desc(nulls_first=True), "position")[0]


def _look(places: Sequence[Place], values: dict[str, Any]) -> ReviewSlot | None:
    sql = _PEEK.format(places=_in_turn(places, ""))
    return next(iter(ReviewSlot.objects.raw(sql, values)), None)


def _claim(places: Sequence[Place], values: dict[str, Any]) -> ReviewSlot | None:
    sql = _CLAIM.format(places=_in_turn(places, _LOCKED))
    return next(iter(ReviewSlot.objects.raw(sql, values | {"token": uuid.uuid4()})), None)


def _in_turn(places: Sequence[Place], lock: str) -> str:
    # All of it are constants of this module and of `order`; whatever comes from outside is a parameter.
    return ", ".join(_PLACE.format(where=where, order=by, lock=lock) for where, by in places)
