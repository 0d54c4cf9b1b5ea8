"""Prompts that are the same question in slightly other words. A family stays on one side of the split for life."""

from django.db import models
from django.db.models import Q

from .access import Project


class Family(models.Model):
    """Near-duplicates. Its side is settled by its first member, and no row is ever moved.

    When a new prompt is near to two families they become one: the held-out one goes on, `merged_into` tells where a
    family went, and what its members were to train on is left out of later versions.
    """

    project = models.ForeignKey(Project, on_delete=models.PROTECT, db_index=False, related_name="families")
    split = models.CharField(max_length=5, choices=[("train", "Train"), ("test", "Held out")])
    member_count = models.PositiveIntegerField(default=1)
    # The index `family_merged` has only those that were.
    merged_into = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, db_index=False, related_name="merged"
    )

    class Meta:
        verbose_name_plural = "families"
        constraints = [models.CheckConstraint(name="family_split_known", condition=Q(split__in=["train", "test"]))]

    def __str__(self) -> str:
        return f"family {self.pk}"


class FamilyKey(models.Model):
    """One number of a sketch, and the family that has it. Prompts that share a number are near-duplicates.

    Five of them come with each prompt, written by the recorder alone: Postgres does not check where they point.
    """

    pk = models.CompositePrimaryKey("project", "key")
    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, db_index=False, db_constraint=False, related_name="+"
    )
    key = models.BigIntegerField()
    family = models.ForeignKey(
        Family, on_delete=models.CASCADE, db_index=False, db_constraint=False, related_name="keys"
    )

    def __str__(self) -> str:
        return f"key of {self.family_id}"
