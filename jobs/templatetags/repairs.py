"""The repair of an answer, on the page of its row."""

from typing import Any

from django import template

from curation.answers import answer_faults
from curation.models import Exchange
from curation.preview import preview
from curation.reading import calls_of, compared
from jobs.models import Repair
from jobs.repairs import offered

register = template.Library()


@register.inclusion_tag("repairs/_panel.html", takes_context=True)
def repair_panel(context: Any, row: Exchange, may_decide: bool) -> dict[str, Any]:
    """Where what is wrong is written, and what a model makes of it; nothing where no model is chosen. One query
    for a row without a repair.
    """
    if not may_decide:
        return {"is_offered": False}
    user = context["user"]
    may_ask, repair = offered(row, user)
    names = ("project", "user", "row", "slot", "action", "opened_at", "csrf_token")
    shown = {name: context.get(name) for name in names} | {"repair": repair}
    if repair and repair.proposal is not None:
        return shown | {"is_offered": True} | _proposal(row, repair)
    return shown | {"is_offered": repair is not None or may_ask}


def _proposal(row: Exchange, repair: Repair) -> dict[str, Any]:
    """Against the answer that was to be corrected, and what keeps it from being included."""
    text = repair.proposal or ""
    return {
        "comparison": compared(row.project, row, repair.answer, text),
        "taught": preview(text),
        "calls": calls_of(row, text),
        "faults": answer_faults(row.project, row.tools, text),
    }
