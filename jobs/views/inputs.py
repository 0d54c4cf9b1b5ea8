"""Inputs a model writes for the project's task, and choosing among them."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from curation.models import Project
from curation.permissions import Role, role_required
from jobs import inputs
from jobs.drafting import NotPossible
from jobs.generation_forms import ChosenForm, InputsForm, offered_models
from jobs.models import InputDraft
from jobs.tasks import nudge


@require_http_methods(["GET", "POST"])
@role_required(Role.OPERATOR)
def new(request: HttpRequest, project: Project) -> HttpResponse:
    likely, provider = inputs.likely_examples(project), project.default_provider
    initial = {
        "task": project.instructions,
        "provider": provider,
        "model": provider.base_model if provider else "",
        "examples": [row.pk for row in likely],
    }
    form = InputsForm(project, likely, request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        wanted = form.cleaned_data
        draft = inputs.request_inputs(
            project,
            wanted["provider"],
            wanted["model"],
            task=wanted["task"],
            examples=[row.user_prompt for row in wanted["examples"]],
            per_request=wanted["per_request"],
            wanted_count=wanted["wanted_count"],
            user=request.user,  # type: ignore[arg-type]
        )
        nudge(draft)
        return redirect("inputs", project.slug, draft.pk)
    chosen = [str(value) for value in form["examples"].value() or []]
    context = {
        "project": project,
        "room": "generations",
        "form": form,
        "likely": [(row, str(row.pk) in chosen) for row in likely],
        "models": offered_models(project),
    }
    return render(request, "generations/inputs_new.html", context, status=422 if form.errors else 200)


@require_safe
@role_required(Role.VIEWER)
def show(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """What was written so far; the progress alone where htmx asks for that."""
    draft = _draft(project, pk)
    context = {"project": project, "room": "generations", "draft": draft}
    if not request.headers.get("HX-Request"):
        return render(request, "generations/inputs.html", context | {"inputs": draft.inputs.defer("prompt_key")})
    response = render(request, "generations/_inputs_live.html", context)
    if draft.is_finished:
        response["HX-Refresh"] = "true"
    return response


@require_POST
@role_required(Role.OPERATOR)
def cancel(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    draft = _draft(project, pk)
    if draft.ask_to_cancel():
        nudge(draft)
    else:
        messages.info(request, "It had ended already.")
    return redirect("inputs", project.slug, pk)


@require_POST
@role_required(Role.OPERATOR)
def choose(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Make the chosen inputs a generation's table."""
    draft = _draft(project, pk)
    form = ChosenForm(list(draft.inputs.values_list("pk", flat=True)), request.POST)
    try:
        ids = form.cleaned_data["chosen"] if form.is_valid() else []
        generation = inputs.choose(draft, ids, request.user)  # type: ignore[arg-type]
    except (inputs.NothingChosen, NotPossible) as error:
        messages.error(request, str(error))
        return redirect("inputs", project.slug, pk)
    return redirect("generation", project.slug, generation.pk)


def _draft(project: Project, pk: int) -> InputDraft:
    return get_object_or_404(project.input_drafts.select_related("provider", "generation"), pk=pk)
