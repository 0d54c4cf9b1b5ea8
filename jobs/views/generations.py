"""Prompts from a table: upload, template, preview, run, and what came of it."""

from typing import Any

from django.contrib import messages
from django.db.models.functions import Left, Substr
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from curation.models import Project
from curation.permissions import Role, role_required
from jobs import generations
from jobs.generation_forms import ItemsForm, LimitsForm, PromptsForm, StartForm, TableForm, offered_models
from jobs.generations import NotPossible
from jobs.models import Generation, GenerationItem
from jobs.prompts import Part, TemplateError, parse
from jobs.tables import TableError
from jobs.tasks import nudge

MOST_SHOWN = 100
PREVIEWS = 5
ROWS_SHOWN = 3
ITEMS_PER_PAGE = 50
EXCERPT = 160


@require_safe
@role_required(Role.VIEWER)
def index(request: HttpRequest, project: Project) -> HttpResponse:
    rows = project.generations.select_related("provider", "created_by").defer("template", "system_prompt", "columns")
    context = {
        "project": project,
        "room": "generations",
        "generations": rows[:MOST_SHOWN],
        "drafts": project.input_drafts.defer("task", "examples")[:MOST_SHOWN],
    }
    return render(request, "generations/index.html", context)


@require_http_methods(["GET", "POST"])
@role_required(Role.OPERATOR)
def new(request: HttpRequest, project: Project) -> HttpResponse:
    """Upload a table."""
    form = TableForm(request.POST, request.FILES) if request.method == "POST" else TableForm()
    if form.is_valid():
        try:
            generation = generations.draft(
                project,
                form.file(),
                name=form.cleaned_data["name"],
                user=request.user,  # type: ignore[arg-type]
            )
            return redirect("generation_edit", project.slug, generation.pk)
        except (TableError, NotPossible) as error:
            form.add_error("pasted" if form.cleaned_data["pasted"] else "table", str(error))
    context = {"project": project, "room": "generations", "form": form}
    return render(request, "generations/new.html", context, status=422 if form.errors else 200)


@require_POST
@role_required(Role.OPERATOR)
def example(request: HttpRequest, project: Project) -> HttpResponse:
    """Draft the example, to see how it goes."""
    try:
        generation = generations.draft_example(project, request.user)  # type: ignore[arg-type]
    except NotPossible as error:
        messages.error(request, str(error))
        return redirect("generations", project.slug)
    return redirect("generation", project.slug, generation.pk)


@require_http_methods(["GET", "POST"])
@role_required(Role.OPERATOR)
def edit(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """The template and the settings of a draft."""
    generation = get_object_or_404(project.generations.select_related("provider"), pk=pk)
    if not generation.is_draft:
        return redirect("generation", project.slug, pk)
    try:
        rows = [list(row.values()) for row in generations.first_rows(generation, ROWS_SHOWN)]
    except TableError as error:
        messages.error(request, str(error))
        return redirect("generations", project.slug)
    form = PromptsForm(request.POST if request.method == "POST" else None, instance=generation)
    if form.is_valid():
        try:
            generations.write(generation, **form.cleaned_data)
            return redirect("generation", project.slug, pk)
        except (TemplateError, TableError, NotPossible) as error:
            form.add_error("template", str(error))
    context = {
        "project": project,
        "room": "generations",
        "generation": generation,
        "form": form,
        "rows": rows,
        "models": offered_models(project),
    }
    return render(request, "generations/edit.html", context, status=422 if form.errors else 200)


@require_safe
@role_required(Role.VIEWER)
def show(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """One generation; its live part alone where htmx asks for that."""
    generation = get_object_or_404(project.generations.select_related("provider", "created_by"), pk=pk)
    found = generations.figures(generation)
    context = {
        "project": project,
        "room": "generations",
        "generation": generation,
        "figures": found,
        "sentence": generations.sentence(generation, found),
        "sample": generations.SAMPLE,
        "few": generations.FEW,
        "limits": LimitsForm(instance=generation),
        "tabs": [(status, status.label, count) for status in GenerationItem.Status if (count := _count(found, status))],
    }
    if not request.headers.get("HX-Request"):
        context |= _previews(generation) | _items(request, generation)
        return render(request, "generations/show.html", context)
    response = render(request, "generations/_live.html", context)
    if not generation.is_moving:
        response["HX-Refresh"] = "true"  # the list below is of another time
    return response


def _count(found: generations.Figures, status: GenerationItem.Status) -> int:
    return int(getattr(found, status.value))


def _previews(generation: Generation) -> dict[str, Any]:
    """The first prompts in parts, while nothing was asked."""
    if not generation.is_draft or not generation.template:
        return {"previews": []}
    template = parse(generation.template, generation.columns)
    first = generation.items.exclude(status=GenerationItem.Status.REPEATED)[:PREVIEWS]
    previews: list[tuple[GenerationItem, list[Part]]] = [(item, template.fill(item.variables)) for item in first]
    return {"previews": previews}


def _items(request: HttpRequest, generation: Generation) -> dict[str, Any]:
    """A page of the prompts, without their texts in full."""
    form = ItemsForm(request.GET)
    query = form.cleaned_data if form.is_valid() else {}
    status, after = query.get("show") or "", query.get("after") or 0
    items = generation.items.filter(position__gt=after).defer("prompt", "prompt_key", "variables")
    if status:
        items = items.filter(status=status)
    # All prompts begin alike; what tells them apart comes after that.
    first = parse(generation.template, generation.columns).parts[0] if generation.template else Part("")
    skipped = 0 if first.column else len(first.text)
    excerpts = {"excerpt": Substr("prompt", skipped + 1, EXCERPT), "answer": Left("exchange__response", EXCERPT)}
    page = list(items.annotate(**excerpts)[: ITEMS_PER_PAGE + 1])
    return {
        "show": status,
        "items": page[:ITEMS_PER_PAGE],
        "has_more": len(page) > ITEMS_PER_PAGE,
        "is_first": not after,
    }


# Buttons


@require_POST
@role_required(Role.OPERATOR)
def start(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    generation = get_object_or_404(project.generations, pk=pk)
    form = StartForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose a sample, or all.")
        return redirect("generation", project.slug, pk)
    sample = generations.SAMPLE if form.cleaned_data["how"] == "sample" else None
    try:
        generations.start(generation, sample=sample, asks_again=form.cleaned_data["asks_again"])
        nudge(generation)
    except NotPossible as error:
        messages.error(request, str(error))
    return redirect("generation", project.slug, pk)


@require_POST
@role_required(Role.OPERATOR)
def pause(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    generation = get_object_or_404(project.generations, pk=pk)
    if generations.pause(generation):
        nudge(generation)
    else:
        messages.info(request, "Nothing was being asked.")
    return redirect("generation", project.slug, pk)


@require_POST
@role_required(Role.OPERATOR)
def resume(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Go on, with the limits that were sent."""
    generation = get_object_or_404(project.generations, pk=pk)
    form = LimitsForm(request.POST, instance=generation)
    if not form.is_valid():
        faults = [f"{form[name].label}: {' '.join(map(str, found))}" for name, found in form.errors.items()]
        messages.error(request, f"It did not go on. {' '.join(faults)}")
    elif generations.resume(generation, **form.cleaned_data):
        nudge(generation)
    else:
        messages.info(request, "It has ended.")
    return redirect("generation", project.slug, pk)


@require_POST
@role_required(Role.OPERATOR)
def cancel(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    generation = get_object_or_404(project.generations, pk=pk)
    if generation.ask_to_cancel():
        nudge(generation)
    else:
        messages.info(request, "It had ended already.")
    return redirect("generation", project.slug, pk)


@require_POST
@role_required(Role.OPERATOR)
def retry(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Ask the failed prompts again."""
    generation = get_object_or_404(project.generations, pk=pk)
    try:
        if generations.retry_failed(generation):
            nudge(generation)
        else:
            messages.info(request, "No prompt has failed.")
    except NotPossible as error:
        messages.error(request, str(error))
    return redirect("generation", project.slug, pk)


@require_POST
@role_required(Role.OPERATOR)
def copy(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """A new draft of the same table, to try another template."""
    generation = get_object_or_404(project.generations, pk=pk)
    copied = generations.copy(generation, request.user)  # type: ignore[arg-type]
    return redirect("generation_edit", project.slug, copied.pk)
