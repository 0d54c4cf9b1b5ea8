from decimal import Decimal
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import MD5

from curation.models import DatasetVersion, Example, Project, Provider

from .base import Job
from .registry import ModelVersion


class EvaluationRun(Job):
    """Candidates answer the held-out and the must-pass cases of one frozen version, and the answers are graded."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="evaluations")
    version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="evaluations")
    # What the run is about: this model against what it would replace.
    model_version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="evaluations"
    )
    # As they were marked when the run was asked for, so that its report does not change with later marks. Those to
    # train on are among them: they count as must-pass cases, never as accuracy.
    must_pass = models.ManyToManyField(Example, related_name="+", blank=True)
    # [{"name", "definition", "is_deciding", "provider"}] as they were then. Else the answer format decides.
    graders: Any = models.JSONField(default=list, blank=True)
    repeats = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(10)],
        help_text="How often each case is asked, to see how steady the answers are.",
    )
    per_minute = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Calls a minute to each provider. Empty: as fast as they come.",
    )
    budget = models.DecimalField(
        max_digits=10,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.0001"))],
        help_text="US dollars; the run stops before it would cost more. Empty: no limit.",
    )
    spent = models.DecimalField(max_digits=12, decimal_places=6, default=0, help_text="US dollars, as far as known.")
    measures_first_token = models.BooleanField(default=False, help_text="Answers are streamed to time the first token.")
    asks_again = models.BooleanField(default=False, help_text="Answers of earlier runs do not count.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "model_version"],
                name="evaluation_one_live",
                condition=Q(status__in=["pending", "running"]),
            )
        ]

    def __str__(self) -> str:
        return f"evaluation {self.pk}"


class EvaluationCandidate(models.Model):
    """A model in a run, and which system prompt it is sent."""

    class Role(models.TextChoices):
        BASE = "base", "Base"
        TUNED = "tuned", "Tuned"
        SERVING = "serving", "Serving now"
        OTHER = "other", "Other"

    class Prompt(models.TextChoices):
        TRAINING = "training", "Short training prompt"
        CAPTURED = "captured", "Captured prompt"
        OWN = "own", "Another prompt"

    run = models.ForeignKey(EvaluationRun, on_delete=models.CASCADE, related_name="candidates")
    role = models.CharField(max_length=8, choices=Role.choices)
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    model = models.CharField(max_length=200)
    prompt = models.CharField(max_length=10, choices=Prompt.choices, default=Prompt.TRAINING)
    prompt_text = models.TextField(blank=True, help_text="The system prompt, where it is neither of the project's own.")
    # US dollars for a million tokens, as they were when the run was asked for.
    input_price = models.DecimalField(max_digits=10, decimal_places=4, null=True, blank=True)
    output_price = models.DecimalField(max_digits=10, decimal_places=4, null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                F("run"), F("provider"), F("model"), F("prompt"), MD5(F("prompt_text")), name="candidate_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.model} ({self.get_prompt_display().lower()})"

    @property
    def label(self) -> str:
        """As sentences and charts call it: “Base”, “Tuned, long prompt”, “gpt-4.1”."""
        name = {self.Role.OTHER: self.model, self.Role.SERVING: "Served now"}.get(
            self.Role(self.role), self.get_role_display()
        )
        added = {self.Prompt.CAPTURED: ", long prompt", self.Prompt.OWN: ", other prompt"}
        return name + added.get(self.Prompt(self.prompt), "")

    @property
    def has_price(self) -> bool:
        return self.input_price is not None and self.output_price is not None

    def price(self, prompt_tokens: float, completion_tokens: float) -> float | None:
        """US dollars for a call with so many tokens; None where the price is not known."""
        if self.input_price is None or self.output_price is None:
            return None
        return (float(self.input_price) * prompt_tokens + float(self.output_price) * completion_tokens) / 1_000_000


class EvaluationResult(models.Model):
    """One candidate's answer to one case, with its grades."""

    candidate = models.ForeignKey(EvaluationCandidate, on_delete=models.CASCADE, related_name="results")
    example = models.ForeignKey(Example, on_delete=models.PROTECT, related_name="results")
    repeat = models.PositiveSmallIntegerField(default=1)
    answer = models.TextField(null=True, help_text="Null when the provider gave none; then `error` says why.")
    error = models.TextField(blank=True)
    is_exact = models.BooleanField(default=False)
    # Null where the expected answer is not JSON, so that the grade does not apply.
    is_json_equal = models.BooleanField(null=True)
    is_right = models.BooleanField(
        default=False, help_text="By the project's deciding grader, else its answer format: JSON equality or exact."
    )
    fits_schema = models.BooleanField(null=True, help_text="Null where the project has no schema for its answers.")
    # {grader's name: {"score", "passes", "note", "detail"}}
    grades: Any = models.JSONField(default=dict, blank=True)
    latency_ms = models.FloatField(null=True)
    first_token_ms = models.FloatField(null=True)
    prompt_tokens = models.PositiveIntegerField(null=True)
    completion_tokens = models.PositiveIntegerField(null=True)
    # SHA-256 of what was asked, so that a later run need not pay for the same answer.
    request_digest = models.CharField(max_length=64, blank=True)
    reused = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="The earlier result whose answer this is; then nothing was paid.",
    )

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["candidate", "example", "repeat"], name="result_once")]
        indexes = [
            models.Index(fields=["request_digest"], name="result_request", condition=Q(reused=None, error="")),
        ]

    def __str__(self) -> str:
        return f"result {self.pk}"
