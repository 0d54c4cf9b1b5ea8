"""Keys on buttons: what the script looks for, what assistive technology hears, and what is printed."""

from typing import Any

from django import template
from django.template import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString

from curation.keys import REASON_KEYS, VERBS, bindings
from curation.keys import shown as shown_key

register = template.Library()


def _keys(context: Context) -> dict[str, str]:
    """The visitor's, worked out once for a page."""
    if "_keys" not in context.render_context:
        context.render_context["_keys"] = bindings(context["user"])
    return context.render_context["_keys"]


@register.simple_tag(takes_context=True)
def key_of(context: Context, verb: str) -> SafeString:
    """The attributes of a button that a verb's key presses."""
    key = _keys(context)[verb]
    if not key:
        return format_html('data-verb="{}"', verb)
    spoken = shown_key(key).replace(" ", "+") + (" Control+Enter" if verb == "include" else "")
    return format_html('data-verb="{}" data-key="{}" aria-keyshortcuts="{}"', verb, key, spoken)


@register.simple_tag(takes_context=True)
def cap(context: Context, verb: str) -> SafeString:
    """The verb's key cap, or nothing."""
    key = _keys(context)[verb]
    return format_html("<kbd>{}</kbd>", shown_key(key)) if key else SafeString("")


@register.simple_tag(takes_context=True)
def reason_key(context: Context, place: int) -> SafeString:
    """The attributes of the chip in that place, counted from 1."""
    if place > len(REASON_KEYS) or not context["user"].has_single_keys:
        return SafeString("")
    return format_html('data-key="{0}" aria-keyshortcuts="{0}"', place)


@register.simple_tag(takes_context=True)
def key_sheet(context: Context) -> list[dict[str, Any]]:
    keys = _keys(context)
    return [{"key": keys[name], "shown": shown_key(keys[name]), "words": verb.words} for name, verb in VERBS.items()]
