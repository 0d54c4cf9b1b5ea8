"""What every page of the review room stands in: the row, the person, their progress and last verdicts, the way on."""

import uuid
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers

from curation.claims import next_slot
from curation.models import Exchange, Project, Review, ReviewSlot, User
from curation.queue import last_verdicts, progress
from curation.tagging import TAGS_OF_ROW

_COLUMNS = ", ".join(
    f"e.{field.column}" for field in Exchange._meta.concrete_fields if field.name not in ("user_prompt", "prompt_key")
)
# By hand, because this is the page that a reviewer waits for at each verdict: the ORM takes 7 ms to write it, and
# Postgres 1 ms to answer it.
_ROW = f"""
SELECT {_COLUMNS}, decider.username AS decider, marker.username AS marker,
    CASE WHEN m.exchange_id IS NOT NULL THEN json_build_object('note', m.note) END AS mark,
    ARRAY(SELECT v.number FROM curation_example x JOIN curation_datasetversion v ON v.id = x.version_id
        WHERE x.exchange_id = e.id ORDER BY v.number) AS frozen_in,
    EXISTS (SELECT FROM curation_reviewslot WHERE exchange_id = e.id AND position = 2) AS has_several,
    EXISTS (SELECT FROM curation_review WHERE exchange_id = e.id) AS has_history,
    EXISTS (SELECT FROM curation_takeover t JOIN curation_reviewslot s ON s.id = t.slot_id
        WHERE s.exchange_id = e.id) AS has_takeovers,
    EXISTS (SELECT FROM curation_draft WHERE exchange_id = e.id) AS has_drafts,
    {TAGS_OF_ROW} AS tags_around,
    (SELECT json_build_object('id', c.id, 'served_model', c.served_model, 'duration_ms', c.duration_ms,
            'prompt_tokens', c.prompt_tokens, 'completion_tokens', c.completion_tokens,
            'finish_reason', c.finish_reason)
        FROM curation_loggedcall c WHERE c.exchange_id = e.id ORDER BY c.started_at DESC, c.id DESC LIMIT 1
    ) AS newest_call,
    (SELECT r.reasons FROM curation_review r
        WHERE r.exchange_id = e.id AND NOT r.is_opinion AND r.verb <> 'undone'
            AND (SELECT count(*) FROM curation_review o WHERE o.reverses_id = r.id) = 0
        ORDER BY r.id DESC LIMIT 1
    ) AS decided_for
FROM curation_exchange e LEFT JOIN curation_user decider ON decider.id = e.decided_by_id
LEFT JOIN curation_mustpass m ON m.exchange_id = e.id LEFT JOIN curation_user marker ON marker.id = m.marked_by_id
WHERE e.project_id = %s AND e.id = %s
"""  # noqa: S608 - constants of ours


def person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # nobody else passes LoginRequiredMiddleware
    return request.user


def row_of(project: Project, exchange_id: int) -> Exchange:
    """With `frozen_in`, the numbers of the versions that hold it, `decided_for`, the reasons of its verdict, `decider`
    and `marker`, the names of who decided it and who said that it must pass, `mark`, what was noted with the latter,
    `has_several`, whether several people look at it, `has_history`, whether anybody decided it yet, `has_takeovers`,
    `has_drafts` of anybody, `tags_around` as {name, is_here}, and `newest_call`, what its page says of that. Raises
    Http404.
    """
    for row in Exchange.objects.raw(_ROW, [project.pk, exchange_id]):
        row.project = project
        return row
    raise Http404("This project has no such row.")


def on(project: Project, user: User, after: ReviewSlot) -> HttpResponse:
    """303: a reload of the answer must not send the verdict again."""
    slot = next_slot(project, user, after)
    place = redirect("review_exchange", project.slug, slot.exchange_id) if slot else redirect("review", project.slug)
    place.status_code = 303
    return place


def frame(project: Project, user: User) -> dict[str, Any]:
    """What every page of the queue shows around its content."""
    verdicts = last_verdicts(project, user)
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


def stage_page(request: HttpRequest, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """A page of the queue; its script, which says `X-Stage`, gets the stage without what stands around it."""
    around = "review/_alone.html" if "X-Stage" in request.headers else "base.html"
    response = render(request, template, context | {"around": around}, status=status)
    # Else the way back in a browser's history could show what only the script was answered.
    patch_vary_headers(response, ["X-Stage"])
    return response


def _has_redo(verdicts: list[Review]) -> bool:
    """Was something undone since the last new verdict, among the newest few?"""
    for verdict in verdicts:
        if verdict.verb == Review.Verb.UNDONE and not verdict.is_undone:  # type: ignore[attr-defined]
            return not verdict.slot_id
        if verdict.reverses_id is None:
            return False
    return False
