"""One verdict on many rows: chosen by ticks or by a search, tried, confirmed, taken back."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from curation.bulk import CHUNK, TYPED_ABOVE, WANTED, TooMany, advance, confirm, counts, plan, take_back
from curation.models import BulkChange, BulkRow, Project, User
from curation.permissions import Role, role_required
from curation.rows_forms import BulkForm, FilterForm
from curation.search import find

LISTED = 50
_SKIPPED = ("contradicts", "fails", "held", "shared", "changed", "kept")


@role_required(Role.REVIEWER)
@require_POST
def begin(request: HttpRequest, project: Project) -> HttpResponse:
    """Ticked rows are decided at once; what a search finds is counted and tried first."""
    form = BulkForm(request.POST)
    back = f"{reverse('review_rows', args=[project.slug])}?{request.POST.get('query', '')[:1000]}"
    if not form.is_valid():
        messages.error(request, " ".join(str(fault) for faults in form.errors.values() for fault in faults))
        return redirect(back)
    user, verb, ticked = _person(request), form.cleaned_data["verb"], form.cleaned_data["row"]
    if not form.cleaned_data["all_found"]:
        bulk = plan(project, user, verb, ticked)
        advance(bulk.pk)
        confirm(bulk)
        advance(bulk.pk)
        return redirect(f"{back}&bulk={bulk.pk}")
    if request.role < Role.OPERATOR:  # type: ignore[attr-defined]
        raise PermissionDenied(f"Deciding all that a search finds needs the role “{Role.OPERATOR.label}”.")
    filters = FilterForm(QueryDict(form.cleaned_data["query"])).filters()
    try:
        bulk = plan(project, user, verb, find(project, filters), filters.query)
    except TooMany as reason:
        messages.error(request, str(reason))
        return redirect(back)
    return _on(bulk)


@role_required(Role.REVIEWER)
@require_safe
def show(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    bulk = get_object_or_404(project.bulk_changes.select_related("user"), pk=pk)
    found = counts(bulk)
    is_being_checked = bulk.status == BulkChange.Status.CHECKING
    unchecked, done = found.get(BulkRow.Outcome.UNCHECKED, 0), found.get(BulkRow.Outcome.DONE, 0)
    skipped = bulk.rows.filter(outcome__in=_SKIPPED).order_by("exchange")[:LISTED]
    context = {
        "project": project,
        "room": "review",
        "bulk": bulk,
        "outcomes": [(BulkRow.Outcome(outcome), count) for outcome, count in sorted(found.items())],
        "wanted": sum(found.get(outcome, 0) for outcome in WANTED),
        "moved": bulk.total_count - unchecked if is_being_checked else done,
        "done": done,
        "may_act": _may_act(request, bulk),
        "skipped": skipped,
        "typed_above": TYPED_ABOVE,
    }
    return render(request, "bulk/show.html", context)


@role_required(Role.REVIEWER)
@require_POST
def go(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Confirmed: a hundred rows and more by typing how many."""
    bulk = _bulk(request, project, pk)
    found = counts(bulk)
    wanted = sum(found.get(outcome, 0) for outcome in WANTED)
    typed = request.POST.get("typed", "").replace(",", "").strip()
    if wanted > TYPED_ABOVE and typed != str(wanted):
        messages.error(request, f"Nothing was changed. To go on, type how many rows will be changed: {wanted}.")
    elif not confirm(bulk):
        messages.error(request, "This does not wait for a word: it is being checked, or was confirmed already.")
    return _on(bulk)


@role_required(Role.REVIEWER)
@require_POST
def undo(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    bulk = _bulk(request, project, pk)
    if not take_back(bulk):
        messages.error(request, "There is nothing to take back: it was not done, or was taken back already.")
    return _on(bulk)


def _on(bulk: BulkChange) -> HttpResponse:
    """A small change goes as far as it can within the request; a large one is a worker's."""
    if bulk.total_count <= CHUNK:
        advance(bulk.pk)
    return redirect("bulk", bulk.project.slug, bulk.pk)


def _bulk(request: HttpRequest, project: Project, pk: int) -> BulkChange:
    """A person's own, or an operator's to look after."""
    bulk = get_object_or_404(project.bulk_changes.select_related("user"), pk=pk)
    if not _may_act(request, bulk):
        raise PermissionDenied("This change is another person's. An operator can see to it.")
    return bulk


def _may_act(request: HttpRequest, bulk: BulkChange) -> bool:
    return bulk.user_id == request.user.pk or request.role >= Role.OPERATOR  # type: ignore[attr-defined]


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # nobody else passes LoginRequiredMiddleware
    return request.user
