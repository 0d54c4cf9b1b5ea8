"""The page on which models are chosen to be compared, counted and priced before anything is sent."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from curation.models import Project
from curation.permissions import Role, role_required
from jobs import evaluations
from jobs.evaluation_forms import MOST_CONTENDERS, BudgetForm, CompareForm, ContenderForms, ContenderFormSet, Prompt
from jobs.models import EvaluationRun
from jobs.tasks import nudge


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.OPERATOR)
def compare(request: HttpRequest, project: Project) -> HttpResponse:
    """The form; with candidates in the query string their calls and price. A POST starts what was counted."""
    if request.method == "POST":
        return _start(request, project)
    if "form-0-model" not in request.GET:
        form = CompareForm(project, initial={"repeats": 1})
        return _page(request, project, form, _rows(project, initial=_usual(project)))
    form, rows = CompareForm(project, request.GET), _rows(project, request.GET)
    lines = evaluations.estimate(form.wish(rows)) if form.is_valid() and rows.is_valid() else None
    return _page(request, project, form, rows, lines)


def _start(request: HttpRequest, project: Project) -> HttpResponse:
    form, rows = CompareForm(project, request.POST), _rows(project, request.POST)
    if not (form.is_valid() and rows.is_valid()):
        return _page(request, project, form, rows)
    try:
        run = evaluations.request_comparison(form.wish(rows), request.user)  # type: ignore[arg-type]
    except evaluations.NothingToEvaluate as error:
        messages.error(request, str(error))
        return redirect("evaluations", project.slug)
    nudge(run)
    return redirect("evaluation", project.slug, run.pk)


def _page(
    request: HttpRequest,
    project: Project,
    form: CompareForm,
    rows: ContenderForms,
    lines: list[evaluations.Line] | None = None,
) -> HttpResponse:
    known = [line.dollars for line in lines or () if line.dollars is not None]
    context = {
        "project": project,
        "room": "evaluations",
        "form": form,
        "rows": rows,
        "lines": lines,
        "calls": sum(line.calls for line in lines or ()),
        "dollars": sum(known) if known else None,
        "has_unknown": len(known) < len(lines or ()),
        "models": _models(project),
    }
    is_wrong = form.is_bound and (bool(form.errors) or not rows.is_valid())
    return render(request, "evaluations/compare.html", context, status=422 if is_wrong else 200)


def _rows(
    project: Project, data: QueryDict | None = None, initial: list[dict[str, Any]] | None = None
) -> ContenderForms:
    choice = {"project": project, "providers": list(project.providers.all())}
    if data is not None:
        counts = {"form-TOTAL_FORMS": str(MOST_CONTENDERS), "form-INITIAL_FORMS": "0"}
        return ContenderFormSet(data.dict() | counts, form_kwargs=choice)  # type: ignore[return-value]
    filled = (initial or [])[:MOST_CONTENDERS]
    filled += [{} for _ in range(MOST_CONTENDERS - len(filled))]
    return ContenderFormSet(initial=filled, form_kwargs=choice)  # type: ignore[return-value]


def _usual(project: Project) -> list[dict[str, Any]]:
    """What is served now with the long prompt, its base with the short one, and the newest tuned model."""
    rows = [
        {"provider": alias.provider_id, "model": alias.model, "prompt": Prompt.CAPTURED}
        for alias in project.aliases.all()[:1]
    ]
    if tuned := project.model_versions.order_by("-pk").first():
        short = {"provider": tuned.provider_id, "prompt": Prompt.TRAINING}
        rows += [short | {"model": tuned.base_model}, short | {"model": tuned.name}]
    return rows


def _models(project: Project) -> list[str]:
    """Names to choose from: aliases' models, tuned ones and their bases, and what the providers' profiles know."""
    names = [alias.model for alias in project.aliases.all()]
    for name, base in project.model_versions.order_by("-pk").values_list("name", "base_model")[:20]:
        names += [name, base]
    for provider in project.providers.all():
        # Families of models are written as patterns; only whole names can be asked.
        names += [provider.base_model, *(each.pattern for each in provider.profile.models if "*" not in each.pattern)]
    return [name for name in dict.fromkeys(names) if name]


@require_POST
@role_required(Role.OPERATOR)
def budget(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Let a run that stands still at its budget go on with a larger one."""
    run = get_object_or_404(EvaluationRun, pk=pk, project=project)
    form = BudgetForm(request.POST)
    if not form.is_valid():
        messages.error(request, "A budget is a sum in US dollars above 0.")
    elif evaluations.raise_budget(run, form.cleaned_data["budget"]):
        nudge(run)
    else:
        messages.info(request, "It does not wait for a budget any more.")
    return redirect("evaluation", project.slug, pk)
