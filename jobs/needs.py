"""What only a person can do now: things that wait, and things that failed and that nothing newer has replaced."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, Subquery
from django.db.models.functions import JSONObject
from django.urls import reverse

from curation.models import DatasetVersion, ModelAlias, Project

from .models import Approval, EvaluationRun, Export, FineTune, Job, Promotion, PromotionRequest, RetrainingRun
from .registry import aliases_of, main_of
from .reports import CandidateSummary, of_model


@dataclass(frozen=True)
class Need:
    """A sentence, and a button that leads to where something can be done."""

    text: str
    url: str
    button: str


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


def needs_of(latest: Latest, summaries: list[CandidateSummary] | None) -> list[Need]:
    """The needs of a project; `summaries` are those of its latest finished evaluation."""
    better = _better(latest, summaries) if summaries else None
    return [
        *([better] if better else []),
        *_unapproved(latest),
        *_asked(latest.project),
        *_blocked(latest),
        *_tainted(latest),
        *_failed(latest),
    ]


def _better(latest: Latest, summaries: list[CandidateSummary]) -> Need | None:
    """A model that did better than what is served, and that nobody has decided on."""
    evaluation, project = latest.finished, latest.project
    alias = main_of(project, latest.aliases)
    model = evaluation.model_version if evaluation else None
    if evaluation is None or model is None or alias is None or evaluation.is_decided:  # type: ignore[attr-defined]
        return None
    tuned, serving = of_model(summaries, model.provider, model.name), of_model(summaries, alias.provider, alias.model)
    if tuned is None or serving is None or tuned.right <= serving.right:
        return None
    return Need(
        f"The model of {evaluation.version} answers {tuned.right} of {tuned.total} held-out cases right, what is "
        f"served now {serving.right}. It is not promoted.",
        reverse("evaluation", args=[project.slug, evaluation.pk]),
        "Compare",
    )


def _asked(project: Project) -> Iterator[Need]:
    """Promotions that one person asked for and another one has to approve."""
    waiting = PromotionRequest.objects.filter(alias__project=project, state=PromotionRequest.State.WAITING)
    for asked in waiting.select_related("requested_by", "alias", "model_version"):
        who = asked.requested_by or "The retraining rule"
        yield Need(
            f"{who} asks to have “{asked.alias.name}” answered by {asked.model_version.name}.",
            reverse("registry", args=[project.slug]),
            "Decide",
        )


def _unapproved(latest: Latest) -> Iterator[Need]:
    for finetune in latest.stuck:
        if finetune.waits_for_two:  # type: ignore[attr-defined]  # an annotation of latest_of
            yield Need(
                f"{str(finetune).capitalize()} waits for a second person to agree.",
                reverse("finetune", args=[latest.project.slug, finetune.pk]),
                "Decide",
            )


def _blocked(latest: Latest) -> Iterator[Need]:
    for finetune in latest.stuck:
        if finetune.step == FineTune.Step.BLOCKED:
            yield Need(
                f"{str(finetune).capitalize()} waits for a decision. {finetune.error}",
                reverse("finetune", args=[latest.project.slug, finetune.pk]),
                "Decide",
            )


def _tainted(latest: Latest) -> Iterator[Need]:
    """Names that are answered by a model which was taught rows that were withdrawn."""
    for alias in latest.aliases:
        if alias.is_tainted:  # type: ignore[attr-defined]  # an annotation of aliases_of
            yield Need(
                f"“{alias.name}” is answered by a model that was taught rows withdrawn since. Train one without.",
                reverse("withdrawals", args=[latest.project.slug]),
                "Look",
            )


def _failed(latest: Latest) -> Iterator[Need]:
    """The latest of each kind, if it failed; a retraining that failed with its fine-tune is told once."""
    project, finetune, evaluation = latest.project, latest.finetune, latest.evaluation
    if finetune and finetune.status == Job.Status.FAILED:
        url = reverse("finetune", args=[project.slug, finetune.pk])
        yield Need(f"{str(finetune).capitalize()} failed. {finetune.error}", url, "Look")
    if evaluation and evaluation.status == Job.Status.FAILED:
        url = reverse("evaluation", args=[project.slug, evaluation.pk])
        yield Need(f"{str(evaluation).capitalize()} failed. {evaluation.error}", url, "Look")
    run = RetrainingRun.objects.filter(policy__project=project).first()
    if run and run.status == Job.Status.FAILED and run.finetune_id is None:
        yield Need(f"{str(run).capitalize()} failed. {run.error}", reverse("retraining", args=[project.slug]), "Look")
    export = latest.version.newest_export if latest.version else None  # type: ignore[attr-defined]
    if export and export["status"] == Job.Status.FAILED:
        url = reverse("exports", args=[project.slug])
        what = f"v{export['number']} {export['split']} {export['format']}"
        yield Need(f"The export of {what} failed. {export['error']}", url, "Look")
