"""The day on which a tuned model's base goes: asked of its provider every hour, else what its profile says."""

import logging
from collections.abc import Iterable
from datetime import date
from itertools import groupby

from curation.models import Provider, SealedKeyUnreadable

from .models import ModelVersion
from .providers.base import ProviderError
from .providers.openai import Service

log = logging.getLogger(__name__)


def look() -> int:
    """Read the days anew, provider by provider; returns how many models have another day than before. A provider that
    does not answer, or does not say, changes nothing that it said earlier.
    """
    models = ModelVersion.objects.select_related("provider").order_by("provider", "base_model", "pk")
    changed = 0
    for provider, of_provider in groupby(models, key=lambda model: model.provider):
        changed += _look_at(provider, of_provider)
    return changed


def _look_at(provider: Provider, models: Iterable[ModelVersion]) -> int:
    changed = 0
    try:
        with Service(provider.url, provider.open_key(), provider.reach) as service:
            for base, of_base in groupby(models, key=lambda model: model.base_model):
                day = day_of(provider, base, service)
                if day is not None:
                    rows = ModelVersion.objects.filter(pk__in=[model.pk for model in of_base])
                    changed += rows.exclude(retires_on=day).update(retires_on=day)
    except SealedKeyUnreadable:
        log.warning("provider %s is not asked for retirements: its key cannot be read", provider.pk)
    return changed


def day_of(provider: Provider, base_model: str, service: Service) -> date | None:
    """None where nobody says."""
    try:
        said = service.model(base_model).shutdown_on
    except ProviderError:  # few providers say
        said = None
    return said or provider.profile.ends_on(base_model)
