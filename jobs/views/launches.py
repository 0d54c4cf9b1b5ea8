"""The page that starts a fine-tune: what it would cost and what stands against it, then the button."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from curation.models import Project
from curation.permissions import Role, role_required
from curation.prices import keep_price
from jobs import budgets, finetunes
from jobs.launch_forms import LaunchForm
from jobs.plans import Plan, estimate, faults, warnings
from jobs.tasks import nudge


@require_http_methods(["GET", "POST"])
@role_required(Role.OPERATOR)
def new(request: HttpRequest, project: Project) -> HttpResponse:
    """GET shows what a launch would be, for the wishes in the query string; POST with the same fields launches."""
    if request.method == "GET":
        return _ask(request, project, LaunchForm(project, _usual(project) | request.GET.dict()), 200)
    form = LaunchForm(project, request.POST)
    plan = form.plan if form.is_valid() else None
    if plan is None:
        return _ask(request, project, form, 422)
    if plan.typed_price is not None:
        keep_price(plan.provider, plan.base_model, request.user, train=plan.typed_price)  # type: ignore[arg-type]
    try:
        finetune = finetunes.launch(
            plan.version,
            plan.provider,
            plan.base_model,
            user=request.user,  # type: ignore[arg-type]
            suffix=plan.suffix,
            seed=form.cleaned_data["seed"],
            method=plan.method,
            grader=form.cleaned_data.get("grader"),
            hyperparameters=dict(plan.hyperparameters),
            expected=form.shown,
        )
    except finetunes.NotPossible as error:
        form.add_error(None, str(error))
        return _ask(request, project, form, 409 if isinstance(error, finetunes.CostsOtherwise) else 422)
    nudge(finetune)
    return redirect("finetune", project.slug, finetune.pk)


def _usual(project: Project) -> dict[str, str]:
    """What is wished unless the query string says otherwise."""
    latest, provider = project.versions.only("project_id", "number").first(), project.default_provider
    return {"version": str(latest.number) if latest else "", "provider": str(provider.pk) if provider else ""}


def _ask(request: HttpRequest, project: Project, form: LaunchForm, status: int) -> HttpResponse:
    form.is_valid()
    plan = form.plan
    context = {
        "project": project,
        "room": "finetunes",
        "form": form,
        "bases": _bases(form),
        "has_versions": plan is not None or project.versions.exists(),
    }
    page = "finetunes/_start.html" if request.headers.get("HX-Request") else "finetunes/new.html"
    return render(request, page, context | (_before_paying(project, plan) if plan else {}), status=status)


def _bases(form: LaunchForm) -> list[str]:
    """Base models to choose from, where the provider's are known."""
    if form.chosen is None:
        return []
    known = [model.pattern for model in form.chosen.profile.models if form.way in model.methods]
    return list(dict.fromkeys([form.chosen.base_model, *(name for name in known if "*" not in name)]))


def _before_paying(project: Project, plan: Plan) -> dict[str, Any]:
    cost = estimate(plan)
    said = list(faults(plan))
    objection = "" if said else budgets.objection(project, cost)
    return {
        "plan": plan,
        "version": plan.version,
        "cost": cost,
        "faults": [*said, objection] if objection else said,
        "warnings": list(warnings(plan)),
        "budget_left": budgets.left(project),
    }
