"""Taking rows back for good: what holds them, and what has been done about it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_safe

from curation.models import Project
from curation.permissions import Role, role_required
from jobs import withdrawals
from jobs.holdings import holdings_of
from jobs.models import Withdrawal
from jobs.tasks import nudge
from jobs.withdrawal_forms import NamedForm, WithdrawForm

MOST_SHOWN = 50


@role_required(Role.VIEWER)
@require_safe
def index(request: HttpRequest, project: Project) -> HttpResponse:
    rows = Withdrawal.objects.filter(project=project).select_related("created_by")[:MOST_SHOWN]
    return render(request, "withdrawals/index.html", {"project": project, "room": "datasets", "withdrawals": rows})


@role_required(Role.OWNER)
def new(request: HttpRequest, project: Project) -> HttpResponse:
    """GET finds rows (?rows=, ?name=) and shows what holds them; POST withdraws those that were chosen."""
    named = NamedForm(request.GET or None)
    found = []
    if named.is_valid():
        found = withdrawals.rows_named(project, named.cleaned_data["rows"], named.cleaned_data["name"])
    numbers = [row.pk for row in found]
    form = WithdrawForm(numbers, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        chosen, reason = form.cleaned_data["chosen"], form.cleaned_data["reason"]
        wishes = {name: form.cleaned_data[name] for name in ("is_erasure", "wants_retraining")}
        try:
            withdrawal = withdrawals.withdraw(project, chosen, request.user, reason, **wishes)  # type: ignore[arg-type]
        except withdrawals.NothingToWithdraw as refusal:
            form.add_error(None, str(refusal))
        else:
            nudge(withdrawal)
            messages.success(request, "Withdrawn: the rows are excluded, and a worker does the rest.")
            return redirect("withdrawal", project.slug, withdrawal.pk)
    context = {
        "project": project,
        "room": "datasets",
        "named": named,
        "form": form,
        "found": found[: withdrawals.MOST_ROWS],
        "chosen": set(map(int, form.cleaned_data.get("chosen", []))) if form.is_bound else set(numbers),
        "holdings": holdings_of(project, numbers) if numbers else None,
    }
    return render(request, "withdrawals/new.html", context, status=422 if form.errors or named.errors else 200)


@role_required(Role.VIEWER)
@require_safe
def show(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    withdrawal = get_object_or_404(
        Withdrawal.objects.select_related("created_by", "retraining"), pk=pk, project=project
    )
    context = {
        "project": project,
        "room": "datasets",
        "withdrawal": withdrawal,
        "rows": withdrawal.exchanges.without_bodies().order_by("pk")[: withdrawals.MOST_ROWS],
        "holdings": withdrawals.holdings(withdrawal),
        "removals": withdrawal.removals.select_related("provider"),
        "taints": withdrawal.taints.select_related("model_version"),
    }
    return render(request, "withdrawals/show.html", context)
