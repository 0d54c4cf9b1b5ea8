from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from curation.models import Project, Provider, User


class Grader(models.Model):
    """How a project judges answers: a JSON object in the shape of OpenAI's graders, which can be carried elsewhere."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="graders")
    name = models.CharField(max_length=60)
    definition: Any = models.JSONField()
    is_deciding = models.BooleanField(
        default=False, help_text="Its judgement says which answers are right. A model's opinion never does."
    )
    provider = models.ForeignKey(
        Provider,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Whose model is asked.",
    )
    edited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-is_deciding", "name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="grader_name_once"),
            models.UniqueConstraint(fields=["project"], name="grader_one_deciding", condition=Q(is_deciding=True)),
        ]

    def __str__(self) -> str:
        return self.name


class Judgement(models.Model):
    """What a model said when it was asked to judge; the same question of the same model is not paid for twice."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    model = models.CharField(max_length=200)
    request_digest = models.CharField(max_length=64)
    # Null when what it said does not fit the schema it was given; then `said` shows it.
    value: Any = models.JSONField(null=True)
    said = models.TextField(blank=True)
    prompt_tokens = models.PositiveIntegerField(null=True)
    completion_tokens = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "provider", "model", "request_digest"], name="judgement_once")
        ]

    def __str__(self) -> str:
        return f"judgement {self.pk}"
