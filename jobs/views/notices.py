"""Whom a project tells of what happens, and what became of each message."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from curation.models import Project
from curation.permissions import Role, role_required
from jobs import notices
from jobs.models import NoticeDelivery
from jobs.notice_forms import NoticeForm

MOST_SHOWN = 50


@require_safe
@role_required(Role.OPERATOR)
def index(request: HttpRequest, project: Project) -> HttpResponse:
    return _page(request, project, NoticeForm(instance=notices.policy_of(project)))


@require_POST
@role_required(Role.OWNER)
def save(request: HttpRequest, project: Project) -> HttpResponse:
    """Whom to tell, and of what. A new webhook gets a secret, which is shown once."""
    policy = notices.policy_of(project)
    form = NoticeForm(request.POST, instance=policy)
    if not form.is_valid():
        return _page(request, project, form)
    if not policy.emails and not policy.webhook_url:
        messages.info(request, "Nobody is told.")
    policy.since = timezone.now()
    secret = policy.new_secret() if "webhook_url" in form.changed_data and policy.webhook_url else ""
    form.save()
    messages.success(request, "Saved. Who is named is told of what happens from now on.")
    if secret:
        messages.success(request, f"The webhook is signed with this secret, which is not shown again: {secret}")
    return redirect("notices", project.slug)


@require_POST
@role_required(Role.OWNER)
def test(request: HttpRequest, project: Project) -> HttpResponse:
    if notices.send_test(notices.policy_of(project)):
        messages.success(request, "A test is on its way; see below what becomes of it.")
    else:
        messages.error(request, "Name an address first.")
    return redirect("notices", project.slug)


def _page(request: HttpRequest, project: Project, form: NoticeForm) -> HttpResponse:
    deliveries = NoticeDelivery.objects.filter(notice__project=project).select_related("notice")
    context = {
        "project": project,
        "room": "settings",
        "form": form,
        "deliveries": deliveries[:MOST_SHOWN],
        "has_address": form.instance.emails or form.instance.webhook_url,
    }
    return render(request, "notices/index.html", context, status=422 if form.errors else 200)
