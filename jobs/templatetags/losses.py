"""The loss curve of a fine-tune, drawn by the server as SVG."""

from collections.abc import Sequence
from typing import Any, TypeVar

from django import template

from jobs.models import FineTuneMetric

T = TypeVar("T")
register = template.Library()
LEFT, RIGHT, TOP, BOTTOM = 40, 590, 16, 150
# A line of more points than the picture is wide shows no more.
MOST_POINTS = 500
MOST_ROWS = 30


@register.inclusion_tag("finetunes/_losses.html")
def loss_curve(metrics: Sequence[FineTuneMetric]) -> dict[str, Any]:
    """Training and validation loss by step, from 0 to the highest; `metrics` in the order of their steps."""
    train = [(each.step, each.train_loss) for each in metrics if each.train_loss is not None]
    valid = [(each.step, loss) for each in metrics if (loss := _valid(each)) is not None]
    both = [*train, *valid]
    if len({step for step, _ in both}) < 2:
        return {"lines": []}
    first, last = min(step for step, _ in both), max(step for step, _ in both)
    most = max(loss for _, loss in both) or 1.0

    def line(name: str, points: list[tuple[int, float]]) -> dict[str, Any]:
        places = " ".join(
            f"{LEFT + (RIGHT - LEFT) * (step - first) / (last - first):.1f},{BOTTOM - (BOTTOM - TOP) * loss / most:.1f}"
            for step, loss in _thinned(points, MOST_POINTS)
        )
        return {"name": name, "points": places, "first": points[0][1], "last": points[-1][1]}

    lines = [line(name, points) for name, points in (("training", train), ("validation", valid)) if points]
    return {"lines": lines, "most": most, "first": first, "last": last, "rows": _rows(metrics)}


def _rows(metrics: Sequence[FineTuneMetric]) -> list[FineTuneMetric]:
    """All steps where they are few, else those with a validation, which are what people look for, and the last."""
    told = [each for each in metrics if _valid(each) is not None]
    if len(metrics) <= MOST_ROWS or not told:
        return _thinned(metrics, MOST_ROWS)
    return _thinned(told if told[-1] == metrics[-1] else [*told, metrics[-1]], MOST_ROWS)


def _valid(metric: FineTuneMetric) -> float | None:
    return metric.full_valid_loss if metric.full_valid_loss is not None else metric.valid_loss


def _thinned(points: Sequence[T], most: int) -> list[T]:
    """At most so many of them, evenly, the last one always among them."""
    every = -(-len(points) // most)
    return list(points[(len(points) - 1) % every :: every]) if points else []
