"""What only a person can do now: things that wait, and things that failed and that nothing newer has replaced."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Exists, OuterRef
from django.urls import reverse

from curation.models import Project

from .models import Approval, EvaluationRun, Export, FineTune, Job, ModelVersion, PromotionRequest, RetrainingRun
from .registry import main_alias
from .reports import CandidateSummary, of_model


@dataclass(frozen=True)
class Need:
    """A sentence, and a button that leads to where something can be done."""

    text: str
    url: str
    button: str


def needs_of(
    project: Project, evaluation: EvaluationRun | None, summaries: list[CandidateSummary] | None
) -> list[Need]:
    """The needs of a project; `evaluation` is its latest finished one with its summaries."""
    better = [_better(project, evaluation, summaries)] if evaluation and summaries else []
    waiting = [*_unapproved(project), *_asked(project)]
    return [need for need in better if need] + [*waiting, *_blocked(project), *_tainted(project), *_failed(project)]


def _better(project: Project, evaluation: EvaluationRun, summaries: list[CandidateSummary]) -> Need | None:
    """A model that did better than what is served, and that nobody has decided on."""
    model, alias = evaluation.model_version, main_alias(project)
    if model is None or alias is None or model.promotions.exists() or model.promotion_requests.exists():
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
    for asked in PromotionRequest.objects.filter(alias__project=project, state=PromotionRequest.State.WAITING):
        who = asked.requested_by or "The retraining rule"
        yield Need(
            f"{who} asks to have “{asked.alias.name}” answered by {asked.model_version.name}.",
            reverse("registry", args=[project.slug]),
            "Decide",
        )


def _unapproved(project: Project) -> Iterator[Need]:
    for finetune in project.finetunes.unfinished().filter(approval__decision=Approval.Decision.OPEN):
        yield Need(
            f"{str(finetune).capitalize()} waits for a second person to agree.",
            reverse("finetune", args=[project.slug, finetune.pk]),
            "Decide",
        )


def _blocked(project: Project) -> Iterator[Need]:
    for finetune in project.finetunes.unfinished().filter(step=FineTune.Step.BLOCKED):
        yield Need(
            f"{str(finetune).capitalize()} waits for a decision. {finetune.error}",
            reverse("finetune", args=[project.slug, finetune.pk]),
            "Decide",
        )


def _tainted(project: Project) -> Iterator[Need]:
    """Names that are answered by a model which was taught rows that were withdrawn."""
    serving = ModelVersion.objects.filter(provider=OuterRef("provider"), name=OuterRef("model"), taints__isnull=False)
    for alias in project.aliases.filter(Exists(serving)):
        yield Need(
            f"“{alias.name}” is answered by a model that was taught rows withdrawn since. Train one without.",
            reverse("withdrawals", args=[project.slug]),
            "Look",
        )


def _failed(project: Project) -> Iterator[Need]:
    """The latest of each kind, if it failed; a retraining that failed with its fine-tune is told once."""
    finetune = project.finetunes.first()
    if finetune and finetune.status == Job.Status.FAILED:
        url = reverse("finetune", args=[project.slug, finetune.pk])
        yield Need(f"{str(finetune).capitalize()} failed. {finetune.error}", url, "Look")
    evaluation = project.evaluations.first()
    if evaluation and evaluation.status == Job.Status.FAILED:
        url = reverse("evaluation", args=[project.slug, evaluation.pk])
        yield Need(f"{str(evaluation).capitalize()} failed. {evaluation.error}", url, "Look")
    run = RetrainingRun.objects.filter(policy__project=project).first()
    if run and run.status == Job.Status.FAILED and run.finetune_id is None:
        yield Need(f"{str(run).capitalize()} failed. {run.error}", reverse("retraining", args=[project.slug]), "Look")
    export = Export.objects.filter(version__project=project).first()
    if export and export.status == Job.Status.FAILED:
        url = reverse("exports", args=[project.slug])
        yield Need(f"The export of {export} failed. {export.error}", url, "Look")
