"""The calls after a move are held against those before it; a move for the worse is taken back by itself."""

import logging
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from curation.models import Feedback, LoggedCall, ModelAlias, Project

from .alarms import Alarm, Window, alarms, is_worth_a_look
from .gating import is_as_asked
from .models import Promotion, Watch
from .registry import NothingToRollBack, roll_back

log = logging.getLogger(__name__)

# Enough to tell a rise that matters; more would only take longer to count.
MOST_CALLS = 1000
BEFORE = timedelta(days=30)
LONGEST = timedelta(days=14)
PAUSE = 60  # seconds between two looks
# What a provider or its model is to blame for; other refusals are the caller's.
THEIR_FAULT = (401, 403, 404, 408, 409, 429)
Outcome = LoggedCall.Outcome


def advance(pk: int) -> None:
    """Look once (for a worker)."""
    watch = Watch.claim(pk)
    if watch is None:
        return
    promotion, alias = watch.promotion, watch.promotion.alias
    if watch.cancel_requested_at:
        watch.settle(Watch.Status.CANCELLED, outcome="Nobody watches any more: cancelled.")
        return
    if not _stands(promotion, alias):
        watch.settle(Watch.Status.SUCCEEDED, outcome="The alias was moved on meanwhile.")
        return
    now, before = windows(promotion)
    raised = alarms(now, before) if is_worth_a_look(now, watch.done_count) else []
    if raised:
        _take_back(watch, raised, now, before)
    elif now.calls >= MOST_CALLS or timezone.now() - promotion.created_at > LONGEST:
        words = f"{now.calls} calls were no worse than {before.calls} before."
        watch.settle(Watch.Status.SUCCEEDED, outcome=words, done_count=now.weight)
    elif is_worth_a_look(now, watch.done_count):
        watch.wait(PAUSE, done_count=now.weight)
    else:
        watch.wait(PAUSE)


def _stands(promotion: Promotion, alias: ModelAlias) -> bool:
    model = (promotion.provider_id, promotion.model)
    if promotion.kind == Promotion.Kind.CANARY:
        return model == (alias.canary_provider_id, alias.canary_model)
    return model == (alias.provider_id, alias.model)


def _take_back(watch: Watch, raised: list[Alarm], now: Window, before: Window) -> None:
    """The way back, its evidence and the end of the watch in one transaction."""
    alias, words = watch.promotion.alias, " ".join(alarm.words for alarm in raised)
    evidence = {
        "alarms": [alarm._asdict() for alarm in raised], "now": asdict(now), "before": asdict(before),
        "watch": watch.pk,
    }  # fmt: skip
    try:
        with transaction.atomic():
            promotion = roll_back(alias, note="by itself: the calls went worse", evidence=evidence)
            kept = watch.settle(
                Watch.Status.SUCCEEDED,
                outcome=f"Rolled back. {words}"[:500],
                rolled_back=promotion,
                done_count=now.weight,
            )
            if not kept:
                transaction.set_rollback(True)
                return
    except NothingToRollBack as error:
        watch.settle(Watch.Status.SUCCEEDED, outcome=str(error))
        return
    log.warning("watch %s rolled alias %s back promotion=%s", watch.pk, alias.pk, promotion.pk)


# Counting


def windows(promotion: Promotion) -> tuple[Window, Window]:
    """The calls to the model since it was moved to; and those of the model before, of a canary from the same time."""
    alias, since = promotion.alias, promotion.created_at
    if promotion.kind == Promotion.Kind.CANARY:
        before = _calls(alias, promotion.previous_model, since, None)
    else:
        before = _calls(alias, promotion.previous_model, since - BEFORE, since)
    return _window(alias.project, _calls(alias, promotion.model, since, None)), _window(alias.project, before)


def _calls(alias: ModelAlias, model: str, since: datetime, until: datetime | None) -> QuerySet[LoggedCall]:
    calls = LoggedCall.objects.filter(
        project=alias.project_id, requested_model=alias.name, served_model=model, source=LoggedCall.Source.GATEWAY,
        started_at__gte=since,
    )  # fmt: skip
    if until is not None:
        calls = calls.filter(started_at__lt=until)
    return calls.exclude(outcome__in=[Outcome.CLIENT_GONE, Outcome.INTERRUPTED]).order_by("-started_at", "-id")


def _window(project: Project, calls: QuerySet[LoggedCall]) -> Window:
    errors = answers = malformed = 0
    ids: dict[UUID, str] = {}
    rows = calls.values_list("id", "own_id", "outcome", "status_code", "answer")[:MOST_CALLS]
    for pk, own_id, outcome, status, answer in rows:
        ids[pk] = own_id
        if outcome == Outcome.TRUNCATED or (outcome == Outcome.FAILED and _is_theirs(status)):
            errors += 1
        elif answer is not None:
            answers += 1
            malformed += not is_as_asked(project, answer)
    thumbs, down = _thumbs(project, ids)
    return Window(len(ids), errors, answers, malformed, thumbs, down)


def _is_theirs(status: int | None) -> bool:
    return status is None or status >= 500 or status in THEIR_FAULT


def _thumbs(project: Project, ids: dict[UUID, str]) -> tuple[int, int]:
    """How many of these calls got a thumb, and how many a thumb down; the last word about a call counts."""
    own = {own_id: pk for pk, own_id in ids.items() if own_id}
    named = Q(call_id__in=list(ids)) | Q(own_id__in=list(own))
    said: Any = Feedback.objects.filter(named, project=project, thumb__isnull=False).order_by(F("said_at"), "id")
    last = {
        call_id or own.get(own_id): thumb for call_id, own_id, thumb in said.values_list("call_id", "own_id", "thumb")
    }
    given = [thumb for thumb in last.values() if thumb != Feedback.Thumb.NEUTRAL]
    return len(given), given.count(Feedback.Thumb.DOWN)
