"""Prompts made from a table and a template, and inputs a model wrote to make such a table of."""

import uuid
from typing import Any, Self

from django.db import models
from django.db.models import Exists, F, Func, OuterRef, Q

from curation.models import Exchange, Project, Provider
from curation.models.fields import CitextField

from .base import Job


def own_name(generation: "Generation", uploaded_name: str) -> str:
    """Where a table is kept: never under the name it came with."""
    return f"generations/{generation.project.slug}/{uuid.uuid4()}.table"


class Generation(Job):
    """A table and a template make prompts; a model answers them; the answers wait for review.

    A draft is parked: nothing is sent before a person says so. Whatever stops it parks it too, and a person goes on.
    """

    class Separator(models.TextChoices):
        SEMICOLON = "semicolon", "semicolons"
        COMMA = "comma", "commas"
        BAR = "bar", "upright bars"
        LINE = "line", "line breaks"

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="generations")
    name = models.CharField(max_length=120)
    table = models.FileField(upload_to=own_name, max_length=200)
    table_name = models.CharField(max_length=200, blank=True, help_text="What the file was called where it came from.")
    table_sha256 = models.CharField(max_length=64)
    columns: Any = models.JSONField(help_text="The columns' names, in the order of the table.")
    row_count = models.PositiveIntegerField()
    template = models.TextField(blank=True)
    system_prompt = models.TextField(blank=True)
    separator = models.CharField(max_length=10, choices=Separator.choices, default=Separator.SEMICOLON)
    skips_empty = models.BooleanField(default=False)
    asks_again = models.BooleanField(default=False, help_text="Also ask what the project has an answer for already.")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    model = models.CharField(max_length=200)
    per_second = models.FloatField(default=2, help_text="Prompts sent in a second, at most.")
    request_limit = models.PositiveIntegerField(null=True, blank=True)
    token_limit = models.PositiveBigIntegerField(null=True, blank=True)
    request_count = models.PositiveIntegerField(default=0, help_text="Every request, also the failed ones.")
    token_count = models.PositiveBigIntegerField(default=0, help_text="As the provider counted, else roughly.")
    pause_requested_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(name="generation_pace", condition=Q(per_second__gt=0)),
        ]

    def __str__(self) -> str:
        return f"generation {self.pk}"

    @property
    def is_draft(self) -> bool:
        """Nothing was asked yet, so template and settings may still change."""
        return not self.is_finished and self.total_count == 0

    @property
    def is_moving(self) -> bool:
        return not self.is_finished and not self.is_parked

    @classmethod
    def locked(cls, pk: int) -> "Generation":
        """The row as it stands, locked until the transaction ends."""
        return cls._default_manager.select_for_update(of=("self",)).select_related("project").get(pk=pk)

    def give_up(self, error: str) -> bool:
        """Its prompts are worth going on with: a person decides."""
        return self.park(error)


class GenerationItemQuerySet(models.QuerySet["GenerationItem"]):
    def waiting(self) -> Self:
        return self.filter(status=GenerationItem.Status.WAITING)

    def known_in(self, project: Project) -> Self:
        """Prompts the project has an answer for, as the database compares prompts."""
        same = Exchange.objects.filter(project=project).asked_as(OuterRef("prompt_key"))
        return self.filter(Exists(same))


class GenerationItem(models.Model):
    """One prompt of a generation, from one row of its table or one value of a list in it."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Not asked"
        WAITING = "waiting", "Waiting"
        ANSWERED = "answered", "Answered"
        FAILED = "failed", "Failed"
        KNOWN = "known", "Known already"
        REPEATED = "repeated", "Repeats an earlier row"

    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveIntegerField()
    row_number = models.PositiveIntegerField(help_text="Row of the table, the first below the columns' names is 1.")
    variables: Any = models.JSONField(help_text="The cells that went into it, by column.")
    prompt = CitextField()
    prompt_key = models.GeneratedField(
        expression=Func(F("prompt"), function="curation_prompt_key"), output_field=CitextField(), db_persist=True
    )
    # Made before the call, so that storing its answer twice is storing it once. A retry by a person is another call.
    call_id = models.UUIDField(unique=True, default=uuid.uuid4)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.DRAFT)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.TextField(blank=True)
    exchange = models.ForeignKey(Exchange, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    objects = GenerationItemQuerySet.as_manager()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["generation", "position"], name="item_position_once")]
        indexes = [models.Index(fields=["generation", "status", "attempts", "position"], name="item_next")]

    def __str__(self) -> str:
        return f"prompt {self.position} of {self.generation_id}"


class InputDraft(Job):
    """A strong model writes new inputs for the project's task; a person chooses which become a generation's table."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="input_drafts")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    model = models.CharField(max_length=200)
    task = models.TextField(blank=True, help_text="What the inputs are for and what they should be like.")
    examples: Any = models.JSONField(default=list, help_text="Inputs of the project that the model is shown.")
    per_request = models.PositiveSmallIntegerField(default=20)
    wanted_count = models.PositiveIntegerField(default=100)
    request_count = models.PositiveIntegerField(default=0)
    left_out_count = models.PositiveIntegerField(
        default=0, help_text="Written, but the same as another one or as a prompt the project has."
    )
    barren_count = models.PositiveSmallIntegerField(default=0, help_text="Requests in a row that brought nothing new.")
    generation = models.ForeignKey(
        Generation, on_delete=models.SET_NULL, null=True, blank=True, related_name="input_drafts"
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"input draft {self.pk}"

    @property
    def is_moving(self) -> bool:
        return not self.is_finished


class DraftedInput(models.Model):
    """One input the model wrote; the same one in other capitals is the same input."""

    draft = models.ForeignKey(InputDraft, on_delete=models.CASCADE, related_name="inputs")
    text = CitextField()
    prompt_key = models.GeneratedField(
        expression=Func(F("text"), function="curation_prompt_key"), output_field=CitextField(), db_persist=True
    )

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["draft", "prompt_key"], name="drafted_input_once")]

    def __str__(self) -> str:
        return f"input {self.pk} of draft {self.draft_id}"
