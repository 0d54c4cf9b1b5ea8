"""What the preflight found in a version, and letting a blocker pass by name with a reason."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from curation.dataset_forms import WaiverForm
from curation.drafts import save_draft
from curation.models import Project, User, Waiver
from curation.permissions import Role, role_required
from curation.preflight import repaired


@role_required(Role.VIEWER)
@require_safe
def findings(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    """Each finding that is kept, the worst first; each leads to its row."""
    version = get_object_or_404(project.versions, number=number)
    order = {"blocker": 0, "warning": 1, "note": 2}
    kept = version.findings.select_related("waiver__waived_by").defer("version__figures")
    context = {
        "project": project,
        "room": "datasets",
        "version": version,
        "counts": version.figures.get("findings", []),
        "findings": sorted(kept, key=lambda found: (order[found.severity], found.code, found.pk)),
    }
    return render(request, "datasets/findings.html", context)


@role_required(Role.OPERATOR)
def waive(request: HttpRequest, project: Project) -> HttpResponse:
    if request.method != "POST":  # a log-in in between comes back as a GET
        return redirect("datasets", project.slug)
    form = WaiverForm(request.POST)
    if not form.is_valid():
        words = " ".join(str(fault) for faults in form.errors.values() for fault in faults)
        messages.error(request, f"Not waived. {words}")
        return redirect("datasets", project.slug)
    row = form.row_of(project)
    if row is None:
        messages.error(request, "Not waived: the row has changed since. Freeze again to see how it stands.")
        return redirect("datasets", project.slug)
    _waiver, is_new = Waiver.objects.get_or_create(
        exchange=row,
        exchange_version=row.version,
        code=form.cleaned_data["code"],
        defaults={"project": project, "reason": form.cleaned_data["reason"], "waived_by": _person(request)},
    )
    words = "is waived, under your name" if is_new else "was waived before"
    messages.success(request, f"“{form.cleaned_data['code']}” of row {row.pk} {words}. Freeze again.")
    return redirect("datasets", project.slug)


@role_required(Role.REVIEWER)
@require_POST
def mend(request: HttpRequest, project: Project, exchange_id: int) -> HttpResponse:
    """Put the mended answer into the person's editor; what is taught changes with a verdict only."""
    row = get_object_or_404(project.exchanges.defer("messages", "user_prompt", "prompt_key"), pk=exchange_id)
    is_json = project.answer_format == Project.AnswerFormat.JSON
    save_draft(project, _person(request), row, repaired(row.teaches or "", is_json), row.version)
    place = redirect("review_exchange", project.slug, exchange_id)
    place.status_code = 303  # a reload must not send the form again
    return place


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # nobody else passes LoginRequiredMiddleware
    return request.user
