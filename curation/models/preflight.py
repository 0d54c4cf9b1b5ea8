"""What was found wrong with a version's examples, and what a person let pass. Neither is ever changed or deleted."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from .access import Project, User
from .datasets import DatasetVersion
from .exchanges import Exchange


class Waiver(models.Model):
    """A finding that a named person let pass, with the reason. It counts for as long as the row says the same."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="waivers")
    exchange = models.ForeignKey(Exchange, on_delete=models.PROTECT, related_name="waivers")
    exchange_version = models.PositiveIntegerField(help_text="Which state of the row was looked at.")
    code = models.CharField(max_length=32)
    reason = models.CharField(max_length=300)
    waived_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["exchange", "exchange_version", "code"], name="waiver_once"),
            models.CheckConstraint(name="waiver_has_reason", condition=~Q(reason="")),
        ]

    def __str__(self) -> str:
        return f"{self.code} of exchange {self.exchange_id}"


class VersionFinding(models.Model):
    """One finding of the preflight of a version. Of each kind the first hundreds are kept; `figures` has the counts."""

    class Severity(models.TextChoices):
        BLOCKER = "blocker", "Blocker, waived"
        WARNING = "warning", "Warning"
        NOTE = "note", "Note"

    version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="findings")
    exchange = models.ForeignKey(Exchange, on_delete=models.PROTECT, null=True, related_name="+")
    other = models.ForeignKey(Exchange, on_delete=models.PROTECT, null=True, related_name="+")
    code = models.CharField(max_length=32)
    severity = models.CharField(max_length=8, choices=Severity.choices)
    words = models.TextField()
    place = models.CharField(max_length=40, blank=True)
    fix = models.CharField(max_length=8, blank=True)
    waiver = models.ForeignKey(Waiver, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.severity} {self.code} of {self.version}"
