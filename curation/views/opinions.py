"""Rows that several people decide: passed on, resolved where they disagree, and how much they agree."""

import time

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from curation.answers import reads_as_json
from curation.claims import first_slot
from curation.concord import concord
from curation.models import Exchange, Project, ReviewSlot, User
from curation.opinions import in_hidden_order, pass_on, resolve_next
from curation.permissions import Role, role_required
from curation.preview import preview
from curation.reading import compare, in_editor, read
from curation.review import Refused, Stale
from curation.review_forms import SecondForm, valid
from curation.views.stage import frame, on, person, stage_page


@role_required(Role.REVIEWER)
@require_POST
def second(request: HttpRequest, project: Project, exchange_id: int) -> HttpResponse:
    """Have somebody else decide the row; on to the next one."""
    form = valid(SecondForm(request.POST))
    slot = get_object_or_404(ReviewSlot, pk=form["slot"], project=project, exchange=exchange_id)
    reviewers = User.objects.filter(memberships__project=project, memberships__role__gte=Role.REVIEWER)
    other = reviewers.filter(username=form["name"]).first() if form["name"] else None
    try:
        if form["name"] and other is None:
            raise Refused("No reviewer of this project has that name.")
        pass_on(project, person(request), exchange_id, slot.pk, note=form["note"], meant_for=other)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return _see(redirect("review_exchange", project.slug, exchange_id))
    except Stale:
        messages.error(request, "Nothing was written: the row is not yours any more.")
        return _see(redirect("review_exchange", project.slug, exchange_id))
    return on(project, person(request), after=slot)


def _see(place: HttpResponse) -> HttpResponse:
    place.status_code = 303
    return place


@role_required(Role.REVIEWER)
@require_safe
def resolve(request: HttpRequest, project: Project) -> HttpResponse:
    """On to the row that has waited longest to be resolved."""
    row = resolve_next(project)
    return redirect("review_exchange", project.slug, row.pk) if row else redirect("review", project.slug)


def resolve_page(request: HttpRequest, project: Project, row: Exchange) -> HttpResponse:
    """Both answers side by side, without names, in an order that says nothing."""
    sides = []
    for opinion in in_hidden_order(row):
        text = row.response if opinion.target_after is None else opinion.target_after
        shown = in_editor(text, reads_as_json(project, row.tools, text))
        sides.append({"opinion": opinion, "text": preview(shown), "comparison": compare(project, row, text)})
        sides[-1]["whole"] = shown
    context = frame(project, person(request)) | {
        "row": row,
        "reading": read(project, row),
        "slot": first_slot(row),
        "sides": sides,
        "opened_at": time.time(),
    }
    return stage_page(request, "review/resolve.html", context)


@role_required(Role.REVIEWER)
@require_safe
def agreement(request: HttpRequest, project: Project) -> HttpResponse:
    context = {"project": project, "room": "review", "concord": concord(project)}
    return render(request, "review/agreement.html", context)
