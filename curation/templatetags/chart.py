"""Charts, drawn by the server as SVG."""

from typing import Any

from django import template

register = template.Library()
LEFT, RIGHT, TOP, BOTTOM = 40, 590, 24, 140


@register.inclusion_tag("projects/_accuracy.html")
def accuracy(points: list[Any]) -> dict[str, Any]:
    """Shares of held-out cases right, tuned against base, by version; `points` as in jobs' loop figures."""
    first, end = LEFT + 30, RIGHT - 30
    step = (end - first) / max(len(points) - 1, 1)
    places = [
        {
            # The newest stands at the right end, where the names of the lines are.
            "x": round(end - step * (len(points) - 1 - index), 1),
            "tuned": _height(point.tuned_share),
            "base": _height(point.base_share),
            "label": f"v{point.version_number}",
            "point": point,
        }
        for index, point in enumerate(points)
    ]
    last = places[-1]
    tuned_is_above = last["tuned"] <= last["base"]
    return {
        "places": places,
        "last": last,
        "grid": [_height(share) for share in (0, 0.25, 0.5, 0.75, 1)],
        "bottom": BOTTOM,
        "top": TOP,
        "tuned_line": " ".join(f"{place['x']},{place['tuned']}" for place in places),
        "base_line": " ".join(f"{place['x']},{place['base']}" for place in places),
        # Each name stands on its own side of its line, inside the picture.
        "tuned_label": _beside(last["tuned"], tuned_is_above),
        "base_label": _beside(last["base"], not tuned_is_above),
    }


def _height(share: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * share, 1)


def _beside(height: float, is_above: bool) -> float:
    return height - 9 if is_above else min(height + 17, BOTTOM + 12)
