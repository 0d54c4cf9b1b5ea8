"""What every page of the review room stands in: the row, the person, their progress and last verdicts, the way on."""

import uuid
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, F, OuterRef, Subquery
from django.db.models.functions import JSONObject
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from curation.claims import next_slot
from curation.models import Example, Exchange, LoggedCall, Project, Review, ReviewSlot, Takeover, User
from curation.queue import last_verdicts, progress
from curation.tagging import tags_of_row

_OF_CALL = ("id", "served_model", "duration_ms", "prompt_tokens", "completion_tokens", "finish_reason")


def person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # nobody else passes LoginRequiredMiddleware
    return request.user


def row_of(project: Project, exchange_id: int) -> Exchange:
    """With `frozen_in`, the numbers of the versions that hold it, `decided_for`, the reasons of its verdict, `decider`
    and `marker`, the names of who decided it and who said that it must pass, `has_several`, whether several people look
    at it, `has_history`, whether anybody decided it yet, `has_takeovers`, `tags_around` as `tags_of_row` has them, and
    `newest_call`, what its page says of that.
    """
    calls = LoggedCall.objects.filter(exchange=OuterRef("pk")).order_by("-started_at", "-id")
    numbers = Example.objects.filter(exchange=OuterRef("pk")).order_by("version__number").values("version__number")
    verdicts = Review.objects.filter(exchange=OuterRef("pk"), reversed_by=None, is_opinion=False)
    standing = verdicts.exclude(verb=Review.Verb.UNDONE)
    second = ReviewSlot.objects.filter(exchange=OuterRef("pk"), position=2)
    rows = project.exchanges.defer("user_prompt", "prompt_key").select_related("must_pass")
    rows = rows.annotate(
        decider=F("decided_by__username"),
        marker=F("must_pass__marked_by__username"),
        frozen_in=ArraySubquery(numbers),
        has_several=Exists(second),
        has_history=Exists(Review.objects.filter(exchange=OuterRef("pk"))),
        has_takeovers=Exists(Takeover.objects.filter(slot__exchange=OuterRef("pk"))),
        tags_around=tags_of_row(project),
        newest_call=Subquery(calls.values(json=JSONObject(**{name: name for name in _OF_CALL}))[:1]),
        decided_for=Subquery(standing.order_by("-id").values("reasons")[:1]),
    )
    return get_object_or_404(rows, pk=exchange_id)


def on(project: Project, user: User, after: ReviewSlot) -> HttpResponse:
    """303: a reload of the answer must not send the verdict again."""
    slot = next_slot(project, user, after)
    place = redirect("review_exchange", project.slug, slot.exchange_id) if slot else redirect("review", project.slug)
    place.status_code = 303
    return place


def frame(project: Project, user: User) -> dict[str, Any]:
    """What every page of the queue shows around its content."""
    verdicts = list(last_verdicts(project, user))
    mine = progress(project, user)
    return {
        "project": project,
        "room": "review",
        "progress": mine,
        "verdicts": verdicts,
        "last": verdicts[0] if verdicts else None,
        "has_redo": _has_redo(verdicts),
        "has_undo": mine.can_undo,
        "action": uuid.uuid4(),
        "undo_action": uuid.uuid4(),
        "redo_action": uuid.uuid4(),
    }


def _has_redo(verdicts: list[Review]) -> bool:
    """Was something undone since the last new verdict, among the newest few?"""
    for verdict in verdicts:
        if verdict.verb == Review.Verb.UNDONE and not verdict.is_undone:  # type: ignore[attr-defined]
            return not verdict.slot_id
        if verdict.reverses_id is None:
            return False
    return False
