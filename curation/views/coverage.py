"""What the included rows stand for."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from curation.coverage import figures, share
from curation.models import Coverage, Project
from curation.permissions import Role, role_required

WIDTH, GAP = 1000, 3  # of the strip, in its own units


@role_required(Role.VIEWER)
@require_safe
def index(request: HttpRequest, project: Project) -> HttpResponse:
    coverage = Coverage.objects.defer("regions").filter(pk=project.pk).first() or Coverage(project=project)
    regions = figures(coverage)
    total = sum(region.calls for region in regions)
    strip, left = [], 0.0
    for region in regions:
        width = WIDTH * region.calls / total if total else 0
        if width >= 1:
            strip.append({"region": region, "left": round(left, 1), "width": round(max(width - GAP, 1), 1)})
        left += width
    context = {
        "project": project,
        "room": "review",
        "coverage": coverage,
        "regions": [(region, region.calls / total if total else None) for region in regions],
        "share": share(regions),
        "strip": strip,
        "width": WIDTH,
    }
    return render(request, "coverage/index.html", context)
