"""Repairs: asked for on the row's page, looked at, accepted, taken into the editor or dropped; and who is asked."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from curation.drafts import save_draft
from curation.models import Project, Review, ReviewSlot
from curation.permissions import Role, role_required
from curation.review import Ticket
from curation.review_forms import VerdictForm, valid
from curation.views.review import given, seconds
from curation.views.stage import person, row_of
from jobs import repairs
from jobs.generation_forms import offered_models
from jobs.models import Repair
from jobs.repair_forms import RepairForm, RepairPolicyForm
from jobs.tasks import nudge

MOST_SHOWN = 50


@require_safe
@role_required(Role.REVIEWER)
def index(request: HttpRequest, project: Project) -> HttpResponse:
    """My proposals that wait for a decision; for an owner also which model is asked."""
    return _page(request, project, RepairPolicyForm(project, instance=repairs.policy_of(project)))


@require_POST
@role_required(Role.OWNER)
def save(request: HttpRequest, project: Project) -> HttpResponse:
    form = RepairPolicyForm(project, request.POST, instance=repairs.policy_of(project))
    if not form.is_valid():
        return _page(request, project, form)
    form.save()
    messages.success(request, "Saved. It holds for every repair that is asked for from now on.")
    return redirect("repairs", project.slug)


@require_POST
@role_required(Role.REVIEWER)
def new(request: HttpRequest, project: Project, exchange_id: int) -> HttpResponse:
    """Ask for a repair of the answer as it stands in the editor, which is kept as a draft. A proposal that is there
    already is turned down by asking again.
    """
    row, user = row_of(project, exchange_id), person(request)
    form = valid(RepairForm(request.POST))
    answer = row.teaches or "" if form["target"] is None else form["target"]
    if form["target"] is not None:
        save_draft(project, user, row, answer, form["version"])
    before = repairs.open_of(row, user)
    if before and before.is_finished and form["note"].strip():
        repairs.drop(before)
    try:
        nudge(repairs.request_repair(row, user, form["note"], answer))
    except repairs.NotPossible as error:
        messages.error(request, str(error))
    return _back(project, exchange_id)


@require_safe
@role_required(Role.REVIEWER)
def look(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """For the row's page, which looks again until there is something: 204 means not yet."""
    return HttpResponse(status=204 if _mine(request, project, pk).is_moving else 200)


@require_POST
@role_required(Role.REVIEWER)
def accept(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Include the row with the proposal, as any verdict does; then the next row."""
    repair = _mine(request, project, pk)
    if repair.proposal is None or (repair.outcome and repair.outcome != Repair.Outcome.ACCEPTED):
        messages.info(request, "This proposal is decided already.")
        return _back(project, repair.exchange_id)
    form = valid(VerdictForm(request.POST))
    slot = get_object_or_404(ReviewSlot, pk=form["slot"], exchange=repair.exchange_id)
    # The state it was made for, not the page's: what was decided since must not be overwritten unseen.
    ticket = Ticket(
        repair.exchange_id,
        repair.exchange_version,
        slot.pk,
        form["token"],
        form["action"],
        form["via"],
        seconds(form["opened_at"]),
    )

    def give(_target: str | None) -> Review:
        return repairs.accept(repair, person(request), ticket)

    return given(request, project, slot, ticket, give, verb=Review.Verb.INCLUDED, typed=repair.proposal)


@require_POST
@role_required(Role.REVIEWER)
def edit(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """The proposal goes into the editor, as a draft."""
    repair = _mine(request, project, pk)
    repairs.take_into_editor(repair, person(request))
    return _back(project, repair.exchange_id)


@require_POST
@role_required(Role.REVIEWER)
def drop(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    repair = _mine(request, project, pk)
    repairs.drop(repair)
    return _back(project, repair.exchange_id)


def _mine(request: HttpRequest, project: Project, pk: int) -> Repair:
    """Nobody sees another's: on rows that several decide it would give an opinion away."""
    mine = project.repairs.filter(created_by=person(request)).select_related("exchange", "project")
    return get_object_or_404(mine, pk=pk)


def _back(project: Project, exchange_id: int) -> HttpResponse:
    place = redirect("review_exchange", project.slug, exchange_id)
    place.status_code = 303
    return place


def _page(request: HttpRequest, project: Project, form: RepairPolicyForm) -> HttpResponse:
    context = {
        "project": project,
        "room": "review",
        "repairs": repairs.waiting_of(project, person(request))[:MOST_SHOWN],
        "policy": repairs.policy_of(project),
        "form": form,
        "models": offered_models(project),
        "may_choose": request.role >= Role.OWNER,  # type: ignore[attr-defined]
    }
    return render(request, "repairs/index.html", context, status=422 if form.errors else 200)
