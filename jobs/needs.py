"""What only a person can do now: things that wait, and things that failed and that nothing newer has replaced."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import reverse

from curation.models import Project

from .latest import Latest
from .models import FineTune, Job, PromotionRequest, RetrainingRun
from .registry import main_of
from .reports import CandidateSummary, of_model


@dataclass(frozen=True)
class Need:
    """A sentence, and a button that leads to where something can be done."""

    text: str
    url: str
    button: str


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
            yield _of(latest.project, "finetune", finetune, "waits for a second person to agree.", "Decide")


def _blocked(latest: Latest) -> Iterator[Need]:
    for finetune in latest.stuck:
        if finetune.step == FineTune.Step.BLOCKED:
            yield _of(latest.project, "finetune", finetune, f"waits for a decision. {finetune.error}", "Decide")


def _of(project: Project, page: str, job: Job, words: str, button: str) -> Need:
    """A need of one job, which has a page of its own."""
    return Need(f"{str(job).capitalize()} {words}", reverse(page, args=[project.slug, job.pk]), button)


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
        yield _of(project, "finetune", finetune, f"failed. {finetune.error}", "Look")
    if evaluation and evaluation.status == Job.Status.FAILED:
        yield _of(project, "evaluation", evaluation, f"failed. {evaluation.error}", "Look")
    run = RetrainingRun.objects.filter(policy__project=project).first()
    if run and run.status == Job.Status.FAILED and run.finetune_id is None:
        yield Need(f"{str(run).capitalize()} failed. {run.error}", reverse("retraining", args=[project.slug]), "Look")
    export = latest.version.newest_export if latest.version else None  # type: ignore[attr-defined]
    if export and export["status"] == Job.Status.FAILED:
        url = reverse("exports", args=[project.slug])
        what = f"v{export['number']} {export['split']} {export['format']}"
        yield Need(f"The export of {what} failed. {export['error']}", url, "Look")
