from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from curation.models import DatasetVersion, Project

from .base import Job
from .evaluations import EvaluationRun
from .finetunes import FineTune
from .gate import GateResult
from .registry import Promotion


class RetrainingPolicy(models.Model):
    """When a project trains itself anew, and what happens with the result. One for each project."""

    class WhenBetter(models.TextChoices):
        PROMOTE = "promote", "Promote it"
        ASK = "ask", "Ask a person"

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="retraining_policy")
    is_enabled = models.BooleanField(default=False)
    schedule = models.CharField(
        max_length=100,
        blank=True,
        help_text="Minute, hour, day, month, weekday, like cron: “30 2 * * mon-fri”. Empty: whenever all is ready.",
    )
    time_zone = models.CharField(max_length=60, default="UTC")
    # Times of the schedule up to this one are past: switching it on must not catch up on yesterday.
    starts_at = models.DateTimeField(null=True, blank=True, editable=False)
    minimum_hours = models.PositiveSmallIntegerField(
        "least hours between two rounds",
        default=24,
        validators=[MaxValueValidator(8784)],
        help_text="A round that a person starts does not count.",
    )
    minimum_new_count = models.PositiveIntegerField(default=50, help_text="Rows included since the last version.")
    minimum_coverage_gain = models.FloatField(
        "least gain of coverage, points",
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text="Of the last thirty days' calls, since the last round. Empty: not asked.",
    )
    most_contradictions = models.PositiveIntegerField(
        "most open contradictions", null=True, blank=True, default=0, help_text="Empty: not asked."
    )
    needs_green_preflight = models.BooleanField("the preflight has no blocker", default=True)
    when_better = models.CharField(max_length=8, choices=WhenBetter.choices, default=WhenBetter.ASK)
    last_checked_at = models.DateTimeField(null=True, blank=True)
    last_finding = models.CharField(max_length=300, blank=True, help_text="What the last check said.")

    class Meta:
        verbose_name_plural = "retraining policies"
        constraints = [
            models.CheckConstraint(name="policy_minimum_positive", condition=Q(minimum_new_count__gte=1)),
        ]

    def __str__(self) -> str:
        return f"retraining of {self.project}"


class RetrainingCheck(models.Model):
    """What a check found, in one line. Looking all the time makes a new line only when something else is found."""

    policy = models.ForeignKey(RetrainingPolicy, on_delete=models.CASCADE, related_name="checks")
    due_at = models.DateTimeField(null=True, blank=True, help_text="The time of the schedule it was made for.")
    words = models.CharField(max_length=500)
    is_due = models.BooleanField()
    count = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            # Two beats check once.
            models.UniqueConstraint(fields=["policy", "due_at"], name="retraining_check_once"),
        ]

    def __str__(self) -> str:
        return self.words


class RetrainingRun(Job):
    """One time round: freeze, export, fine-tune, evaluate, gate, promote. Where it stands is in what it points at."""

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule", "Schedule"
        PERSON = "person", "A person"

    class Step(models.TextChoices):
        FREEZE = "freeze", "Freezing"
        FINETUNE = "finetune", "Fine-tuning"
        EVALUATE = "evaluate", "Evaluating"
        GATE = "gate", "At the gate"
        PROMOTE = "promote", "Deciding"
        DONE = "done", "Done"

    policy = models.ForeignKey(RetrainingPolicy, on_delete=models.PROTECT, related_name="runs")
    trigger = models.CharField(max_length=8, choices=Trigger.choices)
    step = models.CharField(max_length=8, choices=Step.choices, default=Step.FREEZE)
    due_at = models.DateTimeField(null=True, blank=True, help_text="The time it was begun for, where nobody began it.")
    coverage = models.FloatField(null=True, blank=True, help_text="Percent of the calls covered when it began.")
    version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    finetune = models.ForeignKey(FineTune, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    evaluation = models.ForeignKey(EvaluationRun, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    gate = models.ForeignKey(GateResult, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    outcome = models.CharField(max_length=300, blank=True, help_text="How it ended, in a sentence.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            # Never two at once, however many beats and people ask.
            models.UniqueConstraint(
                fields=["policy"], name="retraining_one_live", condition=Q(status__in=["pending", "running"])
            ),
            models.UniqueConstraint(fields=["policy", "due_at"], name="retraining_once_a_time"),
        ]

    def __str__(self) -> str:
        return f"retraining {self.pk}"
