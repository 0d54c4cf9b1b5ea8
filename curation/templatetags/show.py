"""How captured text, amounts and times are shown."""

from datetime import timedelta
from html import escape

from django import template
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from curation.diff import Piece
from curation.preview import Unseen, has_unseen, seen_and_unseen

register = template.Library()
# What a state or a verdict is called, and the class of its pill.
_PILLS = {
    "included": ("Included", " in"),
    "excluded": ("Excluded", " out"),
    "later": ("Later", " wait"),
    "undone": ("Undone", ""),
    "passed": ("Passed on", ""),
    "awaiting": ("Disputed", ""),
}
_MARKS = {"gone": ("del", "removed"), "new": ("ins", "added")}


@register.simple_tag
def pill(state: str) -> SafeString:
    """A row's state or a verdict in a word, coloured."""
    words, colour = _PILLS.get(state, ("Waiting", ""))
    return format_html('<span class="pill{}">{}</span>', colour, words)


@register.filter
def visible(text: str) -> SafeString:
    """The text escaped, with a sign in place of each character that would not be seen."""
    text = str(text).replace("\r\n", "\n")
    if not has_unseen(text):
        return mark_safe(escape(text))  # noqa: S308 - nearly every text, and a page has many
    return format_html_join("", "{}", ((_shown(piece),) for piece in seen_and_unseen(text)))


def _shown(piece: str | Unseen) -> SafeString:
    if isinstance(piece, str):
        return conditional_escape(piece)
    times = f"×{piece.times}" if piece.times > 1 else ""
    return format_html('<span class="token" title="{}">{}{}</span>', piece.name, piece.code, times)


@register.filter
def marked(pieces: list[Piece]) -> SafeString:
    """A comparison as text with <del> and <ins>, which a screen reader hears too."""
    return format_html_join("", "{}", ((_marked(piece),) for piece in pieces))


@register.filter
def marked_before(pieces: list[Piece]) -> SafeString:
    """A comparison's older text, with what was removed marked."""
    return marked([piece for piece in pieces if piece.kind != "new"])


@register.filter
def marked_after(pieces: list[Piece]) -> SafeString:
    """A comparison's newer text, with what was added marked."""
    return marked([piece for piece in pieces if piece.kind != "gone"])


def _marked(piece: Piece) -> SafeString:
    text = visible(piece.text)
    if piece.kind == "same":
        return text
    tag, word = _MARKS[piece.kind]
    # The tag and the word are constants above.
    return mark_safe(f'<{tag}><span class="sr">[{word}] </span>{text}</{tag}>')  # noqa: S308


@register.filter
def lasting(value: timedelta | float | None) -> str:
    """A duration in the two units that matter: "11 s", "4 min", "1 h 9 min", "3 days"."""
    if value is None:
        return "–"
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"


@register.filter
def milliseconds(value: float | None) -> str:
    """A latency: "8.4 ms", "640 ms", "2.1 s"."""
    if value is None:
        return "–"
    if value < 10:
        return f"{value:.1f} ms"
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"


@register.filter
def percent(share: float | None) -> str:
    """A share between 0 and 1: "88 %"."""
    return "–" if share is None else f"{share * 100:.0f} %"
