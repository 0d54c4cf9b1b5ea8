"""A frozen version becomes a model: launched once, followed to the end, decided on by a person where it is unclear."""

import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now

from curation.models import DatasetVersion, Provider, SealedKeyUnreadable, User

from . import approvals, budgets, following, launching
from .exports import request_export
from .models import Approval, FineTune, RetrainingRun
from .plans import Plan, estimate, faults
from .providers import methods
from .providers.base import ProviderError
from .providers.openai import Service

log = logging.getLogger(__name__)

SUFFIX_LENGTH = 40

Step, Status = FineTune.Step, FineTune.Status
STEPS: dict[str, Callable[[FineTune, Service], bool]] = {
    Step.INTENT: launching.prepare,
    Step.UPLOADING: launching.upload,
    Step.UPLOADED: launching.create,
    Step.CREATING: launching.doubt,
    Step.UNKNOWN: launching.look,
    Step.BLOCKED: launching.leave_block,
    Step.LAUNCHED: following.poll,
    Step.RUNNING: following.poll,
}


class NotPossible(Exception):
    """Cannot be launched, or decided so; the message says why and what to do."""


class CostsOtherwise(NotPossible):
    """The person who agreed to a sum was shown another one."""


def launch(
    version: DatasetVersion,
    provider: Provider,
    base_model: str = "",
    user: User | None = None,
    suffix: str = "",
    seed: int | None = None,
    hyperparameters: dict[str, Any] | None = None,
    method: str = FineTune.Method.SUPERVISED,
    grader: dict[str, Any] | None = None,
    metadata: dict[str, str] | None = None,
    integrations: list[dict[str, Any]] | None = None,
    expected: Decimal | None = None,
) -> FineTune:
    """Write down the intention to train, what it will cost and who has to agree; a worker does the rest. The one under
    way for the same version, provider and base model is returned instead of a second. `expected` is the sum a person
    was shown. Raises NotPossible.
    """
    if provider.project_id != version.project_id:
        raise NotPossible("This provider belongs to another project.")
    wishes: dict[str, Any] = {
        "hyperparameters": hyperparameters or {},
        "metadata": metadata or {},
        "integrations": integrations or [],
    }
    if fault := (
        methods.fault(method, wishes["hyperparameters"], grader)
        or methods.extras_fault(suffix, seed, wishes["metadata"], wishes["integrations"])
    ):
        raise NotPossible(fault)
    base_model = base_model or provider.base_model
    wanted = {"version": version, "provider": provider, "base_model": base_model}
    plan = Plan(version, provider, base_model, method, suffix, hyperparameters or {})
    if words := " ".join(faults(plan)):
        raise NotPossible(words)
    cost = estimate(plan)
    if expected is not None and expected != (cost.amount or 0):
        raise CostsOtherwise("The sum has changed since this page was made. Look at it and launch again.")
    try:
        with transaction.atomic():
            if live := FineTune.objects.unfinished().filter(**wanted).first():
                return live
            finetune = FineTune.objects.create(
                project=version.project,
                created_by=user,
                suffix=suffix or f"{version.project.slug}-{version}"[-SUFFIX_LENGTH:].strip("-"),
                seed=seed,
                method=method,
                grader=grader,
                **wishes,
                **wanted,
            )
            budgets.hold(finetune, cost)
            if version.project.launches_need_approval:
                approvals.request(finetune, user)
                launching.note(finetune, f"Asked for by {user or 'the retraining rule'}; a second person has to agree.")
            # Written at once, while nobody waits for it yet.
            request_export(version, "train", methods.FORMATS[method], user)
    except budgets.OverBudget as error:
        raise NotPossible(str(error)) from error
    except IntegrityError:  # somebody launched the same at the same moment
        return FineTune.objects.unfinished().get(**wanted)
    log.info("finetune %s intended version=%s provider=%s", finetune.pk, version.pk, provider.pk)
    return finetune


def advance(pk: int) -> None:
    """Take a fine-tune as far as it goes now (for a worker)."""
    finetune = FineTune.claim(pk)
    if finetune is None:
        return
    if finetune.step == Step.INTENT and approvals.is_open(finetune) and not finetune.cancel_requested_at:
        finetune.park("")
        return
    try:
        provider = finetune.provider
        with Service(provider.url, provider.open_key(), provider.reach) as service:
            while STEPS[finetune.step](finetune, service):
                pass
    except ProviderError as error:
        _stumble(finetune, error)
    except SealedKeyUnreadable as error:
        _stumble(finetune, ProviderError(str(error), permanent=True))


def _stumble(finetune: FineTune, error: ProviderError) -> None:
    """What a failed call means: while nothing can have been paid it may end here, afterwards it is never dropped."""
    log.warning("finetune %s stumbles at %s code=%s", finetune.pk, finetune.step, error.code)
    if not finetune.may_be_paid:
        if error.permanent:
            finetune.settle(Status.FAILED, str(error))
        else:
            finetune.retry(str(error), error.retry_after)
    elif error.status == 404:  # a new job may not be everywhere yet
        finetune.retry(str(error), error.retry_after)
    elif error.permanent:
        finetune.block(f"{error} Then look again here.")
    else:
        finetune.retry(str(error), error.retry_after, for_ever=True)


# What people decide


def request_cancel(finetune: FineTune) -> bool:
    """Stop at the next step, at the provider too; the provider has the last word. False when it is finished already."""
    asked = finetune.ask_to_cancel()
    if asked:
        log.info("finetune %s cancel requested", finetune.pk)
    return asked


def request_pause(finetune: FineTune) -> bool:
    """Have the provider pause the job at its next look. False where there is nothing to pause."""
    return _request(finetune, FineTune.Wish.PAUSE, finetune.can_pause)


def request_resume(finetune: FineTune) -> bool:
    """Have the provider go on with a paused job. False where it is not paused."""
    return _request(finetune, FineTune.Wish.RESUME, finetune.can_resume)


def _request(finetune: FineTune, wish: FineTune.Wish, is_possible: bool) -> bool:
    if not is_possible:
        return False
    rows = FineTune.objects.unfinished().filter(pk=finetune.pk, provider_job_id__isnull=False, cancel_requested_at=None)
    asked = rows.update(wish=wish, next_attempt_at=Now()) == 1
    if asked:
        log.info("finetune %s %s requested", finetune.pk, wish)
    return asked


def decide(finetune: FineTune, user: User, decision: Approval.Decision, reason: str = "") -> None:
    """Agree as the second person, or decline. Raises NotPossible."""
    try:
        with transaction.atomic():
            approvals.decide(finetune, user, decision, reason)
            verb = decision.label.lower()
            launching.note(finetune, f"{verb.capitalize()} by {user}.{f' {reason}' if reason else ''}")
    except approvals.NotDecided as error:
        raise NotPossible(str(error)) from error


def look_again(finetune: FineTune) -> None:
    """Leave the block: whatever was in the way is mended. Never creates anything. Raises NotPossible."""
    woken = _blocked(finetune).update(look_count=0, setback_count=0, next_attempt_at=Now())
    if not woken:
        raise NotPossible("This fine-tune is not blocked any more.")


def give_up(finetune: FineTune, user: User | None) -> None:
    """End a blocked fine-tune; whatever the provider may have is left there. Raises NotPossible."""
    ended = _blocked(finetune).update(
        status=Status.FAILED,
        error=f"Given up by {user or 'nobody named'}. {finetune.error}",
        lease_until=None,
        finished_at=Now(),
        # A worker that still holds it loses it.
        attempts=F("attempts") + 1,
    )
    if not ended:
        raise NotPossible("This fine-tune is not blocked any more.")
    log.info("finetune %s given up", finetune.pk)


@transaction.atomic
def relaunch(finetune: FineTune, user: User | None) -> FineTune:
    """Give a blocked launch up and make a new one with the same wishes: a second job, because a person saw that there
    is no first. A retraining that waits for it goes on with the new one. Raises NotPossible.
    """
    if finetune.provider_job_id:
        raise NotPossible("The provider has a job of this launch. Look again, or give it up.")
    give_up(finetune, user)
    new = launch(
        finetune.version,
        finetune.provider,
        finetune.base_model,
        user=user,
        suffix=finetune.suffix,
        seed=finetune.seed,
        hyperparameters=finetune.hyperparameters,
        method=finetune.method,
        grader=finetune.grader,
        metadata=finetune.metadata,
        integrations=finetune.integrations,
    )
    RetrainingRun.objects.unfinished().filter(finetune=finetune).update(finetune=new)
    return new


def _blocked(finetune: FineTune) -> Any:
    return FineTune.objects.unfinished().filter(pk=finetune.pk, step=Step.BLOCKED)
