"""Rows whose answer must never be wrong again."""

from django.db import models
from django.db.models.functions import Now

from .access import Project, User
from .exchanges import Exchange


class MustPass(models.Model):
    """A reviewer's mark: a model that is to serve must get this row right, whichever side of the split it is on."""

    exchange = models.OneToOneField(Exchange, on_delete=models.CASCADE, primary_key=True, related_name="must_pass")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="must_pass")
    note = models.CharField(max_length=200, blank=True, help_text="What went wrong once.")
    marked_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "must-pass rows"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"must-pass exchange {self.exchange_id}"
