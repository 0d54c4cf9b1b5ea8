"""What a model must show before an alias is moved to it, and what each one showed."""

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from curation.models import ModelAlias, Project, Provider

from .registry import ModelVersion, Promotion


class GatePolicy(models.Model):
    """The rules of a project's gate. An empty limit is a rule that is not asked."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="gate_policy")
    minimum_gain = models.FloatField(
        "least gain, percentage points",
        default=1,
        validators=[MinValueValidator(-50), MaxValueValidator(100)],
        help_text="On the same held-out cases, against what is served now. Below 0 allows a loss, for a model that is "
        "cheaper or quicker.",
    )
    most_chance = models.FloatField(
        "most chance (p)",
        null=True,
        blank=True,
        validators=[MinValueValidator(0.0001), MaxValueValidator(0.5)],
        help_text="0.05 asks for proof by the exact paired test. Empty: p is shown and not asked.",
    )
    most_slice_loss = models.FloatField(
        "most a part of the cases may lose, points",
        null=True,
        blank=True,
        default=10,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text="Parts are tags, reasons and regions with at least five cases.",
    )
    most_p95_ms = models.PositiveIntegerField(
        "longest answer (95 of 100), milliseconds", null=True, blank=True, validators=[MinValueValidator(1)]
    )
    most_price = models.DecimalField(
        "highest price of 1,000 calls, dollars",
        null=True,
        blank=True,
        max_digits=10,
        decimal_places=4,
        validators=[MinValueValidator(0)],
    )
    least_valid = models.FloatField(
        "least answers of the right shape, percent",
        null=True,
        blank=True,
        default=95,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text="Where answers are JSON: valid, and as the project's schema wants them.",
    )
    needs_two_people = models.BooleanField(
        "two people for each promotion",
        default=False,
        help_text="One asks, another one approves. Rolling back never waits.",
    )
    watches = models.BooleanField(
        "roll back by itself",
        default=True,
        help_text="When calls bring more errors, answers of the wrong shape or thumbs down than before, beyond chance.",
    )

    class Meta:
        verbose_name_plural = "gate policies"

    def __str__(self) -> str:
        return f"gate of {self.project}"


class GateResult(models.Model):
    """One model before the gate: the verdict, with the limits and the figures of that moment. Immutable."""

    alias = models.ForeignKey(ModelAlias, on_delete=models.PROTECT, related_name="gate_results")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="gate_results")
    evaluation = models.ForeignKey(
        "jobs.EvaluationRun", on_delete=models.PROTECT, null=True, blank=True, related_name="gate_results"
    )
    # What the alias was answered by: the verdict is worth nothing once that is another model.
    compared_provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    compared_model = models.CharField(max_length=200)
    is_passed = models.BooleanField()
    words = models.TextField(help_text="The verdict in a sentence.")
    limits: Any = models.JSONField(default=dict)
    figures: Any = models.JSONField(default=dict)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"gate {self.pk}"


class GateCheck(models.Model):
    """One rule's verdict in a result. Immutable."""

    class Verdict(models.TextChoices):
        PASSED = "passed", "Passed"
        FAILED = "failed", "Failed"
        SKIPPED = "skipped", "Not asked"

    result = models.ForeignKey(GateResult, on_delete=models.PROTECT, related_name="checks")
    code = models.CharField(max_length=20)
    verdict = models.CharField(max_length=7, choices=Verdict.choices)
    words = models.TextField()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["result", "code"], name="gate_check_once")]

    def __str__(self) -> str:
        return f"{self.code} {self.verdict}"


class PromotionRequest(models.Model):
    """A promotion that one person, or the retraining rule, asks for and another person decides."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        APPROVED = "approved", "Approved"
        DECLINED = "declined", "Declined"

    alias = models.ForeignKey(ModelAlias, on_delete=models.PROTECT, related_name="promotion_requests")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="promotion_requests")
    gate = models.ForeignKey(GateResult, on_delete=models.PROTECT, related_name="+")
    share = models.PositiveSmallIntegerField(default=100, help_text="Percent of the calls.")
    override_reason = models.CharField(max_length=300, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    requested_at = models.DateTimeField(db_default=Now())
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    promotion = models.OneToOneField(Promotion, on_delete=models.PROTECT, null=True, blank=True, related_name="request")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["alias"], name="promotion_request_one", condition=Q(state="waiting")),
            # Who asked cannot approve; the rule asks without a name.
            models.CheckConstraint(
                name="promotion_request_two_people",
                condition=~Q(state="approved") | Q(requested_by=None) | ~Q(requested_by=F("decided_by")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.alias.name}: {self.model_version.name}, {self.state}"
