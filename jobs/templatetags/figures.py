"""How counts of right answers are shown."""

from typing import Any

from django import template

register = template.Library()


@register.filter
def share(counted: Any) -> str:
    """“41 of 52, 79 %” of anything with `right` and `total`; a dash without it."""
    if not counted or not counted.total:
        return "–"
    return f"{counted.right:,} of {counted.total:,}, {counted.right / counted.total:.0%}".replace("%", " %")
