"""Files of frozen versions: which there are, and sending them, from any byte on."""

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from curation.models import Project
from curation.permissions import Role, role_required
from jobs import exports
from jobs.formats import FORMATS
from jobs.forms import FileForm
from jobs.models import Export
from jobs.sending import send
from jobs.tasks import nudge

MOST_SHOWN = 100


@require_safe
@role_required(Role.VIEWER)
def index(request: HttpRequest, project: Project) -> HttpResponse:
    rows = Export.objects.filter(version__project=project).select_related("version")
    return render(
        request,
        "exports/index.html",
        {
            "project": project,
            "room": "datasets",
            "exports": rows.defer("version__training_prompt", "version__figures")[:MOST_SHOWN],
            "versions": project.versions.defer("training_prompt", "figures")[:MOST_SHOWN],
            "formats": FORMATS.values(),
        },
    )


@require_safe
@role_required(Role.VIEWER)
def download(request: HttpRequest, project: Project, number: int, split: str) -> HttpResponseBase:
    """The file, its manifest or the file gzipped (?as=); while it is being written, a page that comes back for it."""
    form = FileForm(
        {"split": split, "format": request.GET.get("format", "openai-chat"), "as": request.GET.get("as", "")}
    )
    if not form.is_valid():
        raise Http404
    version = get_object_or_404(project.versions, number=number)
    export = exports.request_export(version, split, form.cleaned_data["format"], user=request.user)  # type: ignore[arg-type]
    if export.status != Export.Status.SUCCEEDED:
        nudge(export)
        return render(request, "exports/wait.html", {"project": project, "room": "datasets", "export": export})
    name = f"{project.slug}-{version}-{exports.file_name(export)}"
    match form.cleaned_data["as"]:
        case "manifest":
            stream = exports.open_manifest(export)
            return send(request, stream, f"{name}.manifest.json", "application/json", tag=f"m-{export.sha256}")
        case "gz":
            return send(
                request, exports.open_packed(export), f"{name}.gz", "application/gzip", tag=f"gz-{export.sha256}"
            )
        case _:
            kind = FORMATS[export.format].content_type
            return send(request, exports.open_file(export), name, kind, tag=export.sha256)
