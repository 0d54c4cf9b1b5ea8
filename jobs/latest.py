"""The newest of each kind that a project has: what its home shows, and what its needs are found in."""

from dataclasses import dataclass

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, Subquery
from django.db.models.functions import JSONObject

from curation.models import DatasetVersion, ModelAlias, Project

from .models import Approval, EvaluationRun, Export, FineTune, Job, Promotion, PromotionRequest
from .registry import aliases_of


@dataclass(frozen=True)
class Latest:
    """The newest of each kind that a project has, and what of the others waits for a person."""

    project: Project
    evaluation: EvaluationRun | None
    finished: EvaluationRun | None  # the newest evaluation that ended well
    finetune: FineTune | None
    stuck: list[FineTune]  # that wait for a person
    aliases: list[ModelAlias]
    version: DatasetVersion | None  # with `newest_export` of all versions: status, error, number, split, format


def latest_of(project: Project) -> Latest:
    runs = project.evaluations.select_related("model_version__provider", "version").annotate(
        is_decided=Exists(Promotion.objects.filter(model_version=OuterRef("model_version")))
        | Exists(PromotionRequest.objects.filter(model_version=OuterRef("model_version")))
    )
    evaluation = runs.first()
    ended_well = evaluation is None or evaluation.status == Job.Status.SUCCEEDED
    newest = project.finetunes.values("pk")[:1]
    asked = Q(approval__decision=Approval.Decision.OPEN)
    waits = Q(status__in=[Job.Status.PENDING, Job.Status.RUNNING]) & (asked | Q(step=FineTune.Step.BLOCKED))
    finetunes = list(
        project.finetunes.filter(Q(pk=Subquery(newest)) | waits)
        .select_related("version")
        .annotate(
            waits=ExpressionWrapper(waits, BooleanField()), waits_for_two=ExpressionWrapper(asked, BooleanField())
        )
    )
    return Latest(
        project=project,
        evaluation=evaluation,
        finished=evaluation if ended_well else runs.filter(status=Job.Status.SUCCEEDED).first(),
        finetune=finetunes[0] if finetunes else None,
        stuck=[finetune for finetune in finetunes if finetune.waits],
        aliases=aliases_of(project),
        version=project.versions.annotate(newest_export=_newest_export()).first(),
    )


def _newest_export() -> Subquery:
    said = JSONObject(status="status", error="error", number="version__number", split="split", format="format")
    return Subquery(
        Export.objects.filter(version__project=OuterRef("project"))
        .order_by("-pk")
        .annotate(said=said)
        .values("said")[:1]
    )
