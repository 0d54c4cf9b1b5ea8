"""How a provider's moderation of the included rows stands, for the page of the datasets."""

from typing import Any

from django import template
from django.http import HttpRequest

from curation.models import Project
from jobs.models import ModerationRun

register = template.Library()


@register.inclusion_tag("datasets/_moderation.html")
def moderation(request: HttpRequest, project: Project) -> dict[str, Any]:
    return {
        "request": request,
        "project": project,
        "run": ModerationRun.objects.filter(project=project).select_related("provider").first(),
        "providers": list(project.providers.defer("sealed_key")),
    }
