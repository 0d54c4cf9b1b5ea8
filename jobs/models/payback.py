from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from curation.models import Project


class PaybackForecast(models.Model):
    """What a person expected a fine-tune to save, kept so that it can be held against what it did save. Immutable."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="payback_forecasts")
    # The fields of the what-if form, as they were sent.
    inputs: Any = models.JSONField()
    saving_per_day = models.FloatField(help_text="US dollars.")
    outlay = models.FloatField(help_text="US dollars, paid once.")
    break_even_on = models.DateField(null=True, blank=True, help_text="Empty where it never pays.")
    note = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"forecast {self.pk}"
