"""A model's answers kept before it goes, so that a successor can be held against them."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from curation.models import DatasetVersion, Exchange, Project, Provider

from .base import Job


class Escrow(Job):
    """One model answers every prompt of a frozen version, those to train on and those held out."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="escrows")
    version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="escrows")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    model = models.CharField(max_length=200)
    asked_until = models.BigIntegerField(default=0, help_text="Examples up to this one have been asked.")

    class Meta:
        verbose_name_plural = "escrow"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "model"], name="escrow_one_live", condition=Q(status__in=["pending", "running"])
            )
        ]

    def __str__(self) -> str:
        return f"escrow {self.pk}"


class EscrowAnswer(models.Model):
    """What a model answered to one row, asked in these very words. Kept for ever: nobody can ask that model again."""

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    model = models.CharField(max_length=200)
    exchange = models.ForeignKey(Exchange, on_delete=models.PROTECT, related_name="escrow_answers")
    prompt_digest = models.CharField(max_length=64, help_text="SHA-256 of the messages that were sent.")
    answer = models.TextField(null=True, help_text="Null when the model gave none; then `error` says why.")
    error = models.TextField(blank=True)
    prompt_tokens = models.PositiveIntegerField(null=True)
    completion_tokens = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "model", "exchange", "prompt_digest"], name="escrow_answer_once"
            )
        ]

    def __str__(self) -> str:
        return f"escrow answer {self.pk}"
