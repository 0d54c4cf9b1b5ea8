"""Which regions a project's prompts fall into, and how well each is covered by what is included."""

from typing import Any

from django.db import models

from .access import Project
from .exchanges import Exchange


class Coverage(models.Model):
    """The regions as they were found in a sample, and what was last counted of them. Made in the background."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, primary_key=True, related_name="coverage")
    regions: Any = models.JSONField(null=True, editable=False, help_text="What is needed to place a prompt.")
    sampled_count = models.PositiveIntegerField(default=0, help_text="Rows of the project when regions were found.")
    placed_id = models.BigIntegerField(default=0, help_text="Rows up to this one have a region.")
    # [{region, name, rows, included, calls, covered}], calls and covered of the last thirty days.
    figures: Any = models.JSONField(default=list, editable=False)
    counted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "coverage"

    def __str__(self) -> str:
        return f"coverage of project {self.project_id}"


class RowRegion(models.Model):
    """The region of a row; beside the row, since it is found again when the regions are."""

    exchange = models.OneToOneField(Exchange, on_delete=models.CASCADE, primary_key=True, related_name="placed")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, db_index=False, related_name="+")
    region = models.PositiveSmallIntegerField()

    class Meta:
        indexes = [models.Index(fields=["project", "region", "-exchange"], name="row_region")]

    def __str__(self) -> str:
        return f"region of exchange {self.exchange_id}"
