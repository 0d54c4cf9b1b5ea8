"""What happens on a row's page before its verdict: the hold is kept, lost or taken over, and typed text is saved.

A page's script asks with the header `X-Part` and gets the part of the page that changed; a plain form gets the page.
"""

import logging
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from curation.answers import answer_faults, reads_as_json
from curation.claims import first_slot, hold, loosen, take_over, taken_from
from curation.drafts import save_draft
from curation.models import Exchange, MustPass, Project, User
from curation.permissions import Role, role_required
from curation.preview import preview
from curation.reading import calls_of, compare, in_editor
from curation.review_forms import DraftForm, LeaveForm, MustPassForm, TagForm, valid
from curation.tagging import tag, tags_around, untag

logger = logging.getLogger(__name__)


@role_required(Role.REVIEWER)
@require_POST
def heartbeat(request: HttpRequest, project: Project, exchange_id: int) -> HttpResponse:
    """The person is still here: the hold lasts five minutes more. 409 with the words when it is lost."""
    row, user = _row(project, exchange_id), _person(request)
    slot = hold(row, user)
    context: dict[str, Any] = {"project": project, "row": row, "slot": slot or first_slot(row)}
    if slot is None:
        context |= {"is_lost": True, "takeover": taken_from(row, user)}
    return render(request, "review/_hold.html", context, status=200 if slot else 409)


@role_required(Role.REVIEWER)
@require_POST
def closing(request: HttpRequest, project: Project, exchange_id: int) -> HttpResponse:
    """The page is being closed, so the row need not wait five minutes for somebody else; a draft's row does."""
    form = valid(LeaveForm(request.POST))
    row = _row(project, exchange_id)
    if row.slots.filter(pk=form["slot"]).exists() and not row.drafts.filter(reviewer=_person(request)).exists():
        loosen(form["slot"], form["token"])
    return HttpResponse(status=204)


@role_required(Role.REVIEWER)
@require_POST
def take(request: HttpRequest, project: Project, exchange_id: int) -> HttpResponse:
    """Take the row over from the person who holds it."""
    take_over(_row(project, exchange_id), _person(request))
    return _back(project, exchange_id)


@role_required(Role.REVIEWER)
@require_POST
def draft(request: HttpRequest, project: Project, exchange_id: int) -> HttpResponse:
    """Keep what is typed, for this person and this row."""
    row = _row(project, exchange_id)
    form = valid(DraftForm(request.POST))
    saved = save_draft(project, _person(request), row, form["target"], form["version"])
    if "X-Part" in request.headers:
        return render(request, "review/_saved.html", {"draft": saved})
    return _back(project, exchange_id)


@role_required(Role.REVIEWER)
@require_POST
def check(request: HttpRequest, project: Project, exchange_id: int) -> HttpResponse:
    """What is typed against the captured answer, and what is wrong with it. Writes nothing."""
    row = _row(project, exchange_id)
    form = valid(DraftForm(request.POST))
    context = {
        "project": project,
        "row": row,
        "comparison": compare(project, row, form["target"]),
        "taught": preview(form["target"]),
        "calls": calls_of(row, form["target"]),
        "faults": answer_faults(project, row.tools, form["target"]),
    }
    return render(request, "review/_checked.html", context)


@role_required(Role.REVIEWER)
@require_POST
def tags(request: HttpRequest, project: Project, exchange_id: int) -> HttpResponse:
    """Put a tag on the row or take one off."""
    row = _row(project, exchange_id)
    form = valid(TagForm(request.POST))
    if form["remove"]:
        untag(row, form["remove"])
    elif form["name"].strip():
        tag(row, form["name"])
    if "X-Part" in request.headers:
        return render(request, "review/_tags.html", {"project": project, "row": row, "tags": tags_around(row)})
    return _back(project, exchange_id)


@role_required(Role.REVIEWER)
@require_POST
def must_pass(request: HttpRequest, project: Project, exchange_id: int) -> HttpResponse:
    """Mark the row as one that no model may get wrong again, or take the mark off; marked anew it gets the new note."""
    row = _row(project, exchange_id)
    form = valid(MustPassForm(request.POST))
    if form["is_marked"]:
        marked = {"project": project, "marked_by": _person(request), "note": form["note"].strip()}
        MustPass.objects.update_or_create(exchange=row, defaults=marked)
    else:
        MustPass.objects.filter(exchange=row).delete()
    logger.info("exchange %s must_pass=%s by user %s", row.pk, form["is_marked"], request.user.pk)
    if "X-Part" in request.headers:
        mark = MustPass.objects.select_related("marked_by").filter(exchange=row).first()
        context = {"project": project, "row": row, "must_pass": mark, "marker": mark and mark.marked_by}
        return render(request, "review/_must_pass.html", context)
    return _back(project, exchange_id)


@role_required(Role.REVIEWER)
@require_POST
def restore(request: HttpRequest, project: Project, exchange_id: int) -> HttpResponse:
    """Put the captured answer back into the editor; what the row teaches changes with a verdict only."""
    row = _row(project, exchange_id)
    save_draft(
        project,
        _person(request),
        row,
        in_editor(row.response, reads_as_json(project, row.tools, row.response)),
        row.version,
    )
    return _back(project, exchange_id)


def _row(project: Project, exchange_id: int) -> Exchange:
    return get_object_or_404(project.exchanges.defer("messages", "user_prompt", "prompt_key"), pk=exchange_id)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # nobody else passes LoginRequiredMiddleware
    return request.user


def _back(project: Project, exchange_id: int) -> HttpResponse:
    """303: a reload must not send the form again."""
    place = redirect("review_exchange", project.slug, exchange_id)
    place.status_code = 303
    return place
