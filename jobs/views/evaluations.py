from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from curation.models import Project
from curation.permissions import Role, role_required
from jobs import cases, comparisons, evaluations, reports
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
        {"project": project, "room": "evaluations", "rows": [(run, tallies.get(run.pk, {})) for run in runs]},
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
        run = evaluations.request_evaluation(form.cleaned_data["model_version"], request.user)  # type: ignore[arg-type]
    except evaluations.NothingToEvaluate as error:
        messages.error(request, str(error))
        return redirect("registry", project.slug)
    nudge(run)
    return redirect("evaluation", project.slug, run.pk)


@require_safe
@role_required(Role.VIEWER)
def show(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """The report; its figures alone where htmx asks for them."""
    run = get_object_or_404(
        project.evaluations.select_related("version", "model_version__provider", "model_version__finetune"), pk=pk
    )
    summaries = reports.summary(run)
    context = {
        "project": project,
        "room": "evaluations",
        "run": run,
        "summaries": summaries,
        "sentence": reports.sentence(summaries),
        "promotion": run.model_version.promotions.first() if run.model_version else None,
        "aliases": project.aliases.all(),
    }
    if request.headers.get("HX-Request"):
        response = render(request, "evaluations/_figures.html", context)
        if run.is_finished:
            response["HX-Refresh"] = "true"  # the cases below have their answers now
        return response
    return render(request, "evaluations/show.html", context | _cases(request, run))


def _cases(request: HttpRequest, run: EvaluationRun) -> dict[str, object]:
    form = CasesForm(request.GET)
    show = form.cleaned_data["show"] if form.is_valid() else ""
    candidates = list(run.candidates.all())
    before, after = reports.compared_with(candidates), reports.subject_of(candidates)
    page = Paginator(cases.chosen(run, before, after, show), CASES_A_PAGE).get_page(form.cleaned_data.get("page") or 1)
    return {
        "page": page,
        "cases": list(cases.with_answers(run, list(page.object_list))),
        "show": show,
        "changes": comparisons.compare(before, after) if before and after else None,
        "before": before,
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
