"""Once round the circle by itself: freeze → export → fine-tune → evaluate → gate → promote, ask or stop.

Where a run stands is in what it points at. Each step is looked up before it is made, so a run that is taken up again
after any crash finds its version, its one paid job and its evaluation.
"""

import logging
from collections.abc import Callable

from django.db import transaction
from django.db.models import F

from curation.datasets import NothingToFreeze, freeze
from curation.models import DatasetVersion, Project, Provider, User

from . import finetunes
from .evaluations import NothingToEvaluate, request_evaluation
from .gating import pass_judgement
from .models import EvaluationRun, FineTune, GateResult, ModelVersion, RetrainingPolicy, RetrainingRun
from .models.base import backoff
from .registry import NotPromoted, ask_for_promotion, main_alias, needs_two_people, promote
from .reports import of_model, sentence, summary

log = logging.getLogger(__name__)

Step, Status, Trigger = RetrainingRun.Step, RetrainingRun.Status, RetrainingRun.Trigger
OUTCOME_LENGTH = 300


def request_cancel(run: RetrainingRun) -> bool:
    """Stop the run and what it has begun, not what it found under way. False when it is finished already."""
    if not run.ask_to_cancel():
        return False
    if run.finetune and run.finetune.created_at >= run.created_at:
        finetunes.request_cancel(run.finetune)
    if run.evaluation and run.evaluation.created_at >= run.created_at:
        run.evaluation.ask_to_cancel()
    return True


def advance(pk: int) -> None:
    """Take a run as far as it goes now (for a worker)."""
    run = RetrainingRun.claim(pk)
    if run is None:
        return
    while not run.cancel_requested_at and STEPS[run.step](run):
        pass
    if run.cancel_requested_at and not run.is_finished:
        request_cancel(run)
        _end(run, Status.CANCELLED, "Cancelled.")


# The steps. Each returns True when the next may follow at once.


def _freeze(run: RetrainingRun) -> bool:
    project = run.policy.project
    try:
        version = freeze(project, run.created_by, note=f"retraining {run.pk}").version
    except NothingToFreeze as error:
        return _end(run, Status.FAILED, f"Not frozen: {error}", str(error))
    provider = project.default_provider
    if provider is None:
        words = "The project has no provider. Choose one in its settings."
        return _end(run, Status.FAILED, words, words)
    trained = _trained_before(version, provider)
    said = f"Nothing is new since {version}, which {trained} was trained on." if trained else ""
    if trained and run.trigger == Trigger.SCHEDULE:
        return _end(run, Status.SUCCEEDED, said)
    # A person who starts it all the same is told, and gets another model.
    return run.keep(version=version, step=Step.FINETUNE, outcome=said)


def trained_latest(project: Project) -> FineTune | None:
    """The fine-tune that the latest version was trained in already at the default provider, if it was."""
    version, provider = project.versions.first(), project.default_provider
    return _trained_before(version, provider) if version and provider else None


def _trained_before(version: DatasetVersion, provider: Provider) -> FineTune | None:
    same = FineTune.objects.filter(version=version, provider=provider, base_model=provider.base_model)
    return same.filter(status=FineTune.Status.SUCCEEDED).first()


def _finetune(run: RetrainingRun) -> bool:
    if run.finetune is None:
        return _launch(run)
    match run.finetune.status:
        case FineTune.Status.SUCCEEDED:
            return run.keep(step=Step.EVALUATE, done_count=0)
        case FineTune.Status.FAILED | FineTune.Status.CANCELLED:
            words = f"{run.finetune} {run.finetune.status}. {run.finetune.error}".strip()
            return _end(run, Status.FAILED, words, words)
        case _:
            return _wait_for(run, run.finetune)


def _launch(run: RetrainingRun) -> bool:
    """Launch and remember it in one transaction: a crash leaves both or neither, never a paid job nobody knows."""
    assert run.version is not None
    project = run.policy.project
    assert project.default_provider is not None
    try:
        with transaction.atomic():
            finetune = finetunes.launch(run.version, project.default_provider, user=run.created_by)
            if not run.keep(finetune=finetune):
                transaction.set_rollback(True)
                return False
    except finetunes.NotPossible as error:
        return _end(run, Status.FAILED, f"Not trained: {error}", str(error))
    return True


def _evaluate(run: RetrainingRun) -> bool:
    assert run.finetune is not None
    if run.evaluation is None:
        try:
            return run.keep(evaluation=_evaluation(run.finetune.model_version, run.created_by))
        except NothingToEvaluate as error:
            return _end(run, Status.SUCCEEDED, f"Trained, but not promoted: {error}")
    match run.evaluation.status:
        case EvaluationRun.Status.SUCCEEDED:
            return run.keep(step=Step.GATE)
        case EvaluationRun.Status.FAILED | EvaluationRun.Status.CANCELLED:
            words = f"{run.evaluation} {run.evaluation.status}. {run.evaluation.error}".strip()
            return _end(run, Status.FAILED, words, words)
        case _:
            return _wait_for(run, run.evaluation)


def _evaluation(model: ModelVersion, user: User | None) -> EvaluationRun:
    """The evaluation that came with the model's success, or another where that one came to nothing."""
    usable = model.evaluations.exclude(status__in=[EvaluationRun.Status.FAILED, EvaluationRun.Status.CANCELLED])
    return usable.first() or request_evaluation(model, user)


def _wait_for(run: RetrainingRun, job: FineTune | EvaluationRun) -> bool:
    """Look again soon, then less often; `done_count` counts the looks of this step."""
    run.wait(backoff(run.done_count, first=0.5, longest=2), done_count=F("done_count") + 1)
    return False


def _judge(run: RetrainingRun) -> bool:
    """Put the model before the gate of the project's alias; the verdict is kept with the round."""
    assert run.evaluation is not None
    assert run.finetune is not None
    model, alias = run.finetune.model_version, main_alias(run.policy.project)
    said = sentence(summary(run.evaluation))
    if alias is None:
        return _end(run, Status.SUCCEEDED, f"{said} Not promoted: the project has no alias.")
    if (alias.provider_id, alias.model) == (model.provider_id, model.name):
        return _end(run, Status.SUCCEEDED, f"{said} It is served already.")
    summaries = summary(run.evaluation)
    if (
        of_model(summaries, model.provider, model.name) is None
        or of_model(summaries, alias.provider, alias.model) is None
    ):
        words = f"{said} Not promoted: “{alias.name}” was moved meanwhile; a person decides."
        return _end(run, Status.SUCCEEDED, words)
    with transaction.atomic():
        gate = pass_judgement(alias, model, run.evaluation, run.created_by)
        if not run.keep(gate=gate, step=Step.PROMOTE, outcome=f"{run.outcome} {said}".strip()[:OUTCOME_LENGTH]):
            transaction.set_rollback(True)
            return False
    return True


def _decide(run: RetrainingRun) -> bool:
    """Promote what passed the gate, if the policy says so and nobody has to be asked."""
    assert run.gate is not None
    if not run.gate.is_passed:
        return _end(run, Status.SUCCEEDED, f"Not promoted. {run.gate.words}")
    if run.policy.when_better == RetrainingPolicy.WhenBetter.ASK:
        return _end(run, Status.SUCCEEDED, "It passed the gate; a person promotes it.")
    return _promote(run, run.gate)


def _promote(run: RetrainingRun, gate: GateResult) -> bool:
    """The move, or the wish for it, and its record and the end of the run in one transaction."""
    name = gate.alias.name
    try:
        with transaction.atomic():
            if needs_two_people(run.policy.project):
                ask_for_promotion(gate, run.created_by)
                is_kept = _settled(
                    run, Status.SUCCEEDED, f"It passed the gate; another person approves it for “{name}”."
                )
            else:
                promotion = promote(gate, run.created_by, note=f"retraining {run.pk}")
                is_kept = _settled(run, Status.SUCCEEDED, f"Promoted as “{name}”.", promotion=promotion)
            if not is_kept:
                transaction.set_rollback(True)
    except NotPromoted as error:
        return _end(run, Status.SUCCEEDED, f"Not promoted. {error}")
    return False


STEPS: dict[str, Callable[[RetrainingRun], bool]] = {
    Step.FREEZE: _freeze,
    Step.FINETUNE: _finetune,
    Step.EVALUATE: _evaluate,
    Step.GATE: _judge,
    Step.PROMOTE: _decide,
}


def _end(run: RetrainingRun, status: RetrainingRun.Status, outcome: str, error: str = "") -> bool:
    _settled(run, status, outcome, error)
    return False


def _settled(
    run: RetrainingRun, status: RetrainingRun.Status, outcome: str, error: str = "", **changes: object
) -> bool:
    said = f"{run.outcome} {outcome}".strip()
    if len(said) > OUTCOME_LENGTH:
        said = f"{said[: OUTCOME_LENGTH - 1]}…"
    settled = run.settle(status, error, outcome=said, step=Step.DONE, **changes)
    if settled:
        log.info("retraining %s %s", run.pk, status.value)
    return settled
