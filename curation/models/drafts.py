"""What a reviewer has typed and not decided yet, and who took a row out of whose hands."""

from django.db import models
from django.db.models.functions import Now

from .access import User
from .exchanges import Exchange
from .review import ReviewSlot


class Draft(models.Model):
    """A person's unfinished answer for a row. Nobody else sees it, and nothing is taught from it."""

    exchange = models.ForeignKey(Exchange, on_delete=models.CASCADE, related_name="drafts")
    reviewer = models.ForeignKey(User, on_delete=models.CASCADE, related_name="drafts")
    text = models.TextField(blank=True)
    exchange_version = models.PositiveIntegerField(help_text="The row's version it was written on.")
    saved_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["exchange", "reviewer"], name="draft_once")]

    def __str__(self) -> str:
        return f"draft of user {self.reviewer_id} for exchange {self.exchange_id}"


class Takeover(models.Model):
    """One person took a row that another one held. Append-only, by the code that writes it."""

    slot = models.ForeignKey(ReviewSlot, on_delete=models.CASCADE, related_name="takeovers")
    taken_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    taken_from = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.slot} from user {self.taken_from_id} to user {self.taken_by_id}"
