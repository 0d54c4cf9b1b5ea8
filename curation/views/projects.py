"""The list of projects, a new one, and a project's home: the circle with its figures."""

from typing import Any

from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from curation.figures import figures_of, home_figures
from curation.forms import NewProjectForm
from curation.models import Project
from curation.permissions import Role, role_required
from curation.projects import create_project
from curation.search import COUNTED


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    projects = list(Project.objects.visible_to(request.user).filter(archived_at=None))  # type: ignore[arg-type]
    figures = figures_of(projects)
    lines = [{"project": project, "figures": figures[project.pk]} for project in projects]
    return render(request, "projects/index.html", {"lines": lines})


def new(request: HttpRequest) -> HttpResponse:
    """Anyone with an account may begin a project, and owns it then."""
    form = NewProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            project = create_project(owner=request.user, **form.settings)  # type: ignore[arg-type]
        except IntegrityError:  # somebody took the slug this very moment
            form.add_error("slug", "There is a project of this name already. Choose another short name.")
        else:
            return redirect("project_home", project.slug)
    return render(request, "projects/new.html", {"form": form}, status=422 if form.errors else 200)


@role_required(Role.VIEWER)
@require_safe
def home(request: HttpRequest, project: Project) -> HttpResponse:
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    context: dict[str, Any] = {
        "project": project,
        "room": "home",
        "figures": home_figures(project, midnight),
        "counted": COUNTED,
        "gateway": request.build_absolute_uri("/v1"),
    }
    return render(request, "projects/home.html", context)
