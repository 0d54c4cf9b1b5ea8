"""Rows by the page: searched, filtered, and the searches people keep."""

from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from curation import assigning, indexing
from curation.bulk import counts
from curation.forms import read_query
from curation.models import BulkChange, BulkRow, Exchange, Project, ReviewSlot, SavedView, User
from curation.permissions import Role, role_required
from curation.rows_forms import AssignForm, FilterForm, PageForm, SavedViewForm
from curation.search import COUNTED, Filters, count, find, find_alike, with_excerpts

ROWS_PER_PAGE = 25
MOST_VIEWS = 100
# The ORM takes longer to write these than Postgres to answer them, and this is the page that people page through.
_FIRST_SLOTS = """
    SELECT s.id, s.exchange_id, s.reasons, s.done_at, s.claimed_until, holder.username AS holder,
        meant_for.username AS given_to
    FROM curation_reviewslot s LEFT JOIN curation_user holder ON holder.id = s.reviewer_id
    LEFT JOIN curation_user meant_for ON meant_for.id = s.meant_for_id
    WHERE s.exchange_id = ANY(%s) AND s.position = 1
"""
_VIEWS = """
    SELECT v.id, v.name, v.query, v.user_id, u.username AS keeper
    FROM curation_savedview v JOIN curation_user u ON u.id = v.user_id
    WHERE v.project_id = %s AND (v.user_id = %s OR v.is_shared) ORDER BY v.name, v.id
"""
VERBS = [("included", "Include", "i"), ("excluded", "Exclude", "x"), ("later", "Later", "s")]


@role_required(Role.VIEWER)
@require_safe
def index(request: HttpRequest, project: Project) -> HttpResponse:
    form = FilterForm(request.GET)
    filters = form.filters()
    place = read_query(PageForm(request.GET))
    before = place["before"]
    rows, total, is_alike = _found(project, filters, before)
    page = rows[:ROWS_PER_PAGE]
    _with_slots(page)
    context = {
        "project": project,
        "room": "review",
        "states": Exchange.State.choices,
        "filters": filters,
        "rows": page,
        "total": total,
        "has_more": len(rows) > ROWS_PER_PAGE,
        "is_first": before is None,
        "is_alike": is_alike,
        "is_behind": bool(filters.q) and indexing.is_behind(project),
        "counted": COUNTED,
        "bulk": _just_done(project, _person(request), place["bulk"]),
        "verbs": VERBS,
        "views": _views(project, _person(request)),
    }
    return render(request, "rows/index.html", context)


@role_required(Role.OPERATOR)
@require_POST
def assign(request: HttpRequest, project: Project) -> HttpResponse:
    """Give the ticked rows, or all that the search finds, to one person, or to anybody again."""
    form = AssignForm(project, request.POST)
    filters = FilterForm(QueryDict(request.POST.get("query", "")[:1000])).filters()
    if not form.is_valid():
        messages.error(request, "Rows can be given to reviewers of this project.")
        return _to(project, filters)
    person = form.cleaned_data["person"]
    rows = find(project, filters) if form.cleaned_data["all_found"] else project.exchanges.filter(pk__in=form.ticked())
    try:
        count = assigning.assign(project, rows, person)
    except assigning.TooMany as reason:
        messages.error(request, str(reason))
    else:
        whom = person.get_username() if person else "anybody"
        messages.success(request, f"{count:,} waiting row{'' if count == 1 else 's'} given to {whom}.")
    return _to(project, filters)


@role_required(Role.REVIEWER)
@require_POST
def keep_view(request: HttpRequest, project: Project) -> HttpResponse:
    """Keep the search under a name, as a person's own or for everybody."""
    person = _person(request)
    filters = FilterForm(QueryDict(request.POST.get("query", ""))).filters()
    form = SavedViewForm(request.POST, instance=SavedView(project=project, user=person, query=filters.query))
    if SavedView.objects.filter(project=project, user=person).count() >= MOST_VIEWS:
        form.add_error(None, f"You keep {MOST_VIEWS} views already. Remove one first.")
    if form.is_valid():
        form.save()
        messages.success(request, f"Kept as “{form.instance.name}”.")
    else:
        messages.error(request, " ".join(str(fault) for faults in form.errors.values() for fault in faults))
    return _to(project, filters)


@role_required(Role.REVIEWER)
@require_POST
def drop_view(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Only the person who made it can remove it, or an owner."""
    mine = Q() if request.role >= Role.OWNER else Q(user=_person(request))  # type: ignore[attr-defined]
    view = get_object_or_404(project.saved_views.filter(mine), pk=pk)
    view.delete()
    messages.success(request, f"The view “{view.name}” is removed.")
    return redirect("review_rows", project.slug)


def _found(project: Project, filters: Filters, before: int | None) -> tuple[list[Any], int | None, bool]:
    """A page of rows and one more; how many there are in all (on the first page); whether they are only alike."""
    found = find(project, filters)
    rows = _page(found, before)
    if not rows and filters.q and before is None:
        alike = _page(find_alike(project, filters), None)
        return alike, None, bool(alike)
    total = count(found) if before is None and filters.narrows else None
    return rows, total, False


def _page(found: Any, before: int | None) -> list[Any]:
    rows = found.filter(pk__lt=before) if before else found
    return list(
        with_excerpts(rows).only("project", "state", "version", "seen_count", "last_seen_at")[: ROWS_PER_PAGE + 1]
    )


def _with_slots(rows: list[Any]) -> None:
    """Sets `first_slot`: why each row deserves a look, and by name who has it (`holder`) and whom it was `given_to`."""
    first = {slot.exchange_id: slot for slot in ReviewSlot.objects.raw(_FIRST_SLOTS, [[row.pk for row in rows]])}
    for row in rows:
        row.first_slot = first.get(row.pk)


def _just_done(project: Project, user: User, pk: int | None) -> BulkChange | None:
    """What the person has just done to ticked rows, with `outcomes`."""
    bulk = BulkChange.objects.filter(project=project, user=user, pk=pk).first() if pk else None
    if bulk:
        found = counts(bulk)
        bulk.outcomes = [(BulkRow.Outcome(name), count) for name, count in sorted(found.items())]  # type: ignore[attr-defined]
    return bulk


def _views(project: Project, user: User) -> list[SavedView]:
    """With the name of who keeps each as `keeper`."""
    return list(SavedView.objects.raw(_VIEWS, [project.pk, user.pk]))


def _to(project: Project, filters: Filters) -> HttpResponse:
    return redirect(f"{reverse('review_rows', args=[project.slug])}?{filters.query}")


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # nobody else passes LoginRequiredMiddleware
    return request.user
