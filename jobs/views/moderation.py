"""Having a provider's moderation look at what is included."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from curation.models import Project
from curation.permissions import Role, role_required
from jobs.forms import ModerationForm
from jobs.models import ModerationRun
from jobs.moderating import request_moderation
from jobs.tasks import nudge


@role_required(Role.OPERATOR)
@require_POST
def start(request: HttpRequest, project: Project) -> HttpResponse:
    form = ModerationForm(project, request.POST)
    if form.is_valid():
        run = request_moderation(project, form.cleaned_data["provider"], form.cleaned_data["model"], request.user)  # type: ignore[arg-type]
        nudge(run)
        messages.success(request, f"{run.provider.name} looks at {run.total_count:,} rows; what it flags is a finding.")
    else:
        messages.error(request, "Choose one of the project's providers.")
    return redirect("datasets", project.slug)


@role_required(Role.OPERATOR)
@require_POST
def cancel(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    run = get_object_or_404(ModerationRun, pk=pk, project=project)
    run.ask_to_cancel()
    return redirect("datasets", project.slug)
