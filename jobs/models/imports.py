"""Files of past calls on their way into the log, and what was said of their lines."""

import uuid
from typing import Any

from django.db import models

from curation.models import Project, Provider

from .base import Job


def own_name(upload: "Import", uploaded_name: str) -> str:
    """Where an upload is kept: never under the name it came with."""
    return f"imports/{upload.project.slug}/{uuid.uuid4()}.upload"


class Import(Job):
    """Past calls become rows, each line once. A draft is parked: nothing is stored before a person says so.

    Where it stands is written with each batch it stores, so that a killed worker's import goes on where it was. The
    file goes when the import ends: it holds what the project may want masked.
    """

    class Kind(models.TextChoices):
        LINES = "lines", "JSON lines"
        TABLE = "table", "Table"
        STORED = "stored", "Stored completions"

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="imports")
    kind = models.CharField(max_length=6, choices=Kind.choices)
    file = models.FileField(upload_to=own_name, max_length=200, blank=True)
    file_name = models.CharField(max_length=200, blank=True, help_text="What it was called where it came from.")
    file_sha256 = models.CharField(max_length=64, blank=True)
    byte_count = models.PositiveBigIntegerField(default=0)
    read_count = models.PositiveBigIntegerField(default=0, help_text="Bytes of the file that were read.")
    shape = models.CharField(max_length=80, blank=True, help_text="What its lines are, in words.")
    columns: Any = models.JSONField(default=list, help_text="Names of columns, where they have to be mapped.")
    mapping: Any = models.JSONField(
        default=dict, help_text="Which column is what: prompt, more, answer, system, model."
    )
    is_strict = models.BooleanField(default=False, help_text="Store nothing when any line cannot be read.")
    is_checked = models.BooleanField(default=False, help_text="A strict one was read to its end without a refusal.")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    model = models.CharField(max_length=200, blank=True, help_text="Only stored completions of this model.")
    line_number = models.PositiveBigIntegerField(default=0, help_text="The last line that is stored or refused.")
    cursor = models.CharField(max_length=200, blank=True, help_text="The last stored completion that was read.")
    imported_count = models.PositiveIntegerField(default=0)
    known_count = models.PositiveIntegerField(default=0)
    refused_count = models.PositiveIntegerField(default=0)
    noted_count = models.PositiveIntegerField(default=0)
    masked_count = models.PositiveIntegerField(default=0, help_text="Secrets that were masked in what it stored.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"import {self.pk}"

    @property
    def row_count(self) -> int:
        return self.imported_count + self.known_count + self.refused_count

    @property
    def is_moving(self) -> bool:
        return not self.is_finished and not self.is_parked


class ImportRemark(models.Model):
    """A line that was refused, or stored though something is odd about it. Never quotes the line."""

    upload = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="remarks")
    line_number = models.PositiveBigIntegerField()
    is_refusal = models.BooleanField()
    reason = models.CharField(max_length=300)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"line {self.line_number} of {self.upload_id}"
