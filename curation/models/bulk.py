"""One verdict on many rows: planned, tried, confirmed, done, and taken back as one."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from .access import Project, User
from .exchanges import Exchange
from .review import Review


class BulkChange(models.Model):
    """Which rows in which state were looked at stands in its BulkRows, so what is confirmed is what was counted."""

    class Status(models.TextChoices):
        CHECKING = "checking", "Being checked"
        READY = "ready", "Waits for a word"
        RUNNING = "running", "Under way"
        DONE = "done", "Done"
        UNDOING = "undoing", "Being taken back"
        UNDONE = "undone", "Taken back"

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="bulk_changes")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    verb = models.CharField(max_length=10, choices=[c for c in Review.Verb.choices if c[0] != "undone"])
    query = models.CharField(max_length=1000, blank=True, help_text="The search that found the rows.")
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.CHECKING)
    total_count = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    moved_at = models.DateTimeField(db_default=Now(), help_text="When it last came a step further.")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["moved_at"], name="bulk_unfinished", condition=Q(status__in=["checking", "running", "undoing"])
            ),
            models.Index(fields=["project", "user", "-id"], name="bulk_mine"),
        ]

    def __str__(self) -> str:
        return f"bulk change {self.pk}"

    @property
    def is_moving(self) -> bool:
        return self.status in (self.Status.CHECKING, self.Status.RUNNING, self.Status.UNDOING)


class BulkRow(models.Model):
    """One row of a bulk change, in the state in which it was found, and what became of it."""

    class Outcome(models.TextChoices):
        UNCHECKED = "unchecked", "not checked yet"
        FIT = "fit", "to be changed"
        CONTRADICTS = "contradicts", "to be changed, though a near-identical prompt is included with another answer"
        FAILS = "fails", "fails a check"
        HELD = "held", "held by somebody else"
        SHARED = "shared", "waits for a second opinion"
        CHANGED = "changed", "changed since it was counted"
        SAME = "same", "is so already"
        DONE = "done", "changed"
        UNDONE = "undone", "taken back"
        KEPT = "kept", "decided anew since, so left as it is"

    bulk = models.ForeignKey(BulkChange, on_delete=models.CASCADE, related_name="rows")
    exchange = models.ForeignKey(Exchange, on_delete=models.PROTECT, related_name="+")
    version = models.PositiveIntegerField()
    outcome = models.CharField(max_length=11, choices=Outcome.choices, default=Outcome.UNCHECKED)
    review = models.OneToOneField(Review, on_delete=models.PROTECT, null=True, related_name="bulk_row")

    class Meta:
        ordering = ["exchange"]
        constraints = [models.UniqueConstraint(fields=["bulk", "exchange"], name="bulk_row_once")]
        indexes = [models.Index(fields=["bulk", "outcome", "exchange"], name="bulk_row_outcome")]

    def __str__(self) -> str:
        return f"exchange {self.exchange_id} in bulk change {self.bulk_id}"
