"""How people review: what they did, which keys they use, how changes are shown, what the project asks of them."""

import uuid
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from curation.assigning import given_to
from curation.drafts import drafts_in
from curation.forms import read_query
from curation.keys import VERBS
from curation.models import Project, User
from curation.permissions import Role, role_required
from curation.queue import last_verdicts, progress, team
from curation.review_forms import ActivityForm, KeysForm, ReviewSettingsForm
from curation.similar import similar_to

LINES = 50


@role_required(Role.REVIEWER)
@require_safe
def activity(request: HttpRequest, project: Project) -> HttpResponse:
    """All I decided, newest first, each with its undo; and what I typed and did not decide."""
    user = _person(request)
    before = read_query(ActivityForm(request.GET))["before"]
    lines = last_verdicts(project, user, LINES + 1, before)
    mine = progress(project, user)
    sees_names = request.role >= Role.OWNER  # type: ignore[attr-defined]
    context = {
        "mine": mine,
        "given_count": given_to(project, user),
        "team": team(project, mine.left, sees_names),
        "project": project,
        "room": "review",
        "lines": [(line, uuid.uuid4()) for line in lines[:LINES]],
        "oldest": lines[LINES - 1] if len(lines) > LINES else None,
        "drafts": [] if before else drafts_in(project, user)[:LINES],
    }
    return render(request, "review/activity.html", context)


@role_required(Role.VIEWER)
@require_safe
def similar(request: HttpRequest, project: Project, exchange_id: int) -> HttpResponse:
    """Rows like this one, with what became of them. Its own address, so that a row need not wait for it."""
    row = get_object_or_404(project.exchanges.defer("messages").select_related("family"), pk=exchange_id)
    context = {"project": project, "room": "review", "row": row, "similar": similar_to(project, row)}
    return render(request, "review/similar.html", context)


@role_required(Role.REVIEWER)
def keys(request: HttpRequest, project: Project) -> HttpResponse:
    """My key for each verb."""
    user = _person(request)
    form = KeysForm(user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        user.review_keys = form.own_keys
        user.has_single_keys = form.cleaned_data["has_single_keys"]
        user.save(update_fields=["review_keys", "has_single_keys"])
        messages.success(request, "Your keys are saved.")
        return redirect("review_keys", project.slug)
    context = {"project": project, "room": "review", "form": form, "usual": VERBS}
    return render(request, "review/keys.html", context, status=422 if form.errors else 200)


@role_required(Role.REVIEWER)
@require_POST
def diff(request: HttpRequest, project: Project) -> HttpResponse:
    """Show changes in the next way from now on, on every row."""
    user = _person(request)
    modes = list(User.DiffMode)
    user.diff_mode = modes[(modes.index(User.DiffMode(user.diff_mode)) + 1) % len(modes)]
    user.save(update_fields=["diff_mode"])
    row = request.POST.get("row", "")
    place = redirect("review_exchange", project.slug, int(row)) if row.isdecimal() else redirect("review", project.slug)
    place.status_code = 303
    return place


@role_required(Role.OWNER)
def settings(request: HttpRequest, project: Project) -> HttpResponse:
    form = ReviewSettingsForm(request.POST or None, instance=project)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved. Rows already decided stay as they are.")
        return redirect("review_settings", project.slug)
    context: dict[str, Any] = {"project": Project.objects.get(pk=project.pk), "room": "settings", "form": form}
    context["members"] = project.memberships.filter(role__gte=Role.REVIEWER).select_related("user").order_by("pk")
    return render(request, "review/settings.html", context, status=422 if form.errors else 200)


@role_required(Role.OWNER)
@require_POST
def resolvers(request: HttpRequest, project: Project) -> HttpResponse:
    """Who decides where reviewers disagree."""
    chosen = {int(pk) for pk in request.POST.getlist("resolver") if pk.isdecimal()}
    with transaction.atomic():
        project.memberships.exclude(pk__in=chosen).update(is_resolver=False)
        project.memberships.filter(pk__in=chosen).update(is_resolver=True)
    messages.success(request, "Saved.")
    return redirect("review_settings", project.slug)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # nobody else passes LoginRequiredMiddleware
    return request.user
