"""Contradictions, one pair at a time."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from curation.answers import reads_as_json
from curation.models import Pair, Project, User
from curation.pairs import refresh, settle
from curation.permissions import Role, role_required
from curation.preview import preview
from curation.reading import in_editor
from curation.review import Refused, Stale
from curation.review_forms import EditedForm, valid

CHOICES = ("first", "second", "edited", "neither", "same")


@role_required(Role.VIEWER)
@require_safe
def index(request: HttpRequest, project: Project) -> HttpResponse:
    """The oldest open pair after the one named by `after`; both answers without names, in an order of its own."""
    open_pairs = project.pairs.filter(state=Pair.State.OPEN)
    after = request.GET.get("after", "")
    later = open_pairs.filter(pk__gt=int(after)) if after.isascii() and after.isdecimal() and len(after) < 19 else None
    rows = open_pairs.select_related("first", "second")
    pair = (rows.filter(pk__in=later.values("pk")).first() if later is not None else None) or rows.first()
    sides = []
    if pair:
        both = [("first", pair.first), ("second", pair.second)]
        # Which stands left does not tell which is older.
        sides = [
            {
                "choice": choice,
                "row": row,
                "prompt": preview(str(row.user_prompt)),
                "answer": preview(row.teaches or ""),
                "whole": in_editor(row.teaches, reads_as_json(project, row.tools, row.teaches)),
            }
            for choice, row in (both if pair.pk % 2 else both[::-1])
        ]
    context = {"project": project, "room": "review", "pair": pair, "sides": sides, "count": open_pairs.count()}
    return render(request, "pairs/index.html", context)


@role_required(Role.REVIEWER)
@require_POST
def decide(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    pair = get_object_or_404(project.pairs.select_related("first", "second", "project"), pk=pk, state=Pair.State.OPEN)
    choice = request.POST.get("choice")
    assert isinstance(request.user, User)  # nobody else passes LoginRequiredMiddleware
    if choice in CHOICES:
        try:
            settle(pair, request.user, choice, valid(EditedForm(request.POST))["text"])
        except Refused as reason:
            messages.error(request, str(reason))
        except Stale:
            refresh(project)
            messages.error(request, "One of the two rows was changed or is held by somebody. Nothing was changed.")
    return redirect("pairs", project.slug)
