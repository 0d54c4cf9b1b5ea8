"""What every verdict is made of: the locked row, what it would teach, what is written, and why it may be refused."""

import logging
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.core.exceptions import BadRequest
from django.db import IntegrityError, connection
from django.db.models import NOT_PROVIDED, QuerySet
from django.db.models.functions import Now

from .answers import answer_faults, as_stored, reads_as_json, says_the_same
from .checking import Fault
from .claims import HELD_FOR
from .models import Exchange, Project, Review, ReviewSlot, User
from .statements import Statement, run
from .tool_calls import looks_like_calls

logger = logging.getLogger(__name__)
State, Verb, Origin = Exchange.State, Review.Verb, Exchange.Origin
LATER = timedelta(hours=1)
# Reviewers wait for their verdicts, and the ORM takes longer to write these statements than Postgres to carry them out.
# What is put into the texts below are names of columns.
# ruff: noqa: S608
_LONG = ("messages", "user_prompt", "prompt_key")
_SHORT = ", ".join(str(field.column) for field in Exchange._meta.concrete_fields if field.name not in _LONG)
_LOCK = f"SELECT {_SHORT} FROM curation_exchange WHERE id = %s AND project_id = %s FOR NO KEY UPDATE"
_LOCK_SLOTS = "SELECT * FROM curation_reviewslot WHERE exchange_id = %s FOR NO KEY UPDATE"
_REVIEW_FIELDS = [f for f in Review._meta.concrete_fields if not f.primary_key and f.db_default is NOT_PROVIDED]
_INSERT = (
    f"INSERT INTO curation_review ({', '.join(str(field.column) for field in _REVIEW_FIELDS)})"
    f" VALUES ({', '.join(['%s'] * len(_REVIEW_FIELDS))}) RETURNING id, created_at"
)
_NOW = "statement_timestamp()"
_WRITE = (
    "UPDATE curation_exchange SET state = %s, target = %s, target_origin = %s, decided_by_id = %s,"
    " included = {included}, decided_at = {decided}, version = version + 1 WHERE id = %s"
)
_CLOSE = (
    f"UPDATE curation_reviewslot SET reviewer_id = %s, claim_token = NULL, claimed_until = NULL, done_at = {_NOW},"
    " not_before = NULL WHERE id = %s"
)
_PUT_OFF = (
    "UPDATE curation_reviewslot SET reviewer_id = NULL, claim_token = NULL, claimed_until = NULL, done_at = NULL,"
    f" not_before = {_NOW} + %s WHERE id = %s"
)


class Stale(Exception):
    """The row moved on, or another person holds it now: nothing was written.

    `exchange` is the row as it stands, `theirs` the verdict that stands (None where there is none), `holder` the person
    who has the row now (None where the verdict itself is the reason).
    """

    def __init__(self, exchange: Exchange, holder: User | None = None) -> None:
        self.exchange = exchange
        self.holder = holder
        self.theirs = effective(exchange).select_related("reviewer").first()
        super().__init__(f"Exchange {exchange.pk} has changed since it was shown.")


class Refused(Exception):
    """The row may not be decided so; the message says why, and `faults` where in the answer."""

    def __init__(self, words: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(words)
        self.faults = faults


def effective(exchange: Exchange) -> QuerySet[Review]:
    """The row's verdicts that have not been taken back, newest first. Opinions are none: they settle into one."""
    return exchange.reviews.filter(reversed_by=None, is_opinion=False).exclude(verb=Verb.UNDONE)


def locked(project: Project, exchange_id: int) -> Exchange:
    """The row, locked against other verdicts but not against new calls that refer to it. Long columns stay behind."""
    found = Exchange.objects.raw(_LOCK, [exchange_id, project.pk])
    if row := next(iter(found), None):
        return row
    raise Exchange.DoesNotExist(f"There is no row {exchange_id} in this project.")


def locked_slots(exchange: Exchange) -> list[ReviewSlot]:
    return list(ReviewSlot.objects.raw(_LOCK_SLOTS, [exchange.pk]))


def already(action_id: uuid.UUID, exchange: Exchange, user: User) -> Review | None:
    review = Review.objects.filter(action_id=action_id).first()
    if review and (review.exchange_id != exchange.pk or review.reviewer_id != user.pk):
        raise _of_another()
    return review


def keep(review: Review, *besides: Statement) -> None:
    """Write the verdict, and with it what is to be written `besides`. Raises BadRequest when its action id was given to
    another verdict.
    """
    values = [field.get_db_prep_save(getattr(review, field.attname), connection) for field in _REVIEW_FIELDS]
    try:
        review.pk, review.created_at = run((_INSERT, values), *besides)
    except IntegrityError as error:
        if "action_id" in str(error):
            raise _of_another() from error
        raise
    review._state.adding = False


def _of_another() -> BadRequest:
    return BadRequest("This action id belongs to another verdict.")


def holder_besides(user: User, slot: ReviewSlot) -> User | None:
    """Another person whose claim on the slot is alive. A claim that merely ran out does not cost its holder the row.

    The slot was read just now, under the row's lock: only another's claim is asked about, by the database's clock.
    """
    if slot.done_at or slot.reviewer_id in (None, user.pk):
        return None
    live = ReviewSlot.objects.filter(pk=slot.pk, done_at=None, claimed_until__gt=Now()).exclude(reviewer=user)
    held = live.select_related("reviewer").first()
    return held.reviewer if held else None


def review_of(exchange: Exchange, user: User, verb: str, action_id: uuid.UUID, via: str) -> Review:
    return Review(
        action_id=action_id,
        project_id=exchange.project_id,
        exchange=exchange,
        reviewer=user,
        verb=verb,
        via=via,
        state_before=exchange.state,
        target_before=exchange.target,
        origin_before=exchange.target_origin,
        included_before=exchange.included,
        version_after=exchange.version + 1,
    )


def taught(
    project: Project, exchange: Exchange, typed: str | None, origin: str = Origin.EDITED
) -> tuple[str | None, str]:
    """The target and where it comes from, after a person left this text in the editor, or took it from that origin."""
    is_json = reads_as_json(project, exchange.tools, typed)
    if typed is None or says_the_same(typed, exchange.teaches, is_json):
        return exchange.target, exchange.target_origin
    if says_the_same(typed, exchange.response, is_json):
        return None, Origin.CAPTURED
    return as_stored(typed, exchange.response, is_json), origin


def refuse_unteachable(project: Project, exchange: Exchange, target: str | None) -> None:
    text = exchange.response if target is None else target
    if not text or not text.strip():
        raise Refused("There is no answer to teach yet. Write the answer this prompt should get, then include it.")
    if faults := answer_faults(project, exchange.tools, text):
        is_call = looks_like_calls(text, exchange.tools)
        why = "A tool cannot be called like that" if is_call else "This project teaches JSON"
        raise Refused(f"{why}, so this answer cannot be included. {faults[0].words}", faults)


def write(exchange: Exchange, review: Review, included: object, decided_by: User | None, *besides: Statement) -> None:
    """Write the verdict and the row's new state, and with them what is to be written `besides`. A row that stays
    included as it was keeps its time of inclusion.
    """
    is_unchanged = (review.state_before, review.target_before) == (review.state_after, review.target_after)
    if is_unchanged and exchange.included:
        included = exchange.included
    is_decided = review.state_after in (State.INCLUDED, State.EXCLUDED)
    change = _WRITE.format(included=_NOW if isinstance(included, Now) else "%s", decided=_NOW if is_decided else "NULL")
    decider = decided_by.pk if decided_by and is_decided else None
    values: list[Any] = [review.state_after, review.target_after, review.origin_after, decider]
    values += [exchange.pk] if isinstance(included, Now) else [included, exchange.pk]
    keep(review, (change, values), *besides)
    logger.info("exchange %s %s by user %s (review %s)", exchange.pk, review.verb, review.reviewer_id, review.pk)


def settled(slot: ReviewSlot, user: User, is_done: bool, later: timedelta = LATER) -> Statement:
    """What closes the slot, or puts it off until later."""
    return (_CLOSE, [user.pk, slot.pk]) if is_done else (_PUT_OFF, [later, slot.pk])


def settle(slot: ReviewSlot, user: User, is_done: bool, later: timedelta = LATER) -> None:
    run(settled(slot, user, is_done, later))


def reopen(slot: ReviewSlot, user: User) -> None:
    ReviewSlot.objects.filter(pk=slot.pk).update(
        reviewer=user, claim_token=uuid.uuid4(), claimed_until=Now() + HELD_FOR, done_at=None, not_before=None
    )
