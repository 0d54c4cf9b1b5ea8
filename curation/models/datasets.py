"""Frozen states of what is included. Immutable: the database refuses to change or delete these rows."""

from typing import Any

from django.db import models
from django.db.models.functions import Now

from .access import Project, User
from .exchanges import Exchange


class DatasetVersion(models.Model):
    """Everything included at one moment, rendered with the training prompt of that moment."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    content_hash = models.CharField(max_length=64, help_text="SHA-256 over the sorted hashes of its examples.")
    training_prompt = models.TextField(blank=True)
    keeps_captured_prompt = models.BooleanField(default=False)
    train_count = models.PositiveIntegerField()
    test_count = models.PositiveIntegerField()
    validation_count = models.PositiveIntegerField(default=0)
    # {"tokens": {tokenizer: {split: sum}}, "longest": …, "histogram": …, "labels": …, "findings": …, "withheld": …},
    # all counted when it was frozen.
    figures: Any = models.JSONField(default=dict)
    note = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="version_number_once"),
            models.UniqueConstraint(fields=["project", "content_hash"], name="version_content_once"),
        ]

    def __str__(self) -> str:
        return f"v{self.number}"

    @property
    def train_tokens(self) -> int:
        """What one pass over the training examples is charged, as OpenAI's newer models count; 0 where not counted."""
        return self.figures.get("tokens", {}).get("o200k_base", {}).get("train", 0)


class Example(models.Model):
    """One line of a version: canonical JSON of {"messages": […], "tools": […]} as a trainer gets it."""

    class Split(models.TextChoices):
        TRAIN = "train", "Train"
        VALIDATION = "validation", "Validation"
        TEST = "test", "Held out"

    version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="examples")
    exchange = models.ForeignKey(Exchange, on_delete=models.PROTECT, related_name="examples")
    exchange_version = models.PositiveIntegerField(default=1, help_text="Which state of the exchange was frozen.")
    split = models.CharField(max_length=10, choices=Split.choices)
    position = models.PositiveIntegerField(help_text="Line number within its split, from 1.")
    body = models.TextField(help_text="Empty once it was erased; the hash stays.")
    content_hash = models.CharField(max_length=64)
    o200k_tokens = models.PositiveIntegerField(null=True)
    cl100k_tokens = models.PositiveIntegerField(null=True)

    class Meta:
        ordering = ["version", "split", "position"]
        constraints = [
            models.UniqueConstraint(fields=["version", "exchange"], name="example_exchange_once"),
            models.UniqueConstraint(fields=["version", "split", "position"], name="example_position_once"),
        ]

    def __str__(self) -> str:
        return f"{self.version} {self.split} {self.position}"
