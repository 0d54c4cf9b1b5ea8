from typing import Any

from django.db import models
from django.db.models.functions import Now

from .access import Project


class Moderation(models.Model):
    """What a provider's moderation said of one text. A text is known by its digest, so the same one is asked once."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="moderations")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the words that were looked at.")
    model = models.CharField(max_length=200, help_text="The model that looked, by the provider's name.")
    is_flagged = models.BooleanField()
    categories: Any = models.JSONField(default=list, help_text="What it is flagged for, in the provider's words.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["project", "digest"], name="moderation_once")]
        indexes = [
            models.Index(fields=["project"], name="moderation_flagged", condition=models.Q(is_flagged=True)),
        ]

    def __str__(self) -> str:
        return f"moderation {self.pk}"
