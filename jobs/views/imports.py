"""Past calls from files and from what a provider stored: upload, look, start, follow."""

import csv
from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from curation.models import Project
from curation.permissions import Role, role_required
from jobs import imports, uploads
from jobs.import_forms import RemarksForm, StartForm, StoredForm, UploadForm
from jobs.models import Import
from jobs.past_files import FileError
from jobs.tables import TableError
from jobs.tasks import nudge

MOST_SHOWN = 100
REMARKS_PER_PAGE = 50


@require_safe
@role_required(Role.VIEWER)
def index(request: HttpRequest, project: Project) -> HttpResponse:
    rows = project.imports.select_related("provider").defer("columns", "mapping")[:MOST_SHOWN]
    return render(request, "imports/index.html", {"project": project, "room": "calls", "imports": rows})


@require_http_methods(["GET", "POST"])
@role_required(Role.OPERATOR)
def new(request: HttpRequest, project: Project) -> HttpResponse:
    """Upload a file. Nothing of it is stored as calls yet."""
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    if form.is_valid():
        try:
            upload = uploads.draft(project, form.cleaned_data["file"], request.user)  # type: ignore[arg-type]
            return redirect("import", project.slug, upload.pk)
        except (FileError, TableError) as error:
            form.add_error("file", str(error))
    return _new_page(request, project, form, StoredForm(project))


@require_POST
@role_required(Role.OPERATOR)
def stored(request: HttpRequest, project: Project) -> HttpResponse:
    """Import what a provider stored."""
    form = StoredForm(project, request.POST)
    if not form.is_valid():
        return _new_page(request, project, UploadForm(), form)
    upload = uploads.request_stored(project, **form.cleaned_data, user=request.user)  # type: ignore[arg-type]
    nudge(upload)
    return redirect("import", project.slug, upload.pk)


def _new_page(request: HttpRequest, project: Project, form: UploadForm, stored_form: StoredForm) -> HttpResponse:
    context = {"project": project, "room": "calls", "form": form, "stored_form": stored_form}
    return render(request, "imports/new.html", context, status=422 if form.errors or stored_form.errors else 200)


@require_safe
@role_required(Role.VIEWER)
def show(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """One import; its live part alone where htmx asks for that."""
    upload = get_object_or_404(project.imports.select_related("provider", "created_by"), pk=pk)
    if not request.headers.get("HX-Request"):
        return _page(request, project, upload, StartForm(upload))
    response = render(request, "imports/_live.html", _context(project, upload))
    if not upload.is_moving:
        response["HX-Refresh"] = "true"  # the remarks below are of another time
    return response


@require_POST
@role_required(Role.OPERATOR)
def start(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    upload = get_object_or_404(project.imports, pk=pk)
    form = StartForm(upload, request.POST)
    if not form.is_valid():
        return _page(request, project, upload, form)
    if imports.start(upload, mapping=form.mapping(), is_strict=form.cleaned_data["is_strict"]):
        nudge(upload)
    else:
        messages.info(request, "It was started already.")
    return redirect("import", project.slug, pk)


@require_POST
@role_required(Role.OPERATOR)
def cancel(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    upload = get_object_or_404(project.imports, pk=pk)
    if upload.ask_to_cancel():
        nudge(upload)
    else:
        messages.info(request, "It had ended already.")
    return redirect("import", project.slug, pk)


@require_safe
@role_required(Role.VIEWER)
def remarks(request: HttpRequest, project: Project, pk: int) -> HttpResponseBase:
    """Every remark that is kept, as a table. No line is quoted, so there is nothing a spreadsheet could take amiss."""
    upload = get_object_or_404(project.imports, pk=pk)
    response = StreamingHttpResponse(_table(upload), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{project.slug}-import-{pk}-remarks.csv"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


class _Line:
    """What a csv.writer writes to: it hands each line on."""

    def write(self, line: str) -> str:
        return line


def _table(upload: Import) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(["line", "outcome", "reason"])
    for remark in upload.remarks.all().iterator(chunk_size=1000):
        yield writer.writerow([remark.line_number, "refused" if remark.is_refusal else "stored", remark.reason])


def _page(request: HttpRequest, project: Project, upload: Import, form: StartForm) -> HttpResponse:
    query = RemarksForm(request.GET)
    after = (query.cleaned_data.get("after") if query.is_valid() else None) or 0
    found = list(upload.remarks.filter(pk__gt=after)[: REMARKS_PER_PAGE + 1])
    context = _context(project, upload) | {
        "form": form,
        "remarks": found[:REMARKS_PER_PAGE],
        "has_more": len(found) > REMARKS_PER_PAGE,
        "is_first": not after,
    }
    if upload.is_parked:
        context |= _looked_at(upload)
    return render(request, "imports/show.html", context, status=422 if form.errors else 200)


def _context(project: Project, upload: Import) -> dict[str, Any]:
    return {"project": project, "room": "calls", "upload": upload, "sentence": imports.sentence(upload)}


def _looked_at(upload: Import) -> dict[str, Any]:
    """The first lines of a draft: as cells where columns have to be mapped, else as they would be stored."""
    try:
        if upload.columns:
            return {"cells": uploads.first_cells(upload)}
        return {"previews": uploads.preview(upload)}
    except (FileError, TableError, FileNotFoundError):
        return {"is_gone": True}
