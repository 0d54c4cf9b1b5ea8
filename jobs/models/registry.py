from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from curation.models import DatasetVersion, ModelAlias, Project, Provider

from .finetunes import FineTune


class ModelVersion(models.Model):
    """A model that exists at a provider because a fine-tune of ours made it."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="model_versions")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="model_versions")
    name = models.CharField(max_length=200, help_text="As the provider calls it.")
    base_model = models.CharField(max_length=200)
    finetune = models.OneToOneField(FineTune, on_delete=models.PROTECT, related_name="model_version")
    version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="model_versions")
    created_at = models.DateTimeField(db_default=Now())
    retires_on = models.DateField(null=True, blank=True, help_text="The day its base goes, where the provider says.")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["provider", "name"], name="model_version_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_tainted(self) -> bool:
        """Were rows withdrawn that it was taught?"""
        return bool(self.taints.all())


class Promotion(models.Model):
    """One move of an alias, with where it stood before. Immutable; rolling back is another Promotion."""

    class Kind(models.TextChoices):
        PROMOTED = "promoted", "Promoted"
        ROLLED_BACK = "rolled_back", "Rolled back"
        CANARY = "canary", "Tried on a share"
        SET = "set", "Set"  # the provider's base model got another name

    alias = models.ForeignKey(ModelAlias, on_delete=models.PROTECT, related_name="promotions")
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.PROMOTED)
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    model = models.CharField(max_length=200)
    model_version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="promotions"
    )
    previous_provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    previous_model = models.CharField(max_length=200)
    evaluation = models.ForeignKey(
        "jobs.EvaluationRun", on_delete=models.PROTECT, null=True, blank=True, related_name="promotions"
    )
    gate = models.ForeignKey(
        "jobs.GateResult", on_delete=models.PROTECT, null=True, blank=True, related_name="promotions"
    )
    override_reason = models.CharField(
        max_length=300, blank=True, help_text="Why it was promoted although the gate stopped it."
    )
    reverses = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="reversed_by")
    share = models.PositiveSmallIntegerField(default=100, help_text="Percent of the calls.")
    evidence: Any = models.JSONField(default=dict, blank=True, help_text="The figures a roll back by itself rests on.")
    note = models.CharField(max_length=300, blank=True)
    promoted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The second person, where a project wants two.",
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            # A reason is a person's: who overrules the gate has a name.
            models.CheckConstraint(
                name="promotion_override_named", condition=Q(override_reason="") | Q(promoted_by__isnull=False)
            ),
            models.CheckConstraint(
                name="promotion_two_people",
                condition=Q(approved_by=None) | Q(promoted_by=None) | ~Q(approved_by=F("promoted_by")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.alias.name}: {self.previous_model} → {self.model}"
