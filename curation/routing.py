"""What moves when a provider's base model gets another name.

Whoever keeps the history of aliases asks to be told here, since this package knows nothing of it.
"""

from collections.abc import Callable

from django.db import transaction
from django.db.models.functions import Now

from .models import ModelAlias, Provider, User

Listener = Callable[[ModelAlias, str, User | None], object]
_listeners: list[Listener] = []


def tell(listener: Listener) -> Listener:
    """Have it called, in the same transaction, with each alias that was moved, its model before, and who did it."""
    if listener not in _listeners:
        _listeners.append(listener)
    return listener


@transaction.atomic
def follow_base_model(provider: Provider, before: str, user: User | None = None) -> None:
    """Have the aliases that answer from the provider's untuned model go on doing so, under that model's new name."""
    if before == provider.base_model:
        return
    rows = ModelAlias.objects.select_for_update(of=("self",)).filter(provider=provider, model=before)
    for alias in rows.select_related("provider"):
        alias.model, alias.updated_at = provider.base_model, Now()
        alias.save(update_fields=["model", "updated_at"])
        for listener in _listeners:
            listener(alias, before, user)
