"""How a project judges answers: its graders, written, tried on answers that are there, and taken away."""

from django.contrib import messages
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from curation.models import Project
from curation.permissions import Role, role_required
from jobs import grading
from jobs.grader_forms import GraderForm
from jobs.graders import KINDS, is_judge
from jobs.models import Grader


@require_safe
@role_required(Role.VIEWER)
def index(request: HttpRequest, project: Project) -> HttpResponse:
    context = {"project": project, "room": "evaluations", "graders": project.graders.all(), "kinds": KINDS.items()}
    return render(request, "graders/index.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.OPERATOR)
def edit(request: HttpRequest, project: Project, pk: int | None = None) -> HttpResponse:
    """A new grader (`?kind=` begins with an example) or an old one. The button “try” keeps nothing."""
    grader = get_object_or_404(project.graders, pk=pk) if pk else Grader(definition=_example(request.GET.get("kind")))
    form = GraderForm(project, request.POST or None, instance=grader)
    trial = None
    if request.method == "POST" and form.is_valid():
        if "try" not in request.POST:
            form.instance.edited_by, form.instance.updated_at = request.user, Now()
            form.save()
            messages.success(request, f"“{form.instance}” is kept. It judges from the next evaluation on.")
            return redirect("graders", project.slug)
        definition = form.cleaned_data["definition"]
        trial = None if is_judge(definition) else grading.trial(project, definition)
        if is_judge(definition):
            messages.info(
                request, "A model's opinion is not tried: each asking costs. It begins with the next evaluation."
            )
        elif trial is None:
            messages.info(request, "There is nothing to try it on before the first evaluation.")
    context = {
        "project": project,
        "room": "evaluations",
        "grader": grader if pk else None,
        "form": form,
        "trial": trial,
        "kinds": KINDS.items(),
    }
    return render(request, "graders/edit.html", context, status=422 if form.errors else 200)


def _example(kind: str | None) -> object:
    return KINDS.get(kind or "", KINDS["string_check"]).example


@require_POST
@role_required(Role.OPERATOR)
def remove(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Earlier evaluations keep what it said."""
    grader = get_object_or_404(project.graders, pk=pk)
    grader.delete()
    messages.success(request, f"“{grader}” is gone. What it said in earlier evaluations stays.")
    return redirect("graders", project.slug)
