from django.db import models
from django.db.models import Q

from curation.models import Project, Provider

from .base import Job


class ModerationRun(Job):
    """A provider's moderation looks at everything that is included and that it has not seen as it is now."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="moderation_runs")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    model = models.CharField(max_length=200, default="omni-moderation-latest")
    reached_id = models.BigIntegerField(default=0, help_text="The last row that was looked at.")
    asked_count = models.PositiveIntegerField(default=0, help_text="Texts that were sent; others were known.")
    flagged_count = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["project"], name="moderation_one_live", condition=Q(status__in=["pending", "running"])
            ),
        ]

    def __str__(self) -> str:
        return f"moderation {self.pk}"
