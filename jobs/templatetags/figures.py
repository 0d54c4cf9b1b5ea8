"""How counts of right answers are shown."""

from collections.abc import Sequence
from typing import Any

from django import template

from jobs.reports import CandidateSummary
from jobs.statistics import Interval

register = template.Library()


@register.filter
def share(counted: Any) -> str:
    """“41 of 52, 79 %” of anything with `right` and `total`; a dash without it."""
    if not counted or not counted.total:
        return "–"
    return f"{counted.right:,} of {counted.total:,}, {counted.right / counted.total:.0%}".replace("%", " %")


@register.filter
def between(interval: Interval) -> str:
    """“71 to 86 %” of an interval of shares."""
    return f"{interval.low * 100:.0f} to {interval.high * 100:.0f} %"


@register.filter
def points(interval: Interval) -> str:
    """“+2 to +31 points” of an interval of differences."""
    return f"{interval.low * 100:+.0f} to {interval.high * 100:+.0f} points".replace("-", "−")


@register.filter
def chance(p: float) -> str:
    """A p-value as people write it: “p = 0.012”, and “p < 0.0001” for what is smaller."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


@register.inclusion_tag("evaluations/_bars.html")
def right_bars(summaries: Sequence[CandidateSummary]) -> dict[str, Any]:
    """Each candidate's share of right answers as a bar, with its 95 % interval as a line; 100 units are all cases."""
    bars = [
        {
            "name": each.name,
            "share": each.share * 100,
            "low": each.interval.low * 100,
            "spread": (each.interval.high - each.interval.low) * 100,
            "percent": each.percent,
            "y": number * 30,
            "is_tuned": each.role == "tuned",
        }
        for number, each in enumerate(each for each in summaries if each.total)
    ]
    return {"bars": bars, "height": 30 * len(bars)}
