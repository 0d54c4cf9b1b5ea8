"""What makes a row come first: a project's weights and rules, and the order each reviewer has chosen."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from .access import Project, User
from .exchanges import Exchange


class Attention(models.Model):
    """How a project weighs its rows, and how far the weighing has come. Made when it is first needed.

    Slots above `newest_id` are new; those from `walk_id` down are still to be weighed (again), 0 when all are;
    calls and feedback that came after `looked_at` may have changed what is known of older rows.
    """

    project = models.OneToOneField(Project, on_delete=models.CASCADE, primary_key=True, related_name="attention")
    weights = models.JSONField(default=dict, blank=True, help_text="By signal, where it differs from the usual.")
    score_threshold = models.FloatField(
        default=0.5,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="Where the application draws the line in scores between 0 and 1.",
    )
    newest_id = models.BigIntegerField(default=0)
    walk_id = models.BigIntegerField(default=0)
    looked_at = models.DateTimeField(db_default=Now())
    included_count = models.PositiveIntegerField(default=0, help_text="Included rows when the last walk began.")
    counts = models.JSONField(default=dict, editable=False, help_text="How many rows wait, by reason.")
    counted_at = models.DateTimeField(null=True, blank=True)
    busy_until = models.DateTimeField(null=True, blank=True, help_text="A worker is at it; a lease, not a lock.")

    class Meta:
        verbose_name_plural = "attention"

    def __str__(self) -> str:
        return f"attention of project {self.project_id}"


class AttentionRule(models.Model):
    """A rule in plain words: rows whose prompt or answer is so come earlier."""

    class Part(models.TextChoices):
        PROMPT = "prompt", "The prompt"
        ANSWER = "answer", "The answer"

    class Test(models.TextChoices):
        CONTAINS = "contains", "contains"
        LACKS = "lacks", "does not contain"
        EQUALS = "equals", "is exactly"
        EMPTY = "empty", "is empty"
        LONGER = "longer", "has more characters than"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="attention_rules")
    part = models.CharField(max_length=6, choices=Part.choices, default=Part.PROMPT)
    test = models.CharField(max_length=8, choices=Test.choices, default=Test.CONTAINS)
    words = models.CharField(max_length=200, blank=True, help_text="Large and small letters make no difference.")
    weight = models.FloatField(default=3, validators=[MinValueValidator(-10), MaxValueValidator(10)])
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(name="attention_rule_has_words", condition=Q(test="empty") | ~Q(words="")),
        ]

    def __str__(self) -> str:
        wanted = "" if self.test == self.Test.EMPTY else f" “{self.words}”"
        return f"{self.get_part_display()} {self.get_test_display()}{wanted}"


class Disagreement(models.Model):
    """Another model answers a row differently from what the row teaches. The newest answer of each model is kept."""

    exchange = models.ForeignKey(Exchange, on_delete=models.CASCADE, related_name="disagreements")
    model = models.CharField(max_length=200)
    answer = models.TextField()
    noted_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-noted_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["exchange", "model"], name="disagreement_once")]
        indexes = [models.Index(fields=["noted_at"], name="disagreement_noted")]

    def __str__(self) -> str:
        return f"{self.model} on exchange {self.exchange_id}"


class ReviewOrder(models.Model):
    """In which order a person wants to see a project's rows."""

    class Kind(models.TextChoices):
        ATTENTION = "attention", "What needs a look"
        NEWEST = "newest", "Newest first"
        MOST_SEEN = "most_seen", "Asked most often"
        SAMPLE = "sample", "A random sample"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.ATTENTION)
    sample_percent = models.PositiveSmallIntegerField(
        default=10, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="review_order_once")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} for user {self.user_id}"
