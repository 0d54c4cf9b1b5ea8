"""Who may open which page of a project."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404

from .models import Membership, Project, User

Role = Membership.Role
ProjectView = Callable[Concatenate[HttpRequest, Project, ...], HttpResponseBase]
# Every page asks this, and the ORM takes longer to write it than Postgres to answer it.
_WITH_ROLE = """
SELECT p.*, m.role FROM curation_membership m JOIN curation_project p ON p.id = m.project_id
WHERE m.user_id = %s AND p.slug = %s
"""


def role_in(project: Project, user: User) -> int:
    """The person's role in the project as a number; 0 without one. Administrators own every project."""
    if user.is_superuser:
        return Role.OWNER
    role = Membership.objects.filter(project=project, user=user).values_list("role", flat=True).first()
    return role or 0


def _place_of(user: User, slug: str) -> tuple[Project, int]:
    """The project and the person's role in it, by one query. Raises Http404 where they are no member."""
    if user.is_superuser:
        return get_object_or_404(Project, slug=slug), Role.OWNER
    for project in Project.objects.raw(_WITH_ROLE, [user.pk, slug]):
        return project, project.role  # type: ignore[attr-defined]  # the statement's own
    raise Http404("No project of yours has this name.")


def role_required(least: Role) -> Callable[[ProjectView], Callable[..., HttpResponseBase]]:
    """For views under /projects/<slug>/: passes the Project in place of the slug, and sets `request.role`.

    A project the person is no member of answers 404, so that its existence is not given away; a role below `least`
    answers 403. Visitors who are not logged in never get here (LoginRequiredMiddleware).
    """

    def decorate(view: ProjectView) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def wrapped(request: HttpRequest, slug: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
            user: User = request.user  # type: ignore[assignment]  # nobody else passes LoginRequiredMiddleware
            project, request.role = _place_of(user, slug)  # type: ignore[attr-defined]
            if request.role < least:  # type: ignore[attr-defined]
                raise PermissionDenied(f"This needs the role “{least.label}” in project {project.slug}.")
            return view(request, project, *args, **kwargs)

        wrapped.least_role = least  # type: ignore[attr-defined]  # read by the test that walks the URL table
        return wrapped

    return decorate
