"""A provider's moderation looks at what is included; what it said is kept by the text, and the preflight reads it."""

import logging
import time
from collections.abc import Sequence

from django.db import transaction
from django.db.models import F

from curation.models import Exchange, Moderation, Project, Provider, SealedKeyUnreadable, User
from curation.moderation import digest_of, own_words
from curation.rendering import Renderer, Unteachable

from .models import ModerationRun
from .providers.base import ProviderError
from .providers.openai import Service

log = logging.getLogger(__name__)

BATCH = 32  # texts in one request
TURN = 20  # seconds after which a worker puts a run down
NOT_OFFERED = (404, 405, 501)


@transaction.atomic
def request_moderation(
    project: Project, provider: Provider, model: str = "", user: User | None = None
) -> ModerationRun:
    """The run that is under way, or a new one."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if live := ModerationRun.objects.unfinished().filter(project=project).first():
        return live
    named = {"model": model} if model else {}
    total = project.exchanges.included().count()
    return ModerationRun.objects.create(project=project, provider=provider, total_count=total, created_by=user, **named)


def advance(pk: int) -> None:
    """Have what is missing looked at, for some seconds (for a worker)."""
    run = ModerationRun.claim(pk)
    if run is None:
        return
    try:
        with Service(run.provider.url, run.provider.open_key(), run.provider.reach) as service:
            _take_turn(run, service)
    except SealedKeyUnreadable as error:
        run.settle(ModerationRun.Status.FAILED, str(error))
    except ProviderError as error:
        if error.status in NOT_OFFERED:
            words = f"{run.provider.name} offers no moderation, or not under the name {run.model}."
            run.settle(ModerationRun.Status.FAILED, words)
        elif error.permanent:
            run.settle(ModerationRun.Status.FAILED, str(error))
        else:
            run.retry(str(error), error.retry_after)


def _take_turn(run: ModerationRun, service: Service) -> None:
    end, renderer = time.monotonic() + TURN, Renderer(run.project)
    while time.monotonic() < end:
        if run.cancel_requested_at:
            run.settle(ModerationRun.Status.CANCELLED)
            return
        rows = _next_rows(run)
        if not rows:
            if run.settle(ModerationRun.Status.SUCCEEDED, done_count=run.total_count):
                log.info("moderation %s succeeded flagged=%s", run.pk, run.flagged_count)
            return
        asked, flagged = _look_at(run, service, renderer, rows)
        changes = {"asked_count": F("asked_count") + asked, "flagged_count": F("flagged_count") + flagged}
        done = min(run.done_count + len(rows), run.total_count)
        if not run.keep(reached_id=rows[-1].pk, done_count=done, setback_count=0, **changes):
            return
    run.wait(0)


def _next_rows(run: ModerationRun) -> Sequence[Exchange]:
    rows = run.project.exchanges.included().filter(pk__gt=run.reached_id).order_by("pk")
    return list(rows.only("project_id", "messages", "response", "target", "tools")[:BATCH])


def _look_at(run: ModerationRun, service: Service, renderer: Renderer, rows: Sequence[Exchange]) -> tuple[int, int]:
    """Ask for the texts that are not known yet, and keep what was said; how many were asked, and how many flagged."""
    texts: dict[str, str] = {}
    for row in rows:
        try:
            example = renderer.example(row.messages, row.teaches, row.tools)
        except Unteachable:
            continue  # the preflight says so
        texts[digest_of(example)] = own_words(example)
    known = set(run.project.moderations.filter(digest__in=texts).values_list("digest", flat=True))
    missing = [digest for digest in texts if digest not in known]
    if not missing:
        return 0, 0
    said = service.moderate(run.model, [texts[digest] for digest in missing])
    found = [
        Moderation(project=run.project, digest=digest, model=run.model, is_flagged=bool(names), categories=names)
        for digest, names in zip(missing, said, strict=True)
    ]
    Moderation.objects.bulk_create(found, ignore_conflicts=True)
    return len(found), sum(each.is_flagged for each in found)
