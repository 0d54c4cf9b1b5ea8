"""From the intention to train to a job at the provider, made at most once.

Up to CREATING everything may be repeated. CREATING is committed before the one call that costs money; whoever finds a
row in that step, or gets no clear answer, only looks from then on and adopts what is found. Nothing in here leads back
from CREATING except a refusal that says nothing was made.

Each step returns True when the next one may follow at once, False when the row was put down.
"""

import logging
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from django.conf import settings
from django.utils import timezone

from curation.datasets import check_version

from .exports import ExportNotReady, check_file, request_export
from .models import Export, FineTune, FineTuneEvent
from .providers import methods
from .providers.base import ProviderError, RemoteJob
from .providers.openai import Service

log = logging.getLogger(__name__)

LAUNCH_KEY = "launch_id"
# Fewer are refused by OpenAI and by those that follow it, after the upload.
LEAST_EXAMPLES = 10
# Seconds until the next look for a job whose creation has an unclear outcome; listings lag behind.
PAUSES = (2, 5, 15, 60, 120, 240)
# How long to wait for a provider to call an uploaded file ready; some never do.
PROCESSING = timedelta(minutes=2)

Step, Status = FineTune.Step, FineTune.Status


def note(finetune: FineTune, message: str, level: str = "info") -> None:
    """Write down what happened, among the provider's own events."""
    FineTuneEvent.objects.create(finetune=finetune, event_id=f"own-{uuid4()}", level=level, message=message)


def move(finetune: FineTune, step: FineTune.Step, **changes: object) -> bool:
    """Commit the next step. False when another worker has the row."""
    moved = finetune.keep(step=step, **changes)
    if moved:
        log.info("finetune %s %s job=%s", finetune.pk, step.value, finetune.provider_job_id or "-")
    return moved


def stop_if_asked(finetune: FineTune) -> bool:
    """Before anything was made at the provider, cancelling is just stopping."""
    if finetune.cancel_requested_at and finetune.settle(Status.CANCELLED):
        log.info("finetune %s cancelled", finetune.pk)
    return finetune.is_finished


def prepare(finetune: FineTune, service: Service) -> bool:
    """Wait for the training file, and for the validation file where the version puts examples aside for one."""
    if stop_if_asked(finetune):
        return False
    version, user = finetune.version, finetune.created_by
    format = methods.FORMATS[finetune.method]
    files = {"export": finetune.export or request_export(version, "train", format, user)}
    if version.validation_count:
        validation = finetune.validation_export or request_export(version, "validation", format, user)
        files["validation_export"] = validation
    for export in files.values():
        if export.is_finished and export.status != Export.Status.SUCCEEDED:
            finetune.settle(
                Status.FAILED, f"The {export.split} file was not written ({export.status}). {export.error}".strip()
            )
            return False
    if not all(export.is_finished for export in files.values()):
        finetune.wait(0.5, **files)
        return False
    return move(finetune, Step.UPLOADING, **files)


def upload(finetune: FineTune, service: Service) -> bool:
    """Check the files and what is in them, and send them."""
    if stop_if_asked(finetune):
        return False
    training, validation = finetune.export, finetune.validation_export
    assert training is not None
    keeper = _Keeper(finetune)
    try:
        paths = {export: check_file(export) for export in (training, validation) if export}
    except ExportNotReady as error:
        finetune.settle(Status.FAILED, str(error))
        return False
    if fault := _too_few(training) or _fault_in(finetune, keeper):
        finetune.settle(Status.FAILED, fault)
        return False
    if validation and not validation.line_count:  # none of its rows says anything to this method
        del paths[validation]
    sent = {export: _send(finetune, service, export, path, keeper) for export, path in paths.items()}
    ids = {"provider_file_id": sent[training]}
    if validation in sent:
        ids["provider_validation_file_id"] = sent[validation]
    if not move(finetune, Step.UPLOADED, **ids):
        return False
    for export, file_id in sent.items():
        kind = "examples" if export == training else "validation examples"
        note(finetune, f"Uploaded {export.line_count} {kind} as {file_id}.")
    return True


def _send(finetune: FineTune, service: Service, export: Export, path: Path, keeper: "_Keeper") -> str:
    """The provider's id of the file, which an earlier attempt may have sent: it is named after launch and content."""
    name = f"{finetune.launch_id}-{export.sha256[:12]}.jsonl"
    file = service.find_file(name) or service.upload(name, path, keeper, settings.UPLOAD_PART_BYTES)
    return file.id


def _too_few(training: Export) -> str:
    """Preferences are made of corrected rows only, so their file may be shorter than the version."""
    count = training.line_count or 0
    if count >= LEAST_EXAMPLES:
        return ""
    return (
        f"Nothing was sent: of {training.version} {count} rows say something to this method; providers want at least "
        f"{LEAST_EXAMPLES}. Preferences are made of rows whose answer a person corrected."
    )


def _fault_in(finetune: FineTune, keeper: "_Keeper") -> str:
    """What the preflight finds now that the model is known, and the rules may have been sharpened since the freeze."""
    for example, finding in check_version(finetune.version, finetune.base_model, keeper):
        return (
            f"Nothing was sent: line {example.position} of {finetune.version} is refused. {finding.words} "
            f"Correct or exclude row {example.exchange_id}, freeze again and start with the new version."
        )
    return ""


def create(finetune: FineTune, service: Service) -> bool:
    """Ask for the job: the one POST of this launch."""
    if stop_if_asked(finetune):
        return False
    if not _is_ready(finetune, service):
        finetune.wait(1)
        return False
    if not move(finetune, Step.CREATING):
        return False
    try:
        job = service.create_job(
            model=finetune.base_model,
            training_file=finetune.provider_file_id,
            validation_file=finetune.provider_validation_file_id,
            metadata={**finetune.metadata, LAUNCH_KEY: str(finetune.launch_id)},
            suffix=finetune.suffix,
            seed=finetune.seed,
            method=methods.wire(finetune.method, finetune.hyperparameters, finetune.grader),
            integrations=finetune.integrations,
        )
    except ProviderError as error:
        _not_created(finetune, error)
        return False
    return _take(finetune, job, f"The provider accepted job {job.id}.")


def _not_created(finetune: FineTune, error: ProviderError) -> None:
    if not error.surely_undone:
        if move(finetune, Step.UNKNOWN, error=str(error)):
            note(finetune, f"{error} Whether it made the job is being looked up; it is not asked again.", "warn")
            finetune.wait(PAUSES[0], error=str(error))
    elif error.permanent:
        finetune.settle(Status.FAILED, str(error))
        log.warning("finetune %s failed code=%s", finetune.pk, error.code)
    elif move(finetune, Step.UPLOADED):
        finetune.retry(str(error), error.retry_after)


def doubt(finetune: FineTune, service: Service) -> bool:
    """A worker ended between the decision to create and the answer: the call may have been made."""
    if not move(finetune, Step.UNKNOWN):
        return False
    note(finetune, "The worker ended while the job was being created; the provider is asked whether it has it.", "warn")
    return True


def leave_block(finetune: FineTune, service: Service) -> bool:
    """Somebody woke a blocked row: go on where its block began."""
    return move(finetune, Step.RUNNING if finetune.provider_job_id else Step.UNKNOWN)


def look(finetune: FineTune, service: Service) -> bool:
    """Look for the job of an unclear launch; adopt it, or leave it to a person after several looks."""
    found = [
        job
        for job in service.find_jobs(LAUNCH_KEY, str(finetune.launch_id), finetune.provider_file_id)
        if not _is_anothers(finetune, job)
    ]
    if found:
        return _adopt(finetune, found, service)
    if finetune.look_count < len(PAUSES) - 1:
        looked = finetune.look_count + 1
        finetune.wait(PAUSES[looked], look_count=looked, error=finetune.error)
    elif finetune.cancel_requested_at:
        finetune.settle(Status.CANCELLED, "The provider does not list a job of this launch.")
    else:
        finetune.block(
            f"{finetune.error} After {len(PAUSES)} looks over several minutes the provider still lists no job of this "
            "launch. Look into your account there: if there is a job, look again; if there is none, launch anew or "
            "give up."
        )
        note(finetune, "A person must look.", "error")
    return False


def _is_ready(finetune: FineTune, service: Service) -> bool:
    """Whether the uploaded files may be named in a job; true as well where the provider does not tell."""
    if timezone.now() - (finetune.started_at or timezone.now()) > PROCESSING:
        return True
    ids = [finetune.provider_file_id, finetune.provider_validation_file_id]
    try:
        return all(service.file(file_id).is_ready for file_id in ids if file_id)
    except ProviderError as error:
        if not error.permanent:
            raise
        return True


def _is_anothers(finetune: FineTune, job: RemoteJob) -> bool:
    others = FineTune.objects.filter(provider=finetune.provider, provider_job_id=job.id)
    return others.exclude(pk=finetune.pk).exists()


def _adopt(finetune: FineTune, found: list[RemoteJob], service: Service) -> bool:
    first, *others = found
    for other in others:
        try:
            service.cancel(other.id)
            end = "it is cancelled"
        except ProviderError as error:
            end = f"it could not be cancelled: {error}"
        note(finetune, f"The provider has a second job of this launch, {other.id}; {end}.", "error")
    return _take(finetune, first, f"Found and adopted job {first.id}.")


def _take(finetune: FineTune, job: RemoteJob, message: str) -> bool:
    if not move(finetune, Step.LAUNCHED, provider_job_id=job.id, provider_status=job.status, error=""):
        return False
    note(finetune, message)
    return True


class _Keeper:
    """Extends the lease while a file is read, at most every ten seconds."""

    def __init__(self, finetune: FineTune) -> None:
        self.finetune = finetune
        self.next_at = timezone.now() + timedelta(seconds=10)

    def __call__(self) -> None:
        if timezone.now() >= self.next_at:
            self.finetune.keep()
            self.next_at = timezone.now() + timedelta(seconds=10)
