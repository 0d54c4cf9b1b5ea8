from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from curation.models import Project
from curation.permissions import Role, role_required
from jobs.lineage import lineage_of


@require_safe
@role_required(Role.VIEWER)
def show(request: HttpRequest, project: Project, exchange_id: int) -> HttpResponse:
    """Who decided on a row, and every version, file, job and model that holds it."""
    row = get_object_or_404(project.exchanges.defer("messages", "prompt_key"), pk=exchange_id)
    context = {"project": project, "room": "datasets", "lineage": lineage_of(row), "row": row}
    return render(request, "exports/lineage.html", context)
