"""What the what-if page takes in: the query string of a sum."""

from math import isfinite
from typing import Any

from django import forms

from curation.pricing import Change, Outlay, Rate

from .payback import HOURLY, Measured


def _number(label: str, most: float, least_shown: float, most_shown: float, unit: str) -> forms.FloatField:
    """A number that may be typed, and slid between two figures on a scale of tenfolds."""
    slider = {"data-least": least_shown, "data-most": most_shown, "step": "any", "inputmode": "decimal"}
    return forms.FloatField(
        min_value=0, max_value=most, label=f"{label}, {unit}", widget=forms.NumberInput({"class": "slid", **slider})
    )


class WhatIfForm(forms.Form):
    calls_per_day = _number("Calls", 1e10, 1, 10_000_000, "a day")
    long_tokens = _number("Prompt now", 1e7, 1, 100_000, "tokens")
    short_tokens = _number("Prompt of the tuned model", 1e7, 1, 100_000, "tokens")
    completion_tokens = _number("Answer", 1e7, 1, 10_000, "tokens")
    input_before = _number("Reading now", 1e5, 0.01, 100, "dollars a million tokens")
    output_before = _number("Writing now", 1e5, 0.01, 100, "dollars a million tokens")
    input_after = _number("Reading, tuned", 1e5, 0.01, 100, "dollars a million tokens")
    output_after = _number("Writing, tuned", 1e5, 0.01, 100, "dollars a million tokens")
    training = _number("Training", 1e9, 0.1, 10_000, "dollars")
    reviewer_minutes = _number("Reviewing", 1e9, 1, 10_000, "minutes")
    hourly = _number("An hour of review", 1e5, 1, 500, "dollars")

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        for name, value in values.items():
            if value is not None and not isfinite(value):
                self.add_error(name, "Enter a number.")
        return values

    @property
    def change(self) -> Change:
        """Of a valid form."""
        values = self.cleaned_data
        return Change(
            calls_per_day=values["calls_per_day"],
            long_tokens=values["long_tokens"],
            short_tokens=values["short_tokens"],
            completion_tokens=values["completion_tokens"],
            before=Rate(values["input_before"], values["output_before"]),
            after=Rate(values["input_after"], values["output_after"]),
        )

    @property
    def outlay(self) -> Outlay:
        values = self.cleaned_data
        return Outlay(values["training"], values["reviewer_minutes"], values["hourly"])


def starting_values(found: Measured) -> dict[str, float]:
    """Measured where it is known, else a round figure to begin with."""
    before, after = found.before or Rate(1.0, 4.0), found.after or Rate(1.0, 4.0)
    long_tokens = _or(found.long_tokens, 500)
    values = {
        "calls_per_day": _or(found.calls_per_day, 1000),
        "long_tokens": long_tokens,
        "short_tokens": _or(found.short_tokens, min(50, long_tokens)),
        "completion_tokens": _or(found.completion_tokens, 50),
        "input_before": before.input,
        "output_before": before.output,
        "input_after": after.input,
        "output_after": after.output,
        "training": _or(found.training, 5),
        "reviewer_minutes": found.reviewer_minutes,
        "hourly": HOURLY,
    }
    return {name: round(value, 4 if value < 10 else 1) for name, value in values.items()}


def _or(value: float | None, guess: float) -> float:
    return guess if value is None else value
