"""One row at a time: shown, decided, taken back. Each verb is a plain POST that answers with the next row."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from curation.claims import bring_back, first_slot, hold, next_slot, peek, release, taken_from
from curation.drafts import draft_of, drafts_in, save_draft
from curation.models import Answer, Exchange, Project, Review, ReviewSlot, Takeover, User
from curation.opinions import history, may_resolve
from curation.permissions import Role, role_required
from curation.queue import standing
from curation.reading import read
from curation.review import NothingToUndo, Refused, Stale, Ticket, decide, redo, undo
from curation.review_forms import LATER_CHOICES, LeaveForm, UndoForm, VerdictForm, valid
from curation.views.files import text_file
from curation.views.opinions import resolve_page
from curation.views.stage import frame, on, person, row_of, stage_page
from curation.views.trail import keep_trail, trail_of

_ANSWERS = """
SELECT id, seen_count, last_seen_at, left(text, 300) AS excerpt FROM curation_answer
WHERE exchange_id = %s ORDER BY seen_count DESC, id LIMIT 5
"""

logger = logging.getLogger(__name__)


@role_required(Role.VIEWER)
@require_safe
def queue(request: HttpRequest, project: Project) -> HttpResponse:
    """On to the next row for a reviewer; why there is none; the list of rows for who may only look."""
    user = person(request)
    if request.role < Role.REVIEWER:  # type: ignore[attr-defined]
        return redirect("review_rows", project.slug)
    if slot := next_slot(project, user):
        return redirect("review_exchange", project.slug, slot.exchange_id)
    context = {"standing": standing(project, user), "drafts": drafts_in(project, user)[:20]}
    return stage_page(request, "review/empty.html", frame(project, user) | context)


@role_required(Role.VIEWER)
@require_safe
def exchange(request: HttpRequest, project: Project, exchange_id: int) -> HttpResponse:
    found = row_of(project, exchange_id)
    if found.state == Exchange.State.AWAITING and may_resolve(project, person(request), found):
        return resolve_page(request, project, found)
    return _row_page(request, project, found)


@role_required(Role.REVIEWER)
@require_safe
def ahead(request: HttpRequest, project: Project, exchange_id: int) -> HttpResponse:
    """The page that a verdict on this row would most likely bring, for the page's script to show until the answer to
    the verdict is there. Nothing is claimed: 204 where there is no next row, and a row that another person takes
    meanwhile is replaced by the answer.
    """
    user = person(request)
    slot = get_object_or_404(ReviewSlot, exchange=exchange_id, project=project, position=1)
    following = peek(project, user, after=slot)
    if following is None or following.exchange_id == exchange_id:
        return HttpResponse(status=204)
    return _row_page(request, project, row_of(project, following.exchange_id), slot=following, is_ahead=True)


@role_required(Role.REVIEWER)
def verdict(request: HttpRequest, project: Project, exchange_id: int, verb: str) -> HttpResponse:
    """Include, exclude or later; then the next row. 422 with the reason, 409 with both states, the typed text kept."""
    if request.method != "POST":  # a log-in in between comes back as a GET
        return redirect("review_exchange", project.slug, exchange_id)
    form = valid(VerdictForm(request.POST))
    slot = get_object_or_404(ReviewSlot, pk=form["slot"], exchange=exchange_id, project=project)
    ticket = Ticket(
        exchange_id, form["version"], slot.pk, form["token"], form["action"], form["via"], seconds(form["opened_at"])
    )
    reasons = [reason for reason in project.reasons if reason in request.POST.getlist("reason")]
    more = {"later": form["later"]} if form["later"] else {}

    def give(target: str | None) -> Review:
        return decide(project, person(request), verb, ticket, target=target, reasons=reasons, **more)

    return given(request, project, slot, ticket, give, verb=verb, typed=form["target"], reasons=reasons)


def given(
    request: HttpRequest,
    project: Project,
    slot: ReviewSlot,
    ticket: Ticket,
    give: Callable[[str | None], Review],
    *,
    verb: str,
    typed: str | None,
    reasons: Sequence[str] = (),
) -> HttpResponse:
    """What a verdict answers: the next row, or why it was not taken, and then the text is kept as a draft."""
    user = person(request)
    try:
        review = give(typed)
    except Refused as refusal:
        row = row_of(project, ticket.exchange_id)
        _keep(project, user, row, typed, ticket.version)
        refused = {"fault": str(refusal), "reasons": reasons, "refused": "" if refusal.faults else verb}
        return _row_page(request, project, row, typed=typed, refused=refused)
    except Stale as stale:
        _keep(project, user, stale.exchange, typed, ticket.version)
        return _stale_page(request, project, stale, verb=verb, typed=typed)
    if review.state_before == Exchange.State.AWAITING:
        return redirect("review_resolve", project.slug)
    return _on(request, project, after=slot)


def _on(request: HttpRequest, project: Project, after: ReviewSlot) -> HttpResponse:
    """The way on; for the page's script the next row itself, with its address beside it, in one answer."""
    user = person(request)
    slot = next_slot(project, user, after) if "X-Stage" in request.headers else None
    if slot is None:
        return on(project, user, after)
    response = _row_page(request, project, row_of(project, slot.exchange_id), slot=slot)
    response["Content-Location"] = reverse("review_exchange", args=[project.slug, slot.exchange_id])
    return response


@role_required(Role.REVIEWER)
def take_back(request: HttpRequest, project: Project) -> HttpResponse:
    if request.method != "POST":
        return redirect("review", project.slug)
    form = valid(UndoForm(request.POST))
    try:
        review = undo(project, person(request), review_id=form["review"], action_id=form["action"], via=form["via"])
    except NothingToUndo:
        return redirect("review", project.slug)
    except Stale as stale:
        return _stale_page(request, project, stale, verb="undone")
    return redirect("review_exchange", project.slug, review.exchange_id)


@role_required(Role.REVIEWER)
def give_again(request: HttpRequest, project: Project) -> HttpResponse:
    """Redo what was undone last; then the next row."""
    if request.method != "POST":
        return redirect("review", project.slug)
    form = valid(UndoForm(request.POST))
    try:
        review = redo(project, person(request), action_id=form["action"], via=form["via"])
    except NothingToUndo:
        return redirect("review", project.slug)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("review", project.slug)
    except Stale as stale:
        return _stale_page(request, project, stale, verb="undone")
    return _on(request, project, after=first_slot(review.exchange))


@role_required(Role.REVIEWER)
@require_POST
def leave(request: HttpRequest, project: Project, exchange_id: int) -> HttpResponse:
    """On to the next row, or back to the one before, without a verdict. The row left is free for others, unless
    something typed waits there.
    """
    form = valid(LeaveForm(request.POST))
    slot = get_object_or_404(ReviewSlot, pk=form["slot"], project=project, exchange=exchange_id)
    if not slot.exchange.drafts.filter(reviewer=person(request)).exists():
        release(slot.pk, form["token"])
    if form["to"] != "previous":
        return _on(request, project, after=slot)
    *trail, before = [pk for pk in trail_of(request) if pk != exchange_id] or [exchange_id]
    place = redirect("review_exchange", project.slug, before)
    place.status_code = 303
    keep_trail(place, project, trail)
    return place


@role_required(Role.REVIEWER)
@require_POST
def bring_back_later(request: HttpRequest, project: Project) -> HttpResponse:
    bring_back(project)
    return redirect("review", project.slug)


@role_required(Role.VIEWER)
@require_safe
def raw(request: HttpRequest, project: Project, exchange_id: int, part: str) -> HttpResponse:
    row = get_object_or_404(project.exchanges, pk=exchange_id)
    texts = {"prompt": row.user_prompt, "captured": row.response, "taught": row.teaches}
    return text_file(texts.get(part), f"{project.slug}-{row.pk}-{part}")


def _keep(project: Project, user: User, row: Exchange, typed: str | None, version: int) -> None:
    """What was typed outlives a verdict that was not taken."""
    if typed is not None:
        save_draft(project, user, row, typed, version)
        row.has_drafts = True  # type: ignore[attr-defined]  # an annotation of row_of


def seconds(opened_at: float | None) -> float | None:
    return None if opened_at is None else min(max(time.time() - opened_at, 0), 86_400)


def _row_page(
    request: HttpRequest,
    project: Project,
    row: Exchange,
    typed: str | None = None,
    refused: dict[str, Any] | None = None,
    slot: ReviewSlot | None = None,
    is_ahead: bool = False,
) -> HttpResponse:
    """`refused` says why a verdict was not taken: `fault` in words, `reasons` chosen, the verb to try again. `slot` is
    the row's where the person has just claimed it, or would with the next verdict (`is_ahead`).
    """
    user = person(request)
    trail = trail_of(request)
    if trail[-1:] != [row.pk]:
        trail.append(row.pk)
    can_review = request.role >= Role.REVIEWER  # type: ignore[attr-defined]
    slot = slot or (hold(row, user) if can_review else None) or first_slot(row)
    is_held_by_other = slot.is_held and slot.reviewer_id != user.pk
    draft = draft_of(row, user) if can_review and row.has_drafts else None  # type: ignore[attr-defined]  # of row_of
    if draft and typed is None:
        typed = draft.text
    takeovers = _takeovers(row)
    context = frame(project, user) | {
        "row": row,
        "reading": read(project, row, typed),
        "slot": slot,
        "draft": draft,
        "takeover": _taken_from(row, user, takeovers) if is_held_by_other else None,
        "can_review": can_review,
        "may_decide": can_review and not is_held_by_other and row.state != Exchange.State.AWAITING,
        "is_blind": _is_blind(row),
        "is_held_by_other": is_held_by_other,
        "fault": "",
        "reasons": row.decided_for or (),  # type: ignore[attr-defined]  # an annotation of _row
        "tags": row.tags_around,  # type: ignore[attr-defined]  # the same
        "has_previous": len(trail) > 1,
        "typed": typed is not None,
        "call": row.newest_call,  # type: ignore[attr-defined]  # the same
        "answers": _answers(row),
        "history": _history(row, user),
        "must_pass": row.mark,  # type: ignore[attr-defined]  # the same
        "marker": row.marker,  # type: ignore[attr-defined]  # an annotation of row_of
        "takeovers": takeovers,
        "later_choices": LATER_CHOICES,
        "opened_at": time.time(),
    }
    if is_ahead:
        now = context["progress"]
        context["progress"] = replace(now, today=now.today + 1, left=max(now.left - 1, 0))
        return stage_page(request, "review/row.html", context)
    response = stage_page(request, "review/row.html", context | (refused or {}), status=422 if refused else 200)
    keep_trail(response, project, trail)
    return response


def _is_blind(row: Exchange) -> bool:
    """Several people look at it, so who they are stays hidden until it is settled."""
    is_settled = row.state in (Exchange.State.INCLUDED, Exchange.State.EXCLUDED)
    return row.has_several and not is_settled  # type: ignore[attr-defined]  # an annotation of row_of


def _history(row: Exchange, user: User) -> Any:
    if not row.has_history:  # type: ignore[attr-defined]  # an annotation of row_of
        return ()
    return history(row, user).select_related("reviewer").defer("target_before", "target_after")[:5]


def _takeovers(row: Exchange) -> list[Takeover]:
    if _is_blind(row) or not row.has_takeovers:  # type: ignore[attr-defined]  # an annotation of row_of
        return []
    return list(Takeover.objects.filter(slot__exchange=row).select_related("taken_by", "taken_from")[:3])


def _taken_from(row: Exchange, user: User, takeovers: list[Takeover]) -> Takeover | None:
    """Who took this row from the person, where that is why it is not theirs."""
    if _is_blind(row):
        return taken_from(row, user)
    return takeovers[0] if takeovers and takeovers[0].taken_from_id == user.pk else None


def _answers(row: Exchange) -> Any:
    """The different answers the prompt got, most frequent first, where there is more than one."""
    return list(Answer.objects.raw(_ANSWERS, [row.pk])) if row.answer_count > 1 else ()


def _stale_page(
    request: HttpRequest, project: Project, stale: Stale, verb: str, typed: str | None = None
) -> HttpResponse:
    """What stands now and what the person wanted, side by side; what was typed is on the page."""
    row = row_of(project, stale.exchange.pk)
    context = frame(project, person(request)) | {
        "row": row,
        "slot": first_slot(row),
        "theirs": stale.theirs,
        "holder": stale.holder,
        "verb": verb,
        "typed": typed,
        "reading": read(project, row),
        "opened_at": time.time(),
    }
    return stage_page(request, "review/stale.html", context, status=409)
