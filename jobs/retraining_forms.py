"""What the page of retraining takes in."""

from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.utils import timezone

from .cron import CronError, parse
from .models import RetrainingPolicy

# A round costs money and takes a while; nobody means to begin one every minute.
SHORTEST_GAP = timedelta(hours=1)


def zones() -> list[tuple[str, str]]:
    """The places people live in, without the old names that only abbreviate them."""
    places = sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/")))
    return [("UTC", "UTC"), *((name, name.replace("_", " ")) for name in places)]


class PolicyForm(forms.ModelForm):
    time_zone = forms.ChoiceField(choices=zones, initial="UTC")

    class Meta:
        model = RetrainingPolicy
        fields = [
            "is_enabled", "schedule", "time_zone", "minimum_hours", "minimum_new_count", "most_contradictions",
            "minimum_coverage_gain", "needs_green_preflight", "when_better",
        ]  # fmt: skip
        labels = {
            "is_enabled": "Retrain by itself when all is ready",
            "minimum_new_count": "New rows that are enough",
            "when_better": "When the new model passes the gate",
        }
        widgets = {"when_better": forms.RadioSelect}

    def clean_schedule(self) -> str:
        text = " ".join(self.cleaned_data["schedule"].split())
        if not text:
            return ""
        try:
            cron = parse(text)
        except CronError as error:
            raise forms.ValidationError(str(error)) from error
        if cron.shortest_gap < SHORTEST_GAP:
            raise forms.ValidationError("A round costs money: leave at least an hour between two times.")
        return text

    def save(self, commit: bool = True) -> Any:
        if {"is_enabled", "schedule", "time_zone"} & set(self.changed_data):
            self.instance.starts_at = timezone.now()
        return super().save(commit)
