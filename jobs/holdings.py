"""Where given rows are: versions, files here and at providers, and models that were taught them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from django.db.models import Count, Q, QuerySet

from curation.models import DatasetVersion, Example, Project, Provider

from .models import Export, FineTune, ModelVersion

Taught = TypeVar("Taught", FineTune, ModelVersion)


@dataclass(frozen=True)
class Holdings:
    """`versions` with `held_count`; `finetunes` and `models` with `taught_count`, for held-out rows teach nothing."""

    versions: list[DatasetVersion]
    exports: list[Export]
    finetunes: list[FineTune]
    models: list[ModelVersion]

    @property
    def remote_files(self) -> dict[tuple[int, str], Provider]:
        """Files at providers by (provider's id, file's id)."""
        return {
            (finetune.provider_id, file_id): finetune.provider
            for finetune in self.finetunes
            for file_id in (finetune.provider_file_id, finetune.provider_validation_file_id)
            if file_id
        }


def holdings_of(project: Project, rows: Sequence[int]) -> Holdings:
    held = Count("examples", filter=Q(examples__exchange__in=rows))
    versions = project.versions.annotate(held_count=held).filter(held_count__gt=0).order_by("-number")
    # What lies in which side of which version.
    sides = set(
        Example.objects.filter(version__project=project, exchange__in=rows).values_list("version", "split").distinct()
    )
    exports = Export.objects.filter(version__project=project, status=Export.Status.SUCCEEDED)
    found = exports.select_related("version__project").defer("version__training_prompt", "version__figures")
    return Holdings(
        versions=list(versions.defer("training_prompt", "figures")),
        exports=[export for export in found.order_by("-version", "pk") if (export.version_id, export.split) in sides],
        finetunes=list(_taught(project.finetunes.select_related("provider"), rows)),
        models=list(_taught(project.model_versions.select_related("provider"), rows)),
    )


def _taught(found: QuerySet[Taught], rows: Sequence[int]) -> QuerySet[Taught]:
    is_taught = Q(version__examples__exchange__in=rows) & ~Q(version__examples__split="test")
    return found.annotate(taught_count=Count("version__examples", filter=is_taught)).filter(taught_count__gt=0)
