"""When a fine-tune pays: a sum to play with, what was expected, and what came of it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from curation.models import Project
from curation.permissions import Role, role_required
from curation.pricing import break_even_on, days_to_break_even, sums_told
from curation.profiles import profiles
from jobs import payback
from jobs.models import PaybackForecast
from jobs.payback_forms import WhatIfForm, starting_values

MOST_SHOWN = 20


@require_safe
@role_required(Role.VIEWER)
def index(request: HttpRequest, project: Project) -> HttpResponse:
    found = payback.measured(project)
    values = starting_values(found)
    # What is not in the query string begins with what was measured.
    form = WhatIfForm(values | {name: request.GET[name] for name in WhatIfForm.base_fields if name in request.GET})
    context = {"project": project, "room": "registry", "form": form, "found": found} | _sum(form)
    if request.headers.get("HX-Request"):
        return render(request, "payback/_sum.html", context)
    forecasts = PaybackForecast.objects.filter(project=project).select_related("created_by")
    context |= {
        "since": payback.since_promotion(project, form.outlay, form.change.before, form.change.after)
        if form.is_valid()
        else None,
        "forecasts": forecasts[:MOST_SHOWN],
        "sums": sums_told(_known_inputs()),
    }
    return render(request, "payback/index.html", context, status=200 if form.is_valid() else 422)


def _known_inputs() -> dict[str, float]:
    """What reading a million tokens costs, by model, of every service whose prices are known."""
    return {
        f"{model.pattern} at {profile.name}": model.price.input
        for profile in profiles().values()
        for model in profile.models
        if model.price and model.price.input
    }


def _sum(form: WhatIfForm) -> dict[str, object]:
    if not form.is_valid():
        return {}
    change, outlay = form.change, form.outlay
    return {
        "change": change,
        "outlay": outlay,
        "days": days_to_break_even(change, outlay),
        "break_even_on": break_even_on(change, outlay, timezone.localdate()),
    }


@require_POST
@role_required(Role.OPERATOR)
def keep(request: HttpRequest, project: Project) -> HttpResponse:
    """Keep the sum as what is expected."""
    form = WhatIfForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Each figure has to be a number that is not below zero.")
        return redirect("payback", project.slug)
    kept = payback.keep(project, form.cleaned_data, form.change, form.outlay, request.user)  # type: ignore[arg-type]
    messages.success(request, f"Kept as {kept}. It can be held against what is measured later.")
    return redirect("payback", project.slug)
