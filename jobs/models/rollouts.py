"""What happens around a move of an alias: its calls are watched, and a model can answer beside it unseen."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from curation.models import Exchange, ModelAlias

from .base import Job
from .registry import ModelVersion, Promotion


class Watch(Job):
    """The calls a move brought to a model, held against those before it (of a canary: beside it). `done_count` is how
    many have been looked at; when they go worse beyond chance, the move is taken back.
    """

    promotion = models.OneToOneField(Promotion, on_delete=models.PROTECT, related_name="watch")
    outcome = models.CharField(max_length=500, blank=True, help_text="How it ended, in a sentence.")
    rolled_back = models.ForeignKey(Promotion, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name_plural = "watches"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"watch {self.pk}"


class Shadow(Job):
    """A model that answers an alias' calls once more in the background. The caller never sees it and never waits; what
    differs goes to review.
    """

    alias = models.ForeignKey(ModelAlias, on_delete=models.PROTECT, related_name="shadows")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="shadows")
    share = models.PositiveSmallIntegerField(
        default=10, validators=[MinValueValidator(1), MaxValueValidator(100)], help_text="Percent of the calls."
    )
    # `total_count` is the most that are asked: each answer is paid for.
    read_until = models.DateTimeField(null=True, blank=True, help_text="Calls that began before it have been seen.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["alias"], name="shadow_one_live", condition=Q(status__in=["pending", "running"])
            )
        ]

    def __str__(self) -> str:
        return f"shadow {self.pk}"

    def same_count(self) -> int:
        """How many of its answers said the same as what the caller got."""
        return self.answers.filter(is_same=True).count()


class ShadowAnswer(models.Model):
    """What the shadow answered to one stored call. One for each call, so that none is asked (and paid) twice."""

    shadow = models.ForeignKey(Shadow, on_delete=models.CASCADE, related_name="answers")
    call_id = models.UUIDField()
    exchange = models.ForeignKey(Exchange, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    answer = models.TextField(null=True, help_text="Null when the model gave none; then `error` says why.")
    error = models.TextField(blank=True)
    is_same = models.BooleanField(default=False, help_text="As what the caller got, by the project's answer format.")
    latency_ms = models.FloatField(null=True)
    prompt_tokens = models.PositiveIntegerField(null=True)
    completion_tokens = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["shadow", "call_id"], name="shadow_answer_once")]

    def __str__(self) -> str:
        return f"answer {self.pk} of shadow {self.shadow_id}"
