"""Rows that must not be taught any more, and what was done about it."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from curation.models import Exchange, Project, Provider

from .base import Job
from .registry import ModelVersion
from .retraining import RetrainingRun


class Withdrawal(Job):
    """Some rows are excluded for good, a person's for example. A worker has the providers delete the files they are in,
    blanks the texts where that is wanted, and asks for a retraining.
    """

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="withdrawals")
    reason = models.CharField(max_length=300)
    is_erasure = models.BooleanField("blank the texts too", default=False)
    wants_retraining = models.BooleanField("train anew without them", default=False)
    exchanges = models.ManyToManyField(Exchange, related_name="withdrawals")
    erased_at = models.DateTimeField(null=True, blank=True)
    retraining = models.ForeignKey(RetrainingRun, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [models.CheckConstraint(name="withdrawal_has_reason", condition=~Q(reason=""))]

    def __str__(self) -> str:
        return f"withdrawal {self.pk}"


class FileRemoval(models.Model):
    """A file at a provider that holds withdrawn rows. It counts as removed when the provider has said so."""

    withdrawal = models.ForeignKey(Withdrawal, on_delete=models.CASCADE, related_name="removals")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    file_id = models.CharField(max_length=200)
    removed_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, help_text="Why it is still there, as far as is known.")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["withdrawal", "provider", "file_id"], name="removal_once")]

    def __str__(self) -> str:
        return f"removal of {self.file_id}"


class Taint(models.Model):
    """A model was taught rows that were withdrawn later. A model without them is another model."""

    withdrawal = models.ForeignKey(Withdrawal, on_delete=models.CASCADE, related_name="taints")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="taints")
    row_count = models.PositiveIntegerField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["withdrawal", "model_version"], name="taint_once")]

    def __str__(self) -> str:
        return f"{self.model_version} by {self.withdrawal}"
