import uuid
from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from curation.models import DatasetVersion, Project, Provider

from .base import Job
from .exports import Export


class FineTune(Job):
    """A training job at a provider. The row with its launch_id is committed before anything is sent; creating the job
    there happens at most once, and an unclear outcome is settled by listing and adopting, never by asking again.
    """

    class Step(models.TextChoices):
        INTENT = "intent", "Preparing"
        UPLOADING = "uploading", "Uploading"
        UPLOADED = "uploaded", "Uploaded"
        CREATING = "creating", "Creating the job"
        LAUNCHED = "launched", "Accepted by the provider"
        RUNNING = "running", "Training"
        UNKNOWN = "unknown", "Outcome unclear"
        BLOCKED = "blocked", "Blocked"

    class Method(models.TextChoices):
        SUPERVISED = "supervised", "Supervised"
        DPO = "dpo", "Preferences (DPO)"
        REINFORCEMENT = "reinforcement", "Reinforcement"

    class Wish(models.TextChoices):
        PAUSE = "pause", "Pause"
        RESUME = "resume", "Resume"

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="finetunes")
    version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="finetunes")
    export = models.ForeignKey(Export, on_delete=models.PROTECT, null=True, blank=True, related_name="finetunes")
    validation_export = models.ForeignKey(
        Export,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Where the version puts examples aside for that.",
    )
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="finetunes")
    base_model = models.CharField(max_length=200)
    suffix = models.CharField(max_length=64, blank=True)
    seed = models.PositiveIntegerField(null=True, blank=True)
    method = models.CharField(max_length=20, choices=Method.choices, default=Method.SUPERVISED)
    hyperparameters: Any = models.JSONField(default=dict, blank=True)
    grader: Any = models.JSONField(null=True, blank=True, help_text="What reinforcement is steered by.")
    metadata: Any = models.JSONField(
        default=dict, blank=True, help_text="Passed to the provider beside our own launch_id."
    )
    integrations: Any = models.JSONField(default=list, blank=True)
    launch_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    step = models.CharField(max_length=10, choices=Step.choices, default=Step.INTENT)
    look_count = models.PositiveSmallIntegerField(default=0, help_text="Listings made to settle an unclear launch.")
    provider_file_id = models.CharField(max_length=200, blank=True)
    provider_validation_file_id = models.CharField(max_length=200, blank=True)
    # Null until known, so that two rows can never adopt the same job of one provider.
    provider_job_id = models.CharField(max_length=200, null=True, blank=True)
    provider_status = models.CharField(max_length=60, blank=True, help_text="The provider's own word, kept as it is.")
    # What a person asked for and the provider has not been told yet.
    wish = models.CharField(max_length=10, choices=Wish.choices, blank=True)
    estimated_finish_at = models.DateTimeField(null=True, blank=True, help_text="As the provider guesses it.")
    result_file_ids: Any = models.JSONField(default=list, blank=True)
    fine_tuned_model = models.CharField(max_length=200, blank=True)
    trained_tokens = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "provider_job_id"], name="finetune_job_once"),
            models.UniqueConstraint(
                fields=["version", "provider", "base_model"],
                name="finetune_one_live",
                condition=Q(status__in=["pending", "running"]),
            ),
        ]

    def __str__(self) -> str:
        return f"fine-tune {self.pk}"

    @property
    def may_be_paid(self) -> bool:
        """Whether the provider has, or may have, a job of this launch: then it is never simply dropped."""
        return bool(self.provider_job_id) or self.step in (self.Step.CREATING, self.Step.UNKNOWN)

    @property
    def awaits_approval(self) -> bool:
        """A second person has to agree before anything begins."""
        approval = getattr(self, "approval", None)
        return approval is not None and approval.decision == "open" and not self.is_finished

    @property
    def can_pause(self) -> bool:
        """Whether pausing may be asked for; the provider has the last word."""
        can = self.method in self.provider.profile.pauses
        return can and self._is_at_the_provider and not self.is_paused

    @property
    def can_resume(self) -> bool:
        return self._is_at_the_provider and self.is_paused

    @property
    def is_paused(self) -> bool:
        """As the provider tells it; so is one that is about to be."""
        return self.provider_status in ("pausing", "paused")

    @property
    def _is_at_the_provider(self) -> bool:
        under_way = self.step in (self.Step.LAUNCHED, self.Step.RUNNING)
        return under_way and not (self.is_finished or self.cancel_requested_at or self.wish)

    def give_up(self, error: str) -> bool:
        return self.block(error) if self.may_be_paid else super().give_up(error)

    def block(self, error: str) -> bool:
        """Leave it to a person, who reads the error and decides on the fine-tune's page."""
        return self.park(error, step=self.Step.BLOCKED)


class FineTuneEvent(models.Model):
    """What the provider reported of a job, or what we noted of it."""

    finetune = models.ForeignKey(FineTune, on_delete=models.CASCADE, related_name="events")
    # The provider's id; for our own notes "own-…".
    event_id = models.CharField(max_length=200)
    level = models.CharField(max_length=20, default="info")
    message = models.TextField()
    data: Any = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [models.UniqueConstraint(fields=["finetune", "event_id"], name="finetune_event_once")]

    def __str__(self) -> str:
        return f"{self.finetune}: {self.level}"


class FineTuneMetric(models.Model):
    """A point of the loss curve: figures of one training step, read from the job's events while it trains and from its
    result file when it is done. A figure the provider does not give is null.
    """

    FIGURES = (
        *("train_loss", "train_accuracy", "valid_loss", "valid_accuracy"),
        *("full_valid_loss", "full_valid_accuracy", "train_reward", "valid_reward"),
    )

    finetune = models.ForeignKey(FineTune, on_delete=models.CASCADE, related_name="metrics")
    step = models.PositiveIntegerField()
    train_loss = models.FloatField(null=True, blank=True)
    train_accuracy = models.FloatField(null=True, blank=True, help_text="Share of tokens, from 0 to 1.")
    valid_loss = models.FloatField(null=True, blank=True)
    valid_accuracy = models.FloatField(null=True, blank=True)
    full_valid_loss = models.FloatField(null=True, blank=True, help_text="On the whole validation file.")
    full_valid_accuracy = models.FloatField(null=True, blank=True)
    train_reward = models.FloatField(null=True, blank=True)
    valid_reward = models.FloatField(null=True, blank=True)

    class Meta:
        ordering = ["step"]
        constraints = [models.UniqueConstraint(fields=["finetune", "step"], name="finetune_metric_once")]

    def __str__(self) -> str:
        return f"{self.finetune}, step {self.step}"


class FineTuneCheckpoint(models.Model):
    """A model as it stood at one step, kept and served by the provider."""

    finetune = models.ForeignKey(FineTune, on_delete=models.CASCADE, related_name="checkpoints")
    checkpoint_id = models.CharField(max_length=200)
    step = models.PositiveIntegerField()
    model = models.CharField(max_length=200)
    metrics: Any = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["step", "id"]
        constraints = [models.UniqueConstraint(fields=["finetune", "checkpoint_id"], name="finetune_checkpoint_once")]

    def __str__(self) -> str:
        return self.model
