"""Bars, drawn by the server as SVG: how long examples are, which answers they have, how versions grew."""

from collections.abc import Iterable
from typing import Any

from django import template

from curation.freezing import HISTOGRAM

register = template.Library()
# As wide as the narrow column of a page, so that the letters come out in their own size.
WIDTH, BOTTOM, TOP, LEFT = 400, 120, 20, 4
ROW, NAMES = 22, 130


@register.inclusion_tag("datasets/_histogram.html")
def token_histogram(bars: list[int]) -> dict[str, Any]:
    """How many examples have how many tokens; `bars` as a version's figures have them."""
    used = [place for place, count in enumerate(bars) if count]
    first, last = (used[0], used[-1]) if used else (0, 0)
    shown = bars[first : last + 1]
    step = (WIDTH - LEFT) / max(len(shown), 6)
    tallest = max(shown, default=0) or 1
    return {
        "bars": [
            _bar(LEFT + step * place, step - 4, count / tallest, count, _up_to(first + place))
            for place, count in enumerate(shown)
        ],
        "bottom": BOTTOM,
    }


@register.inclusion_tag("datasets/_shares.html")
def shares(labels: list[tuple[str, int]]) -> dict[str, Any]:
    """Answers that stand for classes, the most frequent first, with their counts."""
    most = max((count for _, count in labels), default=1)
    rows = []
    for place, (label, count) in enumerate(labels):
        width = round((WIDTH - NAMES - 60) * count / most, 1)
        row = {"y": ROW * place, "text_y": ROW * place + 14, "width": width, "end": NAMES + 8 + width}
        rows.append(row | {"label": label, "count": count})
    return {"rows": rows, "height": ROW * len(labels), "names": NAMES}


@register.inclusion_tag("datasets/_growth.html")
def growth(versions: Iterable[Any]) -> dict[str, Any]:
    """Examples to train on and held out, by version; `versions` newest first."""
    shown = list(versions)[:12][::-1]
    step = min((WIDTH - LEFT) / max(len(shown), 1), 90)
    totals = [version.train_count + version.validation_count + version.test_count for version in shown]
    tallest = max(totals, default=0) or 1
    bars = []
    for place, (version, total) in enumerate(zip(shown, totals, strict=True)):
        bar = _bar(LEFT + step * place, step - 8, total / tallest, total, str(version))
        held = round((BOTTOM - TOP) * version.test_count / tallest, 1)
        bars.append(bar | {"held_y": bar["y"], "held_height": held, "version": version})
    return {"bars": bars, "bottom": BOTTOM}


def _bar(x: float, width: float, share: float, count: int, label: str) -> dict[str, Any]:
    height = round((BOTTOM - TOP) * share, 1)
    return {
        "x": round(x, 1),
        "width": round(width, 1),
        "y": round(BOTTOM - height, 1),
        "height": height,
        "middle": round(x + width / 2, 1),
        "count_y": round(BOTTOM - height - 5, 1),
        "count": count,
        "label": label,
    }


def _up_to(place: int) -> str:
    return f"≤{_short(HISTOGRAM[place])}" if place < len(HISTOGRAM) else f">{_short(HISTOGRAM[-1])}"


def _short(number: int) -> str:
    return str(number) if number < 1024 else f"{number // 1024}k"
