from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from curation.models import Project
from curation.permissions import Role, role_required
from jobs import cases, comparisons, evaluations, grading, reports
from jobs.forms import CasesForm, ModelForm
from jobs.models import EvaluationRun
from jobs.tasks import nudge

MOST_SHOWN = 100
CASES_A_PAGE = 20


@require_safe
@role_required(Role.VIEWER)
def index(request: HttpRequest, project: Project) -> HttpResponse:
    runs = list(
        project.evaluations.select_related("version", "model_version").defer("error", "version__training_prompt")[
            :MOST_SHOWN
        ]
    )
    tallies = reports.tallies(runs)
    return render(
        request,
        "evaluations/index.html",
        {
            "project": project,
            "room": "evaluations",
            "rows": [(run, found := tallies.get(run.pk, []), reports.by_role(found)) for run in runs],
            "can_compare": project.versions.filter(test_count__gt=0).exists(),
        },
    )


@require_POST
@role_required(Role.OPERATOR)
def new(request: HttpRequest, project: Project) -> HttpResponse:
    """Ask anew what a model is worth against what is served now."""
    form = ModelForm(project, request.POST)
    if not form.is_valid():
        messages.error(request, "This model is not one of the project.")
        return redirect("registry", project.slug)
    try:
        run = evaluations.request_evaluation(
            form.cleaned_data["model_version"],
            request.user,  # type: ignore[arg-type]
            asks_again=True,
        )
    except evaluations.NothingToEvaluate as error:
        messages.error(request, str(error))
        return redirect("registry", project.slug)
    nudge(run)
    return redirect("evaluation", project.slug, run.pk)


@require_safe
@role_required(Role.VIEWER)
def show(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """The report; its figures alone where htmx asks for them."""
    run = _run_of(project, pk)
    context = _report(project, run) | {
        "promotion": run.model_version.promotions.first() if run.model_version else None,
        "aliases": project.aliases.all(),
    }
    if request.headers.get("HX-Request"):
        response = render(request, "evaluations/_figures.html", context)
        if run.is_finished:
            response["HX-Refresh"] = "true"  # the cases below have their answers now
        return response
    return render(request, "evaluations/show.html", context | _cases(request, run, context["must_pass"]))


@require_safe
@role_required(Role.VIEWER)
def printed(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """The report on one page, to print or to hand on."""
    run = _run_of(project, pk)
    return render(request, "evaluations/print.html", _report(project, run) | _compared(request, run))


@require_safe
@role_required(Role.VIEWER)
def case(request: HttpRequest, project: Project, pk: int, example: int) -> HttpResponse:
    """One case with all answers, and the training rows nearest to it: what these rows bought."""
    run = _run_of(project, pk)
    asked = get_object_or_404(comparisons.cases_of(run).select_related("exchange"), pk=example)
    [answered] = cases.with_answers(run, [asked], cases.must_pass_of(run))
    context = {
        "project": project,
        "room": "evaluations",
        "run": run,
        "case": answered,
        "row": asked.exchange,
        "nearest": cases.nearest_taught(run, asked),
    }
    return render(request, "evaluations/case.html", context)


def _run_of(project: Project, pk: int) -> EvaluationRun:
    known = project.evaluations.select_related("version", "model_version__provider", "model_version__finetune")
    return get_object_or_404(known.prefetch_related(reports.CANDIDATES), pk=pk)


def _report(project: Project, run: EvaluationRun) -> dict[str, Any]:
    summaries = reports.summary(run)
    return {
        "project": project,
        "room": "evaluations",
        "run": run,
        "summaries": summaries,
        "sentence": reports.sentence(summaries),
        "deciding": next((each["name"] for each in run.graders if each["is_deciding"]), None),
        "grader_figures": grading.figures(run),
        "waits_for_budget": run.is_parked and run.budget is not None,
        "must_pass": cases.must_pass_of(run),
    }


def _compared(request: HttpRequest, run: EvaluationRun) -> dict[str, Any]:
    """Two of the candidates held against each other: those in the query string, else what the run is about."""
    candidates = list(run.candidates.all())
    form = CasesForm(candidates, request.GET)
    form.is_valid()
    chosen = form.cleaned_data
    before = chosen.get("before") or reports.compared_with(candidates)
    after = chosen.get("after") or reports.subject_of(candidates)
    compared = comparisons.Comparison(before, after) if before and after and before != after else None
    return {
        "chosen": chosen,
        "candidates": candidates,
        "before": before,
        "after": after,
        "compared": compared,
        "changes": compared.paired if compared else None,
        "slices": compared.slices if compared else [],
    }


def _cases(request: HttpRequest, run: EvaluationRun, must_pass: set[int]) -> dict[str, object]:
    context = _compared(request, run)
    chosen = context["chosen"]
    show, group = chosen.get("show", ""), (chosen.get("kind", ""), chosen.get("name", ""))
    rows = cases.chosen(run, context["compared"], show, group if all(group) else None)
    page = Paginator(rows, CASES_A_PAGE).get_page(chosen.get("page") or 1)
    query = request.GET.copy()
    for name in ("show", "page"):
        query.pop(name, None)
    return context | {
        "page": page,
        "cases": list(cases.with_answers(run, list(page.object_list), must_pass)),
        "show": show,
        "group": group if all(group) else None,
        "query": query.urlencode(),
    }


@require_POST
@role_required(Role.OPERATOR)
def cancel(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    run = get_object_or_404(project.evaluations, pk=pk)
    if run.ask_to_cancel():
        nudge(run)
        messages.info(request, "It stops after the answers that are under way.")
    else:
        messages.info(request, "It had finished already.")
    return redirect("evaluation", project.slug, pk)
