from django.db import models

from curation.models import DatasetVersion, Example

from ..formats import choices
from .base import Job


class Export(Job):
    """A file for a trainer: one split of a frozen version in one format. Asking again returns the same row."""

    version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="exports")
    format = models.CharField(max_length=24, choices=choices, default="openai-chat")
    split = models.CharField(max_length=10, choices=Example.Split.choices)
    file_name = models.CharField(max_length=255, blank=True, help_text="Its name in the storage.")
    sha256 = models.CharField(max_length=64, blank=True)
    byte_count = models.BigIntegerField(null=True, blank=True)
    line_count = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["version", "format", "split"], name="export_once")]

    def __str__(self) -> str:
        return f"{self.version} {self.split} {self.format}"
