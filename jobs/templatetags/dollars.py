"""How money and shares are shown."""

from django import template

register = template.Library()


@register.filter
def dollars(value: float | None) -> str:
    """“$1,234.50”, without a sign; cents are left off a large sum, and a small one shows what there is of it."""
    if value is None:
        return "–"
    size = abs(value)
    if size >= 1000:
        return f"${size:,.0f}"
    return f"${size:.2f}" if size >= 0.1 or size == 0 else f"${size:.2g}"


@register.filter
def dollars_signed(value: float | None) -> str:
    """The same with a minus where it is a loss."""
    return f"−{dollars(value)}" if value is not None and value < 0 else dollars(value)


@register.filter
def ten_thousand(value: float) -> float:
    return value * 10_000


@register.filter
def percent(value: float) -> str:
    return f"{value:.0%}".replace("%", " %")
