"""Keys that applications call the gateway with: made, shown once, revoked."""

from django.contrib import messages
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from curation.forms import KeyForm
from curation.models import ApiKey, Project
from curation.permissions import Role, role_required


@role_required(Role.OWNER)
@never_cache
def keys(request: HttpRequest, project: Project) -> HttpResponse:
    """The keys, and a form for a new one. A new key stands in this one answer and nowhere else."""
    form = KeyForm(request.POST or None)
    key = ""
    if request.method == "POST" and form.is_valid():
        _, key = ApiKey.issue(project, created_by=request.user, **form.cleaned_data)  # type: ignore[arg-type]
        form = KeyForm()
    alias = project.aliases.first()
    context = {
        "project": project,
        "room": "settings",
        "form": form,
        "key": key,
        "keys": project.api_keys.select_related("created_by"),
        "gateway": request.build_absolute_uri("/v1"),
        "model": alias.name if alias else project.slug,
    }
    return render(request, "projects/keys.html", context, status=422 if form.errors else 200)


@role_required(Role.OWNER)
@require_POST
def revoke(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    if project.api_keys.filter(pk=pk, revoked_at=None).update(revoked_at=Now()):
        messages.success(request, "Revoked. Calls with this key are refused from now on.")
    return redirect("key_new", project.slug)
