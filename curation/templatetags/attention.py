"""Why a row comes up, and in which order the rows do."""

from typing import Any

from django import template
from django.http import HttpRequest

from curation.models import ReviewSlot
from curation.order import Kind, chosen

register = template.Library()


@register.inclusion_tag("attention/_why.html")
def why(slot: ReviewSlot) -> dict[str, Any]:
    """The reasons of a row as sentences, the weightiest first; costs no query."""
    return {"reasons": slot.reasons or []}


@register.inclusion_tag("attention/_order.html", takes_context=True)
def review_order(context: Any, slot: ReviewSlot | None = None) -> dict[str, Any]:
    """The choice of the order. A slot that was just claimed knows it; without one it costs a query."""
    request: HttpRequest = context["request"]
    project = context["project"]
    kind, percent = getattr(slot, "order_kind", None), getattr(slot, "order_percent", None)
    if slot is None:
        choice = chosen(project, request.user)  # type: ignore[arg-type]
        kind, percent = choice.kind, choice.sample_percent
    return {
        "project": project,
        "kind": Kind(kind or Kind.ATTENTION),
        "percent": percent or 10,
        "kinds": Kind.choices,
        "csrf_token": context.get("csrf_token"),
    }
