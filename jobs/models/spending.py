"""What a fine-tune was said to cost when it was started, and who agreed."""

from datetime import datetime
from decimal import Decimal
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Q, Sum, When
from django.db.models.functions import Now

from curation.models import Project

from .base import Job
from .finetunes import FineTune

_COST = models.DecimalField(max_digits=12, decimal_places=4)


class QuoteQuerySet(models.QuerySet["Quote"]):
    def since(self, project: Project, start: datetime) -> Self:
        """Those of a project's fine-tunes that were started from then on."""
        return self.filter(finetune__project=project, created_at__gte=start)

    def cost(self) -> Decimal:
        """What they cost or may still cost. Nothing, for a fine-tune that ended before a job was asked for; by the
        tokens the provider counted, once it did; else what was quoted.
        """
        ended = Q(finetune__status__in=[Job.Status.FAILED, Job.Status.CANCELLED])
        step = FineTune.Step
        asked = Q(finetune__step__in=[step.CREATING, step.UNKNOWN, step.BLOCKED]) | ~Q(finetune__provider_job_id=None)
        counted = Q(finetune__status=Job.Status.SUCCEEDED, finetune__trained_tokens__isnull=False, price__isnull=False)
        each = Case(
            When(ended & ~asked, then=Decimal(0)),
            When(counted, then=F("finetune__trained_tokens") * F("price") / Decimal(1_000_000)),
            default=F("amount"),
            output_field=_COST,
        )
        return self.aggregate(sum=Sum(each, default=Decimal(0), output_field=_COST))["sum"]


class Quote(models.Model):
    """What a fine-tune was expected to cost, and how that was reckoned. Immutable; it holds the sum in the month's
    budget, in the transaction that starts the fine-tune.
    """

    finetune = models.OneToOneField(FineTune, on_delete=models.CASCADE, related_name="quote")
    token_count = models.PositiveBigIntegerField(help_text="Of one pass.")
    passes = models.PositiveSmallIntegerField()
    price = models.DecimalField(
        max_digits=12, decimal_places=4, null=True, blank=True, help_text="US dollars for a million tokens."
    )
    amount = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True, help_text="US dollars.")
    source = models.CharField(max_length=200, blank=True, help_text="Where the price stands.")
    read_on = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = QuoteQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.finetune}: {'not known' if self.amount is None else f'{self.amount} US dollars'}"


class Approval(models.Model):
    """A fine-tune that waits for a second person, or waited. The request stays as it is; it is decided once."""

    class Decision(models.TextChoices):
        OPEN = "open", "Not decided"
        APPROVED = "approved", "Approved"
        DECLINED = "declined", "Declined"

    finetune = models.OneToOneField(FineTune, on_delete=models.CASCADE, related_name="approval")
    decision = models.CharField(max_length=8, choices=Decision.choices, default=Decision.OPEN)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    requested_at = models.DateTimeField(db_default=Now())
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="approval_by_another",
                condition=Q(decided_by=None) | Q(requested_by=None) | ~Q(requested_by=F("decided_by")),
            ),
            models.CheckConstraint(
                name="approval_decided_by_somebody", condition=Q(decision="open") | Q(decided_by__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.finetune}: {self.get_decision_display().lower()}"
