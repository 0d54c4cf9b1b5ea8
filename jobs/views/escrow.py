"""Answers of models kept before they go, and what came after them held against those."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from curation.models import Project
from curation.permissions import Role, role_required
from jobs import escrow
from jobs.escrow_forms import AgainstForm, EscrowForm
from jobs.models import Escrow
from jobs.tasks import nudge

MOST_SHOWN = 50


@require_safe
@role_required(Role.VIEWER)
def index(request: HttpRequest, project: Project) -> HttpResponse:
    """What is kept; with a version, a provider and a model in the query string, how many prompts that would ask."""
    form = EscrowForm(project, request.GET if "model" in request.GET else None)
    asked = escrow.estimate(**form.cleaned_data) if form.is_bound and form.is_valid() else None
    context = {
        "project": project,
        "room": "registry",
        "form": form,
        "asked": asked,
        "escrows": project.escrows.select_related("version", "provider", "created_by")[:MOST_SHOWN],
    }
    return render(request, "escrow/index.html", context, status=422 if form.errors else 200)


@require_POST
@role_required(Role.OPERATOR)
def start(request: HttpRequest, project: Project) -> HttpResponse:
    form = EscrowForm(project, request.POST)
    if not form.is_valid():
        messages.error(request, "Choose a version and a provider, and name a model.")
        return redirect("escrow", project.slug)
    try:
        kept = escrow.start(**form.cleaned_data, user=request.user)  # type: ignore[arg-type]
        nudge(kept)
        messages.success(request, f"The answers of {kept.model} are being kept.")
    except escrow.NotKept as error:
        messages.error(request, str(error))
    return redirect("escrow", project.slug)


@require_safe
@role_required(Role.VIEWER)
def show(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """One model's answers; with another one, how often both say the same."""
    kept = get_object_or_404(project.escrows.select_related("version", "provider", "project"), pk=pk)
    others = project.escrows.exclude(pk=pk).select_related("version")
    form = AgainstForm(others, request.GET)
    against = form.cleaned_data["against"] if form.is_valid() else None
    context = {
        "project": project,
        "room": "registry",
        "escrow": kept,
        "others": others,
        "against": against,
        "likeness": escrow.likeness(kept, against) if against else None,
    }
    return render(request, "escrow/show.html", context)


@require_POST
@role_required(Role.OPERATOR)
def stop(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    kept = get_object_or_404(Escrow, pk=pk, project=project)
    if kept.ask_to_cancel():
        nudge(kept)
        messages.success(request, "It stops. What was answered stays.")
    else:
        messages.info(request, "It had ended already.")
    return redirect("escrow", project.slug)
