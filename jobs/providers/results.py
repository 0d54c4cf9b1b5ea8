"""Figures of a training: a result file's rows, and the metrics of an event or a checkpoint, in one set of names.

Result files are read by the names in their first line; unknown columns and empty cells are nothing. Some providers hand
the table out as base64.
"""

import base64
import binascii
import csv
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

# Our name of a figure → what providers call it, the usual one first.
NAMES: Mapping[str, tuple[str, ...]] = {
    "train_loss": ("train_loss", "training_loss"),
    "train_accuracy": ("train_accuracy", "train_mean_token_accuracy", "training_token_accuracy"),
    "valid_loss": ("valid_loss", "validation_loss"),
    "valid_accuracy": ("valid_mean_token_accuracy", "valid_accuracy", "validation_token_accuracy"),
    "full_valid_loss": ("full_valid_loss",),
    "full_valid_accuracy": ("full_valid_mean_token_accuracy",),
    "train_reward": ("train_reward_mean", "train_mean_reward"),
    "valid_reward": ("valid_reward_mean", "valid_mean_reward"),
}
# A curve of more points is not looked at as points: so many are kept, evenly spread.
MOST_POINTS = 2000

Point = dict[str, float]


def read_results(raw: bytes) -> dict[int, Point]:
    """Figures by step. What is no such table gives none."""
    text = _decoded(raw)
    rows = csv.DictReader(text.splitlines())
    try:
        found = {step: point for row in rows if (step := _step(row)) is not None and (point := figures(row))}
    except csv.Error:
        return {}
    return thinned(found)


def figures(data: Mapping[str, Any]) -> Point:
    """The figures in it that we know, as finite numbers."""
    found = {}
    for name, theirs in NAMES.items():
        numbers = [number for key in theirs if (number := _number(data.get(key))) is not None]
        if numbers:
            found[name] = numbers[0]
    return found


def points_of(all_metrics: Iterable[Mapping[str, Any]]) -> dict[int, Point]:
    """Figures by step from the data of events."""
    points: dict[int, Point] = {}
    for metrics in all_metrics:
        step, found = _step(metrics), figures(metrics)
        if step is not None and found:
            points[step] = points.get(step, {}) | found
    return points


def thinned(points: dict[int, Point]) -> dict[int, Point]:
    """At most about MOST_POINTS of them, evenly; the last one and those with figures of the validation stay."""
    if len(points) <= MOST_POINTS:
        return points
    steps = sorted(points)
    every = -(-len(steps) // MOST_POINTS)
    kept = {*steps[::every], steps[-1]}
    measured = [step for step in steps if points[step].keys() & {"valid_loss", "full_valid_loss", "valid_reward"}]
    if len(measured) <= MOST_POINTS:
        kept.update(measured)
    return {step: points[step] for step in sorted(kept)}


def _decoded(raw: bytes) -> str:
    head = raw.lstrip(b"\xef\xbb\xbf \r\n")
    if b"," not in head.split(b"\n", 1)[0]:
        try:
            head = base64.b64decode(head, validate=False)
        except (binascii.Error, ValueError):
            return ""
    return head.decode("utf-8", "replace").replace("\0", "")


def _step(data: Mapping[str, Any]) -> int | None:
    number = _number(data.get("step"))
    return int(number) if number is not None and 0 <= number < 2**31 else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or value == "":
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None
