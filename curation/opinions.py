"""Rows that several people decide: each without seeing the others, until they agree or somebody resolves it."""

import uuid
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from .answers import reads_as_json, says_the_same
from .chat import digest
from .drafts import drop_draft
from .models import Exchange, Membership, Project, Review, ReviewSlot, User
from .verdicts import LATER, Refused, Stale, State, Verb, holder_besides, keep, locked, reopen, review_of, settle, write

OPEN = (State.PENDING, State.LATER)
GIVEN = (Verb.INCLUDED, Verb.EXCLUDED)


def is_blind(project: Project, exchange: Exchange, slot: ReviewSlot, slot_count: int) -> bool:
    """Is this verdict on an undecided row one opinion of several? Makes the other slots where the row's lot fell so."""
    if exchange.state not in OPEN:
        return False
    if slot_count > 1:
        return True
    # Not the lot itself: that orders the random sample, which would then be the rows with several opinions.
    has_lot = slot.draw * 997 % 1 < project.second_share / 100
    if has_lot:
        widen(exchange, slot, project.opinion_count)
    return has_lot


def widen(exchange: Exchange, slot: ReviewSlot, count: int, meant_for: User | None = None) -> None:
    """Have so many people in all look at the row."""
    have = exchange.slots.count()
    copies = (
        ReviewSlot(
            project_id=slot.project_id,
            exchange=exchange,
            position=place,
            priority=slot.priority,
            draw=slot.draw,
            seen_count=slot.seen_count,
            meant_for=meant_for,
        )
        for place in range(have + 1, count + 1)
    )
    ReviewSlot.objects.bulk_create(copies)


def opinions(exchange: Exchange) -> QuerySet[Review]:
    """What each person thinks now, in the order of their slots."""
    standing = exchange.reviews.filter(is_opinion=True, reversed_by=None, verb__in=GIVEN)
    return standing.select_related("reviewer").order_by("slot__position", "-id")


def take_opinion(project: Project, exchange: Exchange, slot: ReviewSlot, review: Review, later: timedelta) -> Review:
    """Keep the opinion; the last one settles the row, or leaves it awaiting resolution. What the row is stays hidden
    in what it was until then.
    """
    user = review.reviewer
    assert user is not None  # a person decides
    if exchange.slots.filter(reviewer=user, done_at__isnull=False).exclude(pk=slot.pk).exists():
        raise Refused("You have decided this row already. The others' turn has not come to you.")
    review.is_opinion, review.slot = True, slot
    review.state_after, review.version_after = exchange.state, exchange.version
    keep(review)
    settle(slot, user, is_done=review.verb != Verb.LATER, later=later)
    drop_draft(exchange, user)
    if not exchange.slots.filter(done_at=None).exists():
        _conclude(project, exchange, slot, user)
    return review


def _conclude(project: Project, exchange: Exchange, slot: ReviewSlot, user: User) -> None:
    given = list(opinions(exchange))
    if not given:  # everybody passed it on: somebody has to say something
        _await(exchange)
        return
    first = given[0]
    if any(not _agree(project, exchange, first, other) for other in given[1:]):
        _await(exchange)
        return
    review = review_of(exchange, user, first.verb, uuid.uuid4(), first.via)
    review.slot = slot
    review.reasons = sorted({reason for opinion in given for reason in opinion.reasons})
    review.state_after = State(first.verb)
    review.target_after, review.origin_after = first.target_after, first.origin_after
    write(exchange, review, included=Now() if first.verb == Verb.INCLUDED else None, decided_by=user)


def _await(exchange: Exchange) -> None:
    Exchange.objects.filter(pk=exchange.pk).update(state=State.AWAITING, version=exchange.version + 1)


def _agree(project: Project, exchange: Exchange, one: Review, other: Review) -> bool:
    """The same verdict, and the same answer where it is to be taught: JSON by value, text after trimming."""
    if one.verb != other.verb or one.verb == Verb.EXCLUDED:
        return one.verb == other.verb
    mine, theirs = (_answer(review, exchange).strip() for review in (one, other))
    return says_the_same(mine, theirs, reads_as_json(project, exchange.tools, mine))


def _answer(review: Review, exchange: Exchange) -> str:
    return (exchange.response if review.target_after is None else review.target_after) or ""


def withdraw(exchange: Exchange, opinion: Review, action_id: uuid.UUID, via: str) -> Review:
    """Take an opinion back; the slot is its giver's again. Raises Stale when the row was settled since."""
    assert opinion.slot is not None
    assert opinion.reviewer is not None
    if exchange.state not in (*OPEN, State.AWAITING):
        raise Stale(exchange)
    if holder := holder_besides(opinion.reviewer, opinion.slot):
        raise Stale(exchange, holder)
    review = review_of(exchange, opinion.reviewer, Verb.UNDONE, action_id, via)
    review.is_opinion, review.slot, review.reverses = True, opinion.slot, opinion
    review.target_after, review.origin_after = exchange.target, exchange.target_origin
    review.state_after, review.version_after = exchange.state, exchange.version
    if exchange.state == State.AWAITING:
        review.state_after, review.version_after = State.PENDING, exchange.version + 1
        Exchange.objects.filter(pk=exchange.pk).update(state=State.PENDING, version=exchange.version + 1)
    review.save(force_insert=True)
    reopen(opinion.slot, opinion.reviewer)
    return review


def withdraw_after(exchange: Exchange, settled: Review, user: User) -> None:
    """Undoing the verdict that agreeing made takes the last opinion back with it."""
    mine = opinions(exchange).filter(slot=settled.slot, reviewer=user).first()
    if mine:
        withdraw(Exchange.objects.get(pk=exchange.pk), mine, uuid.uuid4(), settled.via)


@transaction.atomic
def pass_on(
    project: Project, user: User, exchange_id: int, slot_id: int, *, note: str = "", meant_for: User | None = None
) -> None:
    """Have another person decide, or that one; this one says nothing. Raises Stale and Refused."""
    exchange = locked(project, exchange_id)
    slot = ReviewSlot.objects.select_for_update(no_key=True).get(pk=slot_id, exchange=exchange)
    if holder := holder_besides(user, slot):
        raise Stale(exchange, holder)
    if exchange.state not in OPEN or slot.done_at is not None:
        raise Refused("This row is decided. Undo the verdict, or give another one.")
    if meant_for == user:
        raise Refused("A second opinion comes from somebody else. Choose another person, or anyone.")
    widen(exchange, slot, exchange.slots.count() + 1, meant_for)
    review = review_of(exchange, user, Verb.PASSED, uuid.uuid4(), Review.Via.BUTTON)
    review.is_opinion, review.slot, review.note = True, slot, note
    review.target_after, review.origin_after = exchange.target, exchange.target_origin
    review.state_after, review.version_after = exchange.state, exchange.version
    keep(review)
    settle(slot, user, is_done=True, later=LATER)


def may_resolve(project: Project, user: User, exchange: Exchange) -> bool:
    """Is this person one who decides where reviewers of the row disagree?"""
    membership = Membership.objects.filter(project=project, user=user).first()
    is_owner = user.is_superuser or (membership is not None and membership.role >= Membership.Role.OWNER)
    if not (is_owner or (membership is not None and membership.is_resolver)):
        return False
    return project.reviewers_may_resolve or not opinions(exchange).filter(reviewer=user).exists()


def refuse_unless_resolver(project: Project, user: User, exchange: Exchange, verb: str) -> None:
    if verb == Verb.LATER:
        raise Refused("A row that awaits resolution waits anyway. Go on to another.")
    if not may_resolve(project, user, exchange):
        raise Refused("The reviewers of this row disagree. Somebody who resolves, and is none of them, decides it.")


def in_hidden_order(exchange: Exchange) -> list[Review]:
    """The opinions in an order that says nothing about who was first, and stays the same for everybody."""
    return sorted(opinions(exchange), key=lambda opinion: digest(str(opinion.action_id)))


def history(exchange: Exchange, user: User) -> QuerySet[Review]:
    """The row's reviews that this person may see: others' opinions only once it is settled."""
    if exchange.state in (State.INCLUDED, State.EXCLUDED):
        return exchange.reviews.all()
    return exchange.reviews.filter(Q(is_opinion=False) | Q(reviewer=user))


def resolve_next(project: Project) -> Exchange | None:
    """The row that has waited longest to be resolved."""
    return project.exchanges.filter(state=State.AWAITING).only("project_id").order_by("pk").first()
