"""What a model costs at a provider: as a person typed it, else as the provider's profile says."""

from dataclasses import replace
from decimal import Decimal

from django.db.models.functions import Now

from .models import Provider, TypedPrice, User
from .pricing import Price
from .profiles import base_of


def price_for(provider: Provider, model: str) -> Price | None:
    """None where nothing is known; a figure that nobody typed is the profile's. A tuned model costs what its base's
    price list says of tuned ones.
    """
    known = provider.profile.price_of(model)
    typed = TypedPrice.objects.filter(provider=provider, model=base_of(model)).select_related("typed_by").first()
    if typed is None:
        return known
    given = {name: getattr(typed, name) for name in ("train", "input", "output")}
    figures = {name: float(value) for name, value in given.items() if value is not None}
    source = f"typed by {typed.typed_by}" if typed.typed_by else "typed"
    return replace(known or Price(), **figures, source=source, read_on=typed.typed_at.date())


def keep_price(provider: Provider, model: str, user: User | None, **figures: Decimal | None) -> None:
    """Keep what a service charges; `figures` are train, input and output in US dollars for a million tokens. Without
    any, what was typed is forgotten.
    """
    if not any(value is not None for value in figures.values()):
        TypedPrice.objects.filter(provider=provider, model=base_of(model)).delete()
        return
    TypedPrice.objects.update_or_create(
        provider=provider, model=base_of(model), defaults=figures | {"typed_by": user, "typed_at": Now()}
    )
