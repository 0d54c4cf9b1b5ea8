"""Verdicts: given, refused when stale, undone at any depth. What happened is in Review, what holds now on the row."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Now

from .claims import first_slot, next_slot
from .drafts import dropped
from .labels import label
from .models import Exchange, Project, Review, ReviewSlot, User
from .opinions import is_blind, refuse_unless_resolver, take_opinion, withdraw, withdraw_after
from .verdicts import (
    LATER,
    Refused,
    Stale,
    State,
    Verb,
    already,
    effective,
    holder_besides,
    locked,
    locked_slots,
    refuse_unteachable,
    reopen,
    review_of,
    settle,
    settled,
    taught,
    write,
)

__all__ = ["NothingToUndo", "Refused", "Stale", "Ticket", "decide", "effective", "label", "next_slot", "redo", "undo"]

_STATE_AFTER = {Verb.INCLUDED: State.INCLUDED, Verb.EXCLUDED: State.EXCLUDED, Verb.LATER: State.LATER}


class NothingToUndo(Exception):
    """The person has no verdict left to take back."""


@dataclass(frozen=True)
class Ticket:
    """What a page's form carries, so that a verdict lands on the row and the state it was given for, and only once."""

    exchange_id: int
    version: int
    slot_id: int
    token: uuid.UUID | None = None
    action_id: uuid.UUID = field(default_factory=uuid.uuid4)
    via: str = Review.Via.BUTTON
    seconds_open: float | None = None


def undoable(project: Project, user: User) -> QuerySet[Review]:
    """What this person can take back, newest first."""
    return _standing(project.reviews.filter(reviewer=user)).exclude(verb=Verb.UNDONE).order_by("-id")


def redoable(project: Project, user: User) -> QuerySet[Review]:
    """What this person undid since their last new verdict and has not redone, newest first."""
    fresh = project.reviews.filter(reviewer=user, reverses=None).order_by("-id").values("id")[:1]
    undone = _standing(project.reviews.filter(reviewer=user, verb=Verb.UNDONE, is_opinion=False))
    return undone.filter(reverses__slot=None, id__gt=Subquery(fresh)).order_by("-id")


def _standing(reviews: QuerySet[Review]) -> QuerySet[Review]:
    """Those that no other reverses. One is looked up after the other: for a join, all that were ever given are read."""
    reversal = Review.objects.filter(reverses=OuterRef("pk")).values("pk")[:1]
    return reviews.alias(reversal=Subquery(reversal)).filter(reversal=None)


@transaction.atomic
def decide(
    project: Project,
    user: User,
    verb: str,
    ticket: Ticket,
    *,
    target: str | None = None,
    origin: str = Exchange.Origin.EDITED,
    reasons: Sequence[str] = (),
    later: timedelta = LATER,
) -> Review:
    """Give a verdict (included, excluded, later) with the answer as typed; `target` None leaves the answer as it is.
    `origin` is where a new answer comes from; `reasons` are among the project's own.

    Sent again with the same action id it returns the first result. Raises Stale, and Refused where the answer cannot
    be taught.
    """
    exchange = locked(project, ticket.exchange_id)
    slots = locked_slots(exchange)
    # A verdict moves the row's version on; an opinion, one of several, does not.
    is_perhaps_again = exchange.version != ticket.version or len(slots) > 1
    if is_perhaps_again and (done := already(ticket.action_id, exchange, user)):
        return done
    slot = next((slot for slot in slots if slot.pk == ticket.slot_id), None)
    if slot is None:
        raise ReviewSlot.DoesNotExist("This slot is not of this row.")
    if holder := holder_besides(user, slot):
        raise Stale(exchange, holder)
    if exchange.version != ticket.version:
        raise Stale(exchange)
    review = review_of(exchange, user, verb, ticket.action_id, ticket.via)
    review.state_after = _STATE_AFTER[Verb(verb)]
    review.target_after, review.origin_after = taught(project, exchange, target, origin)
    review.seconds_open = ticket.seconds_open
    review.reasons = list(reasons)
    if verb == Verb.EXCLUDED and project.wants_reason and not reasons:
        raise Refused("This project wants a reason for what is excluded. Choose one, then exclude it.")
    if verb == Verb.INCLUDED:
        refuse_unteachable(project, exchange, review.target_after)
    is_resolving = exchange.state == State.AWAITING
    if is_resolving:
        refuse_unless_resolver(project, user, exchange, verb)
    elif is_blind(project, exchange, slot, len(slots)):
        return take_opinion(project, exchange, slot, review, later)
    besides = [dropped(exchange, user)]
    if not is_resolving:
        besides.append(settled(slot, user, is_done=verb != Verb.LATER, later=later))
    write(exchange, review, Now() if verb == Verb.INCLUDED else None, user, *besides)
    return review


@transaction.atomic
def undo(
    project: Project,
    user: User,
    *,
    review_id: int | None = None,
    action_id: uuid.UUID | None = None,
    via: str = Review.Via.BUTTON,
) -> Review:
    """Take back the person's last verdict that still stands, however old, or the one named; the row is theirs to
    decide anew.

    Raises NothingToUndo, and Stale when somebody decided the row since or holds it now.
    """
    action_id = action_id or uuid.uuid4()
    if done := _once(user, action_id):
        return done
    mine = undoable(project, user)
    reversed_review = (mine if review_id is None else mine.filter(pk=review_id)).first()
    if reversed_review is None:
        raise NothingToUndo("There is no verdict of yours left to take back in this project.")
    exchange = locked(project, reversed_review.exchange_id)
    if reversed_review.is_opinion:
        return withdraw(exchange, reversed_review, action_id, via)
    slot = reversed_review.slot or first_slot(exchange)
    holder = holder_besides(user, slot)
    standing = effective(exchange).first()
    if holder or standing != reversed_review:
        raise Stale(exchange, holder)
    review = review_of(exchange, user, Verb.UNDONE, action_id, via)
    review.reverses = reversed_review
    review.state_after = reversed_review.state_before
    review.target_after, review.origin_after = reversed_review.target_before, reversed_review.origin_before
    earlier = effective(exchange).exclude(pk=reversed_review.pk).first()
    write(exchange, review, reversed_review.included_before, earlier.reviewer if earlier else None)
    if reversed_review.slot:
        withdraw_after(exchange, reversed_review, user)
    elif review.state_after in (State.INCLUDED, State.EXCLUDED):
        settle(slot, user, is_done=True)
    elif review.state_after != State.AWAITING:
        reopen(slot, user)
    return review


@transaction.atomic
def redo(project: Project, user: User, *, action_id: uuid.UUID | None = None, via: str = Review.Via.BUTTON) -> Review:
    """Give the verdict again that the person took back last. Raises NothingToUndo and Stale, as `undo` does."""
    action_id = action_id or uuid.uuid4()
    if done := _once(user, action_id):
        return done
    undoing = redoable(project, user).select_related("reverses").first()
    if undoing is None or undoing.reverses is None:
        raise NothingToUndo("There is nothing left that you undid and could redo.")
    exchange = locked(project, undoing.exchange_id)
    slot = first_slot(exchange)
    holder = holder_besides(user, slot)
    if holder or exchange.version != undoing.version_after:
        raise Stale(exchange, holder)
    again = undoing.reverses
    review = review_of(exchange, user, again.verb, action_id, via)
    review.reverses = undoing
    review.reasons = again.reasons
    review.state_after = again.state_after
    review.target_after, review.origin_after = again.target_after, again.origin_after
    is_included = again.verb == Verb.INCLUDED
    if is_included:
        refuse_unteachable(project, exchange, review.target_after)
    write(exchange, review, included=Now() if is_included else None, decided_by=user)
    settle(slot, user, is_done=again.verb != Verb.LATER)
    return review


def _once(user: User, action_id: uuid.UUID) -> Review | None:
    """What this press did already. One undo or redo of a person runs at a time, so that two pressed at once take back
    two verdicts and not one twice.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    return Review.objects.filter(action_id=action_id, reviewer=user).first()
