"""One distinct prompt, what was answered, and what should be answered."""

from typing import Any, Self

from django.db import models
from django.db.models import Expression, F, Func, OuterRef, Q, Value
from django.db.models.functions import Cast, Now

from .access import Project, User
from .families import Family
from .fields import CitextField


def prompt_hash(key: Expression | F) -> Func:
    """What a prompt key is looked up by first, a number of 64 bits."""
    return Func(
        *(Cast(key, models.TextField()), Value(0)), function="hashtextextended", output_field=models.BigIntegerField()
    )


class ExchangeQuerySet(models.QuerySet["Exchange"]):
    def pending(self) -> Self:
        """Not decided yet, or put off until later: a person still has to look."""
        return self.filter(state__in=[Exchange.State.PENDING, Exchange.State.LATER])

    def included(self) -> Self:
        return self.filter(included__isnull=False)

    def asked_as(self, key: OuterRef) -> Self:
        """Whose prompt has that key, asked without any turns before it."""
        return self.filter(context_digest="", prompt_hash=prompt_hash(key), prompt_key=key)

    def without_bodies(self) -> Self:
        """For lists: no column that may be a megabyte long."""
        return self.defer("user_prompt", "response", "target", "messages", "prompt_key")


class Exchange(models.Model):
    """A distinct prompt of a project. A repeated call adds a LoggedCall and raises `seen_count`, never a second row.

    `response` is what was answered when the prompt was first seen; the database refuses to change it once set.
    `target` is what should be answered; null means the response is right as it stands.
    """

    class State(models.TextChoices):
        PENDING = "pending", "Waiting"
        INCLUDED = "included", "Included"
        EXCLUDED = "excluded", "Excluded"
        LATER = "later", "Later"
        AWAITING = "awaiting", "Awaiting resolution"

    class Split(models.TextChoices):
        TRAIN = "train", "Train"
        TEST = "test", "Held out"

    class Origin(models.TextChoices):
        CAPTURED = "captured", "As captured"
        OTHER_ANSWER = "other_answer", "Another captured answer"
        EDITED = "edited", "Edited by a person"
        REPAIRED = "repaired", "Repaired by a model"
        LABEL = "label", "A corpus' human label"

    project = models.ForeignKey(Project, on_delete=models.PROTECT, db_index=False, related_name="exchanges")
    user_prompt = CitextField(help_text="The last user message, as first seen.")
    # Digest of the turns before the last user message ("" when there are none); the system prompt does not count, so
    # that shortening it does not make a new prompt of each old one.
    context_digest = models.CharField(max_length=64, blank=True, default="")
    # What uniqueness stands on: a B-tree refuses long values, so a long prompt is represented by a marked digest.
    prompt_key = models.GeneratedField(
        expression=Func(F("user_prompt"), function="curation_prompt_key"),
        output_field=CitextField(),
        db_persist=True,
    )
    # Leads the unique index: a prompt is found by comparing numbers. Comparing citext folds both texts at each step of
    # the way, which takes longer than all else about finding it.
    prompt_hash = models.GeneratedField(
        expression=prompt_hash(Func(F("user_prompt"), function="curation_prompt_key")),
        output_field=models.BigIntegerField(),
        db_persist=True,
    )
    messages: Any = models.JSONField(help_text="The first call's messages: [{role, content, …}], system prompt too.")
    response = models.TextField(null=True, help_text="As captured; never overwritten.")
    target = models.TextField(null=True, blank=True, help_text="What should be answered, where that differs.")
    target_origin = models.CharField(max_length=16, choices=Origin.choices, default=Origin.CAPTURED)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    included = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    version = models.PositiveIntegerField(default=1, help_text="Rises when the state or the target changes.")
    family = models.ForeignKey(
        Family,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="exchanges",
        help_text="Its near-duplicates; found when first seen.",
    )
    tools: Any = models.JSONField(null=True, blank=True, help_text="The tools the first call offered the model.")
    answer_schema: Any = models.JSONField(null=True, blank=True, help_text="The JSON Schema the first call asked for.")
    split = models.CharField(max_length=5, choices=Split.choices, help_text="Fixed for life when first seen.")
    seen_count = models.PositiveIntegerField(default=1)
    answer_count = models.PositiveIntegerField(default=0, help_text="How many different answers it got.")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    objects = ExchangeQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "prompt_hash", "context_digest", "prompt_key"], name="exchange_prompt_once"
            ),
            models.CheckConstraint(
                name="exchange_included_when_included",
                condition=Q(state="included", included__isnull=False) | (~Q(state="included") & Q(included=None)),
            ),
            models.CheckConstraint(name="exchange_split_known", condition=Q(split__in=["train", "test"])),
        ]
        indexes = [
            models.Index(fields=["project", "-id"], name="exchange_newest"),
            models.Index(fields=["project", "included"], name="exchange_included", condition=~Q(included=None)),
            models.Index(fields=["project", "state", "-id"], name="exchange_state"),
            models.Index(fields=["project", "state"], name="exchange_differs", condition=Q(answer_count__gt=1)),
            models.Index(fields=["family"], name="exchange_family", condition=~Q(family=None)),
            models.Index(fields=["decided_by"], name="exchange_decided_by", condition=~Q(decided_by=None)),
        ]

    def __str__(self) -> str:
        return f"exchange {self.pk}"

    @property
    def teaches(self) -> str | None:
        """The answer a model should learn: the target where a person set one, else what was captured."""
        return self.response if self.target is None else self.target


class Answer(models.Model):
    """One of the different answers a prompt got, with how often."""

    exchange = models.ForeignKey(Exchange, on_delete=models.CASCADE, db_index=False, related_name="answers")
    digest = models.CharField(max_length=64)
    text = models.TextField()
    model = models.CharField(max_length=200, blank=True)
    seen_count = models.PositiveIntegerField(default=1)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ["-seen_count", "id"]
        constraints = [models.UniqueConstraint(fields=["exchange", "digest"], name="answer_once")]

    def __str__(self) -> str:
        return f"answer {self.pk} of exchange {self.exchange_id}"
