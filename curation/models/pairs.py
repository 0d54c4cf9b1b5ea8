"""Two rows that ask nearly the same and are included with different answers."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from .access import Project, User
from .exchanges import Exchange


class Pair(models.Model):
    """A contradiction between two included rows, the older one first, as they stood when it was found or waived."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        SETTLED = "settled", "Settled"
        WAIVED = "waived", "No difference"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="pairs")
    first = models.ForeignKey(Exchange, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Exchange, on_delete=models.CASCADE, related_name="+")
    first_version = models.PositiveIntegerField()
    second_version = models.PositiveIntegerField()
    state = models.CharField(max_length=7, choices=State.choices, default=State.OPEN)
    settled_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    settled_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="pair_once"),
            models.CheckConstraint(name="pair_in_order", condition=Q(first__lt=F("second"))),
        ]
        indexes = [models.Index(fields=["project", "id"], name="pair_open", condition=Q(state="open"))]

    def __str__(self) -> str:
        return f"pair of exchanges {self.first_id} and {self.second_id}"
