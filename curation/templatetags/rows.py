"""Lists of rows. What stands on a page many times is written here: a template would take most of the page's time."""

from collections.abc import Iterator
from functools import lru_cache
from html import escape
from typing import Any

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma, naturaltime
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from curation.models import Exchange, Membership, Project
from curation.rows_forms import FilterForm
from curation.search import EXCERPT, Filters

from .show import pill, visible

register = template.Library()


@register.simple_tag(takes_context=True)
def row_cards(context: Any, rows: list[Exchange]) -> SafeString:
    """A card for each row; rows come with their excerpts, and with `first_slot` where they have one."""
    project: Project = context["project"]
    can_tick = getattr(context["request"], "role", 0) >= Membership.Role.REVIEWER
    address = reverse("review_exchange", args=[project.slug, 0]).rsplit("0", 1)
    cards = (_card(row, str(row.pk).join(address), can_tick=can_tick) for row in rows)
    return mark_safe("".join(cards))  # noqa: S308 - see _card


def _card(row: Any, url: str, *, can_tick: bool) -> str:
    """What is put in is escaped, or a number, or a word of ours."""
    slot = row.first_slot
    tick = _tick(row) if can_tick else ""
    why = _why(slot.reasons) if slot and slot.reasons and not slot.done_at else ""
    seen = "once" if row.seen_count == 1 else f"{intcomma(row.seen_count)} times"
    asked = f"<span>{seen}, last {naturaltime(row.last_seen_at)}</span>"
    notes = "".join(f"<span>{escape(note)}</span>" for note in _notes(slot)) if slot else ""
    return (
        f'<li class="card" data-row>{tick}<div class="said"><a dir="auto" href="{url}">{_excerpt(row.excerpt)}</a>'
        f'<p class="answer dim" dir="auto">{_excerpt(row.answer_excerpt or "")}</p>{why}</div>'
        f'<div class="small dim facts">{pill(row.state)}{asked}{notes}</div></li>\n'
    )


def _tick(row: Any) -> str:
    label = escape(row.excerpt if len(row.excerpt) <= 60 else f"{row.excerpt[:59]}…")
    value = f"{row.pk}:{row.version}"
    return f'<input class="tick" type="checkbox" form="bulk" name="row" value="{value}" aria-label="Tick: {label}">'


def _excerpt(text: str) -> str:
    return f"{visible(text)}…" if len(text) == EXCERPT else visible(text)


def _why(reasons: list[dict[str, Any]]) -> str:
    said = "".join(f"<span>{visible(reason['words'])}</span>" for reason in reasons)
    return f'<p class="why">{said}</p>'


def _notes(slot: Any) -> Iterator[str]:
    if slot.is_held:
        yield f"{slot.holder} has it now"
    if slot.given_to and not slot.done_at:
        yield f"given to {slot.given_to}"


@register.simple_tag
def filter_fields(filters: Filters) -> SafeString:
    """The filters but the words, each with its label."""
    return _filter_fields(filters)


@lru_cache(maxsize=256)  # nearly always those of a few tabs, and a form's fields take their time
def _filter_fields(filters: Filters) -> SafeString:
    form = FilterForm(initial=vars(filters))
    fields = ((field.id_for_label, field.label, field) for field in form if field.name != "q")
    return format_html_join("\n", '<div class="field"><label for="{}">{}</label>{}</div>', fields)
