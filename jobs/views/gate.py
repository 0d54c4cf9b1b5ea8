"""The rules models are judged by, one model before them, and every verdict there was."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from curation.forms import read_query
from curation.models import Project
from curation.permissions import Role, role_required
from jobs import gating, registry
from jobs.gate_forms import AliasForm, GateForm
from jobs.models import GateResult

MOST_SHOWN = 50


@require_safe
@role_required(Role.VIEWER)
def index(request: HttpRequest, project: Project) -> HttpResponse:
    return _page(request, project, GateForm(instance=gating.policy_of(project)))


@require_POST
@role_required(Role.OWNER)
def save(request: HttpRequest, project: Project) -> HttpResponse:
    form = GateForm(request.POST, instance=gating.policy_of(project))
    if not form.is_valid():
        return _page(request, project, form)
    form.save()
    messages.success(request, "Saved. Verdicts that were given stay as they were.")
    return redirect("gate", project.slug)


def _page(request: HttpRequest, project: Project, form: GateForm) -> HttpResponse:
    results = GateResult.objects.filter(alias__project=project).select_related("alias", "model_version", "created_by")
    context = {
        "project": project,
        "room": "registry",
        "form": form,
        "results": results.defer("limits", "figures").prefetch_related("promotions")[:MOST_SHOWN],
    }
    return render(request, "gate/index.html", context, status=422 if form.errors else 200)


@require_safe
@role_required(Role.VIEWER)
def model(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """What the gate says of one model now, and what it said before."""
    found = get_object_or_404(project.model_versions.select_related("provider", "version", "project"), pk=pk)
    aliases = list(project.aliases.select_related("provider", "project"))
    alias = read_query(AliasForm(aliases, request.GET))["alias"] or registry.main_of(project, aliases)
    results = GateResult.objects.filter(model_version=found).select_related("alias", "created_by", "evaluation")
    context = {
        "project": project,
        "room": "registry",
        "model": found,
        "alias": alias,
        "aliases": aliases,
        "is_served": alias and (alias.provider_id, alias.model) == (found.provider_id, found.name),
        "judged": gating.look(alias, found) if alias else None,
        "results": results.defer("limits", "figures").prefetch_related("checks", "promotions")[:MOST_SHOWN],
    }
    return render(request, "gate/model.html", context)
