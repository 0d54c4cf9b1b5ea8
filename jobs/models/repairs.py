"""Answers that a model was asked to correct, by what a reviewer said is wrong with them."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from curation.models import Exchange, ModelAlias, Project, Provider

from .base import Job


class RepairPolicy(models.Model):
    """Which model corrects answers for a project's reviewers, and what it may be asked in a day (UTC)."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, primary_key=True, related_name="repair_policy")
    alias = models.ForeignKey(
        ModelAlias,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Whatever it serves when it is asked. Empty: the provider and the model below.",
    )
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    model = models.CharField(max_length=200, blank=True, help_text="Its name at the provider.")
    requests_a_day = models.PositiveIntegerField(
        "repairs a day, at most", default=200, validators=[MinValueValidator(1), MaxValueValidator(100_000)]
    )
    dollars_a_day = models.DecimalField(
        "US dollars a day, at most",
        max_digits=9,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="Held before a repair is asked for, so the model's price must be known. Empty: no limit.",
    )

    class Meta:
        verbose_name_plural = "repair policies"

    def __str__(self) -> str:
        return f"repair policy of {self.project_id}"

    @property
    def is_set(self) -> bool:
        """Does `asked` name a model? Without reading who serves it."""
        return self.alias_id is not None or bool(self.provider_id and self.model)

    @property
    def asked(self) -> tuple[Provider, str] | None:
        """Provider and model that are asked now; None where nobody chose any."""
        if self.alias:
            return self.alias.provider, self.alias.model
        return (self.provider, self.model) if self.provider and self.model else None


class Repair(Job):
    """One request for a corrected answer. The proposal changes nothing until its reviewer accepts it."""

    class Outcome(models.TextChoices):
        OPEN = "", "Not decided"
        ACCEPTED = "accepted", "Accepted"
        EDITED = "edited", "Taken into the editor"
        DROPPED = "dropped", "Dropped"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="repairs")
    exchange = models.ForeignKey(Exchange, on_delete=models.CASCADE, related_name="repairs")
    exchange_version = models.PositiveIntegerField(help_text="The state of the row it was asked for.")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    model = models.CharField(max_length=200)
    note = models.TextField(help_text="What is wrong with the answer, in the reviewer's words.")
    answer = models.TextField(help_text="The answer that was to be corrected.")
    proposal = models.TextField(null=True)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.OPEN, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    prompt_tokens = models.PositiveIntegerField(null=True, blank=True)
    completion_tokens = models.PositiveIntegerField(null=True, blank=True)
    # Held when it is asked for, as reckoned from its length; what it cost once the answer is there.
    amount = models.DecimalField(
        max_digits=12, decimal_places=6, null=True, blank=True, help_text="US dollars; empty where no price is known."
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            # One at a time for each person and row: a second press finds the first.
            models.UniqueConstraint(
                fields=["exchange", "created_by"],
                name="repair_one_at_a_time",
                condition=Q(status__in=["pending", "running"], outcome=""),
            )
        ]
        indexes = [
            models.Index(fields=["project", "created_at"], name="repair_of_a_day"),
            models.Index(fields=["exchange", "created_by", "-id"], name="repair_of_a_row"),
        ]

    def __str__(self) -> str:
        return f"repair {self.pk}"

    @property
    def is_moving(self) -> bool:
        return not self.is_finished
