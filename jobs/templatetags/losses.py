"""The loss curve of a fine-tune, drawn by the server as SVG."""

from collections.abc import Sequence
from typing import Any

from django import template

from jobs.models import FineTuneMetric

register = template.Library()
LEFT, RIGHT, TOP, BOTTOM = 40, 590, 16, 150
# A line of more points than the picture is wide shows no more.
MOST_POINTS = 500


@register.inclusion_tag("finetunes/_losses.html")
def loss_curve(metrics: Sequence[FineTuneMetric]) -> dict[str, Any]:
    """Training and validation loss by step, from 0 to the highest; `metrics` in the order of their steps."""
    shown = list(metrics)[:: max(1, len(metrics) // MOST_POINTS)]
    train = [(each.step, each.train_loss) for each in shown if each.train_loss is not None]
    valid = [(each.step, loss) for each in shown if (loss := _valid(each)) is not None]
    both = [*train, *valid]
    if len({step for step, _ in both}) < 2:
        return {"lines": []}
    first, last = min(step for step, _ in both), max(step for step, _ in both)
    most = max(loss for _, loss in both) or 1.0

    def line(name: str, points: list[tuple[int, float]]) -> dict[str, Any]:
        places = " ".join(
            f"{LEFT + (RIGHT - LEFT) * (step - first) / (last - first):.1f},{BOTTOM - (BOTTOM - TOP) * loss / most:.1f}"
            for step, loss in points
        )
        return {"name": name, "points": places, "first": points[0][1], "last": points[-1][1]}

    lines = [line(name, points) for name, points in (("training", train), ("validation", valid)) if points]
    rows = shown[:: max(1, len(shown) // 20)]
    return {"lines": lines, "most": most, "first": first, "last": last, "rows": rows}


def _valid(metric: FineTuneMetric) -> float | None:
    return metric.full_valid_loss if metric.full_valid_loss is not None else metric.valid_loss
