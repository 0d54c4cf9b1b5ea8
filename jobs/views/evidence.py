"""The evidence packet of a model, as a file."""

import tempfile
from typing import BinaryIO, cast

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from curation.models import Project
from curation.permissions import Role, role_required
from jobs import evidence
from jobs.sending import send

IN_MEMORY = 4 * 1024 * 1024


@require_safe
@role_required(Role.OPERATOR)
def download(request: HttpRequest, project: Project, pk: int) -> HttpResponseBase:
    models = project.model_versions.select_related("project", "provider", "version__created_by", "finetune__export")
    model = get_object_or_404(models, pk=pk)
    # Closed when it has been sent.
    file = cast(BinaryIO, tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115
    sha256 = evidence.write(model, file)
    name = f"{project.slug}-model-{model.pk}-evidence.jsonl"
    return send(request, file, name, "application/jsonl; charset=utf-8", tag=sha256)
