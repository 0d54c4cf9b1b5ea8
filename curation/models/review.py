"""What people decide: the wanted opinions, and the verdicts given."""

import uuid
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now, Random
from django.utils import timezone

from .access import Project, User
from .exchanges import Exchange


class ReviewSlot(models.Model):
    """One wanted opinion on one Exchange, and who holds it now. Made together with the Exchange."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, db_index=False, related_name="slots")
    exchange = models.ForeignKey(Exchange, on_delete=models.CASCADE, db_index=False, related_name="slots")
    position = models.PositiveSmallIntegerField(default=1, help_text="1 is the first opinion, 2 the second.")
    priority = models.FloatField(default=0)
    # Null until the row has been weighed: why it deserves a look, [{code, words, weight}], the weightiest first.
    reasons: Any = models.JSONField(null=True, blank=True, editable=False)
    seen_count = models.PositiveIntegerField(db_default=1, help_text="As of the last weighing.")
    draw = models.FloatField(db_default=Random(), editable=False, help_text="Its place in random samples.")
    reviewer = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    claim_token = models.UUIDField(null=True, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True, help_text="Put off until then.")
    done_at = models.DateTimeField(null=True, blank=True)
    meant_for = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        help_text="Nobody else gets it.",
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["exchange", "position"], name="slot_once")]
        indexes = [
            models.Index(
                fields=["project", "-priority", "-id"], name="slot_open", condition=Q(done_at=None, not_before=None)
            ),
            # One for each order a reviewer may choose.
            models.Index(fields=["project", "-id"], name="slot_newest", condition=Q(done_at=None, not_before=None)),
            models.Index(
                fields=["project", "-seen_count", "-id"],
                name="slot_most_seen",
                condition=Q(done_at=None, not_before=None),
            ),
            models.Index(
                fields=["project", "draw", "id"], name="slot_drawn", condition=Q(done_at=None, not_before=None)
            ),
            models.Index(
                fields=["project", "not_before"],
                name="slot_put_off",
                condition=Q(done_at=None, not_before__isnull=False),
            ),
            models.Index(
                fields=["project", "reviewer"], name="slot_held", condition=Q(done_at=None, reviewer__isnull=False)
            ),
            # With `done_at`, so that what a person holds is never looked for among all that they decided.
            models.Index(fields=["reviewer", "done_at"], name="slot_of_reviewer", condition=~Q(reviewer=None)),
            models.Index(fields=["meant_for"], name="slot_meant_for", condition=~Q(meant_for=None)),
        ]

    def __str__(self) -> str:
        return f"slot {self.position} of exchange {self.exchange_id}"

    @property
    def is_held(self) -> bool:
        """Does somebody hold it? For showing: this machine's clock; claims themselves go by the database's."""
        return self.done_at is None and self.claimed_until is not None and self.claimed_until > timezone.now()


class Review(models.Model):
    """One verdict. Append-only: the database refuses to change or delete a row. The state now is on the Exchange."""

    class Verb(models.TextChoices):
        INCLUDED = "included", "Included"
        EXCLUDED = "excluded", "Excluded"
        LATER = "later", "Later"
        UNDONE = "undone", "Undone"
        PASSED = "passed", "Passed on"

    class Via(models.TextChoices):
        BUTTON = "button", "Button"
        KEY = "key", "Key"
        BULK = "bulk", "Bulk"
        CORPUS = "corpus", "Corpus label"

    # Made by the page that shows the form: the same form sent twice is one verdict.
    action_id = models.UUIDField(unique=True, default=uuid.uuid4)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="reviews")
    exchange = models.ForeignKey(Exchange, on_delete=models.PROTECT, related_name="reviews")
    reviewer = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="reviews")
    source = models.CharField(max_length=200, blank=True, help_text="Named where no person of ours decided.")
    verb = models.CharField(max_length=10, choices=Verb.choices)
    via = models.CharField(max_length=8, choices=Via.choices, default=Via.BUTTON)
    reverses = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="reversed_by")
    note = models.TextField(blank=True)
    # Of a row that several people look at: what one of them thinks, seen by nobody else until all have decided.
    is_opinion = models.BooleanField(default=False)
    # Where several people look at the row: whose turn it was, also on the verdict that their agreeing makes.
    slot = models.ForeignKey(ReviewSlot, on_delete=models.PROTECT, null=True, blank=True, related_name="reviews")
    reasons = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    state_before = models.CharField(max_length=10, choices=Exchange.State.choices)
    state_after = models.CharField(max_length=10, choices=Exchange.State.choices)
    target_before = models.TextField(null=True)
    target_after = models.TextField(null=True)
    origin_before = models.CharField(max_length=16, choices=Exchange.Origin.choices)
    origin_after = models.CharField(max_length=16, choices=Exchange.Origin.choices)
    included_before = models.DateTimeField(null=True)
    version_after = models.PositiveIntegerField()
    seconds_open = models.FloatField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(name="review_by_someone", condition=Q(reviewer__isnull=False) | ~Q(source="")),
        ]
        indexes = [
            models.Index(fields=["project", "reviewer", "-id"], name="review_mine"),
            models.Index(fields=["project", "reviewer", "created_at"], name="review_today"),
            models.Index(fields=["exchange", "-id"], name="review_history"),
        ]

    def __str__(self) -> str:
        return f"exchange {self.exchange_id} {self.verb}"
