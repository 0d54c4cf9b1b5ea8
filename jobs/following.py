"""A job at the provider is followed to its end: status, events, and what becomes of the model.

Each step returns True when the next one may follow at once, False when the row was put down.
"""

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from . import curves
from .evaluations import NothingToEvaluate, request_evaluation
from .launching import note
from .models import FineTune, FineTuneEvent, ModelVersion
from .providers.base import ProviderError, RemoteEvent, RemoteJob
from .providers.openai import Service
from .retirement import day_of

log = logging.getLogger(__name__)

Step, Status = FineTune.Step, FineTune.Status
OVER = ("succeeded", "failed", "cancelled")
# Answers to a wish to cancel that mean: it is over already.
TOO_LATE = (400, 404, 409)
# Answers to other wishes that mean: it is not done here, or not now.
NOT_DONE = (400, 403, 404, 405, 409, 422, 501)


def poll(finetune: FineTune, service: Service) -> bool:
    """Ask how the job is doing. The provider's word on its status is kept as it is; unknown words mean it goes on."""
    assert finetune.provider_job_id
    if finetune.cancel_requested_at:
        _ask_to_cancel(finetune, service)
    elif finetune.wish:
        _pass_on(finetune, service)
    job = service.job(finetune.provider_job_id)
    _store_reports(finetune, service, job)
    if job.status != finetune.provider_status:
        log.info("finetune %s job=%s status=%s", finetune.pk, job.id, job.status)
    match job.status:
        case "succeeded":
            _succeed(finetune, job, service)
        case "failed":
            _fail(finetune, job)
        case "cancelled":
            said = "" if finetune.cancel_requested_at else "It was cancelled at the provider, not from here."
            finetune.settle(Status.CANCELLED, said, provider_status=job.status)
        case _:
            step = Step.RUNNING if job.status in ("running", "pausing", "paused") else finetune.step
            finetune.wait(
                _pace(finetune),
                step=step,
                provider_status=job.status,
                estimated_finish_at=_estimate(job),
                **_progress(finetune),
            )
    return False


def _pace(finetune: FineTune) -> float:
    """Seconds to the next poll: short for a job of seconds, up to 20 for one of hours."""
    began = finetune.started_at or timezone.now()
    return min(max(0.5, (timezone.now() - began).total_seconds() / 20), 20)


def _ask_to_cancel(finetune: FineTune, service: Service) -> None:
    try:
        service.cancel(finetune.provider_job_id or "")
    except ProviderError as error:
        if error.status not in TOO_LATE:
            raise


def _pass_on(finetune: FineTune, service: Service) -> None:
    """Tell the provider to pause or to go on. One that cannot says so, and the training takes its course."""
    wish = FineTune.Wish(finetune.wish)
    ask = service.pause if wish == FineTune.Wish.PAUSE else service.resume
    try:
        ask(finetune.provider_job_id or "")
        note(finetune, f"The provider was asked to {wish} the job.")
    except ProviderError as error:
        if error.status not in NOT_DONE:
            raise
        note(finetune, f"The provider did not {wish} the job. {error}", "warn")
    # Only this wish: a person may have another by now.
    FineTune.objects.filter(pk=finetune.pk, wish=wish).update(wish="")


def _store_reports(finetune: FineTune, service: Service, job: RemoteJob) -> None:
    """Everything the provider tells of the course; none of it decides what becomes of the job."""
    has_news = _store_events(finetune, service)
    is_over = job.status in OVER
    if has_news or is_over:
        curves.store_checkpoints(finetune, service)
    if is_over and job.result_files:
        finetune.keep(result_file_ids=list(job.result_files))
        if wrong := curves.store_results(finetune, service, job.result_files):
            note(finetune, wrong, "warn")


def _store_events(finetune: FineTune, service: Service) -> bool:
    """Whether there were new ones."""
    known = set(_reported(finetune).values_list("event_id", flat=True))
    try:
        events = service.events(finetune.provider_job_id or "", known)
    except ProviderError as error:
        # The status counts; a provider without events is still followed.
        log.info("finetune %s events unavailable code=%s", finetune.pk, error.code)
        return False
    FineTuneEvent.objects.bulk_create([_row(finetune, event) for event in events], ignore_conflicts=True)
    curves.store_metrics(finetune, [event.data for event in events])
    return bool(events)


def _row(finetune: FineTune, event: RemoteEvent) -> FineTuneEvent:
    return FineTuneEvent(
        finetune=finetune,
        event_id=event.id,
        level=event.level,
        message=event.message,
        data=event.data,
        created_at=curves.time_of(event.created_at),
    )


def _reported(finetune: FineTune) -> QuerySet[FineTuneEvent]:
    return finetune.events.exclude(event_id__startswith="own-")


def _progress(finetune: FineTune) -> dict[str, int]:
    """How far it is, where the last events say."""
    latest = _reported(finetune).filter(data__has_keys=["step", "total_steps"]).last()
    if latest is None:
        return {}
    step, total = latest.data["step"], latest.data["total_steps"]
    if not (isinstance(step, int) and isinstance(total, int) and 0 <= step <= total < 2**31):
        return {}
    return {"done_count": step, "total_count": total}


def _estimate(job: RemoteJob) -> datetime | None:
    return curves.time_of(job.estimated_finish) if job.estimated_finish else None


def _fail(finetune: FineTune, job: RemoteJob) -> None:
    events = list(_reported(finetune).filter(level__in=["error", "warn"]).order_by("-created_at", "-id")[:3])
    said = job.error or (events[0].message if events else "it gave no reason")
    words = f"Training failed at the provider: {said.rstrip('.')}."
    rest = [event.message for event in reversed(events) if event.message != said]
    if rest:
        words += f" Before that: {' '.join(rest)}"
    words += " Mend the cause, then launch again; if it lies in the examples, correct them and freeze a new version."
    if finetune.settle(Status.FAILED, words, provider_status=job.status):
        log.warning("finetune %s failed job=%s", finetune.pk, job.id)


def _succeed(finetune: FineTune, job: RemoteJob, service: Service) -> None:
    """A model exists: write it down and have it compared with what it would replace."""
    if not job.model:
        finetune.retry("The provider says that training succeeded but does not name the model.")
        return
    if ModelVersion.objects.filter(provider=finetune.provider, name=job.model).exists():
        finetune.block(
            f"The provider says that training made {job.model}, which another fine-tune made before. "
            "Look there which of the two it holds now."
        )
        return
    retires_on = day_of(finetune.provider, finetune.base_model, service)
    with transaction.atomic():
        settled = finetune.settle(
            Status.SUCCEEDED,
            provider_status=job.status,
            fine_tuned_model=job.model,
            trained_tokens=job.trained_tokens,
        )
        if not settled:
            return
        model = ModelVersion.objects.create(
            project=finetune.project,
            provider=finetune.provider,
            name=job.model,
            base_model=finetune.base_model,
            finetune=finetune,
            version=finetune.version,
            retires_on=retires_on,
        )
        try:
            request_evaluation(model, finetune.created_by)
        except NothingToEvaluate as error:
            note(finetune, str(error), "warn")
    log.info("finetune %s succeeded model_version=%s", finetune.pk, model.pk)
