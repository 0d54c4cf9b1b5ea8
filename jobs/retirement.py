"""The day on which a base goes, with all that was tuned on it: asked of its provider every hour, else what its profile
says.
"""

import logging
from datetime import date

from curation.models import ModelAlias, Provider, SealedKeyUnreadable

from .models import ModelVersion, Retirement
from .providers.base import ProviderError
from .providers.openai import Service

log = logging.getLogger(__name__)


def look() -> int:
    """Read the days anew, provider by provider; returns how many tuned models have another day than before. A provider
    that does not answer, or does not say, changes nothing that it said earlier.
    """
    providers = Provider.objects.filter(project__archived_at=None).order_by("pk")
    return sum(_look_at(provider) for provider in providers)


def _look_at(provider: Provider) -> int:
    changed = 0
    try:
        with Service(provider.url, provider.open_key(), provider.reach) as service:
            for base in sorted(_bases(provider)):
                if day := day_of(provider, base, service):
                    changed += _keep(provider, base, day)
    except SealedKeyUnreadable:
        log.warning("provider %s is not asked for retirements: its key cannot be read", provider.pk)
    return changed


def _bases(provider: Provider) -> set[str]:
    """What its models were tuned from, and the untuned models that the project uses or begins with."""
    tuned = dict(ModelVersion.objects.filter(provider=provider).values_list("name", "base_model"))
    served = ModelAlias.objects.filter(provider=provider).values_list("model", flat=True)
    return {*tuned.values(), *(name for name in served if name not in tuned), provider.base_model} - {""}


def _keep(provider: Provider, base: str, day: date) -> int:
    Retirement.objects.update_or_create(provider=provider, model=base, defaults={"day": day})
    models = ModelVersion.objects.filter(provider=provider, base_model=base)
    return models.exclude(retires_on=day).update(retires_on=day)


def day_of(provider: Provider, base_model: str, service: Service) -> date | None:
    """None where nobody says."""
    try:
        said = service.model(base_model).shutdown_on
    except ProviderError:  # few providers say
        said = None
    return said or provider.profile.ends_on(base_model)
