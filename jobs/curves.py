"""What a provider reports of a training's course, as rows: points of the loss curve and checkpoints."""

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from .models import FineTune, FineTuneCheckpoint, FineTuneMetric
from .providers import results
from .providers.base import ProviderError, RemoteCheckpoint
from .providers.openai import Service

log = logging.getLogger(__name__)


def store_metrics(finetune: FineTune, reported: Iterable[Mapping[str, Any]]) -> None:
    """Points from the data of events."""
    _store(finetune, results.points_of(reported))


def store_results(finetune: FineTune, service: Service, file_ids: Iterable[str]) -> str:
    """Points from the result files, which have all of them. Returns what went wrong, in words, or nothing."""
    wrong = ""
    for file_id in file_ids:
        try:
            points = results.read_results(service.content(file_id))
        except ProviderError as error:
            log.info("finetune %s result file unavailable code=%s", finetune.pk, error.code)
            wrong = f"The result file {file_id} could not be read, so the curve shows what the events told. {error}"
            continue
        if not points:
            wrong = f"The result file {file_id} holds no figures that are known here."
        _store(finetune, points)
    return wrong


def store_checkpoints(finetune: FineTune, service: Service) -> None:
    """The checkpoints the provider lists; those it lists no longer stay, as what there was."""
    try:
        found = service.checkpoints(finetune.provider_job_id or "")
    except ProviderError as error:  # many providers have none
        log.info("finetune %s checkpoints unavailable code=%s", finetune.pk, error.code)
        return
    rows = [_checkpoint(finetune, checkpoint) for checkpoint in found if checkpoint.id]
    FineTuneCheckpoint.objects.bulk_create(rows, ignore_conflicts=True)


def time_of(seconds: int) -> datetime:
    """A provider's clock as ours; now, when it says nonsense."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return timezone.now()


def _store(finetune: FineTune, points: Mapping[int, results.Point]) -> None:
    """Figures that are known already stay where a later source has none for them."""
    known = {row.step: row for row in finetune.metrics.filter(step__in=points)}
    changed, new = [], []
    for step, point in points.items():
        row = known.get(step)
        if row is None:
            new.append(FineTuneMetric(finetune=finetune, step=step, **point))
        elif any(getattr(row, name) != value for name, value in point.items()):
            for name, value in point.items():
                setattr(row, name, value)
            changed.append(row)
    FineTuneMetric.objects.bulk_create(new, ignore_conflicts=True, batch_size=1000)
    FineTuneMetric.objects.bulk_update(changed, FineTuneMetric.FIGURES, batch_size=200)


def _checkpoint(finetune: FineTune, checkpoint: RemoteCheckpoint) -> FineTuneCheckpoint:
    return FineTuneCheckpoint(
        finetune=finetune,
        checkpoint_id=checkpoint.id,
        step=checkpoint.step,
        model=checkpoint.model,
        metrics=checkpoint.metrics,
        created_at=time_of(checkpoint.created_at),
    )
