"""What happened: one row per request, as it was."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Now

from .access import ApiKey, Project
from .exchanges import Exchange
from .routing import Provider


class LoggedCall(models.Model):
    """One request and its answer, verbatim. Append-only: the database refuses to change a row.

    Only `curation.recording` creates rows. `id` is made where the call enters, so that storing twice is storing once.
    """

    class Outcome(models.TextChoices):
        COMPLETED = "completed", "Completed"
        FAILED = "failed", "Failed"  # the provider answered with an error, or could not be reached
        TRUNCATED = "truncated", "Truncated"  # the stream ended without its terminator
        CLIENT_GONE = "client_gone", "Client gone"  # the caller hung up first
        INTERRUPTED = "interrupted", "Interrupted"  # this process ended in the middle of the call

    class Source(models.TextChoices):
        GATEWAY = "gateway", "Gateway"
        IMPORT = "import", "Import"
        CLIENT = "client", "Capture client"
        GENERATION = "generation", "Generation"

    id = models.UUIDField(primary_key=True)
    # Each index costs every call: those below begin with project and exchange.
    project = models.ForeignKey(Project, on_delete=models.PROTECT, db_index=False, related_name="calls")
    exchange = models.ForeignKey(Exchange, on_delete=models.PROTECT, null=True, db_index=False, related_name="calls")
    api_key = models.ForeignKey(
        ApiKey, on_delete=models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    provider = models.ForeignKey(
        Provider, on_delete=models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    source = models.CharField(max_length=12, choices=Source.choices)
    outcome = models.CharField(max_length=12, choices=Outcome.choices)
    endpoint = models.CharField(max_length=80)
    requested_model = models.CharField(max_length=200, blank=True)
    served_model = models.CharField(max_length=200, blank=True, help_text="The model the request was sent on to.")
    is_stream = models.BooleanField(default=False)
    status_code = models.PositiveSmallIntegerField(null=True)
    error_code = models.CharField(max_length=200, blank=True)
    # Bodies as received, save that NUL and broken characters became U+FFFD (then `is_cleaned` is true) and that secrets
    # were masked (`masked_count` says how many).
    request_body = models.TextField()
    response_body = models.TextField(blank=True)
    is_cleaned = models.BooleanField(default=False)
    answer = models.TextField(null=True, help_text="The assistant's text, joined from the stream where there was one.")
    finish_reason = models.CharField(max_length=40, blank=True)
    prompt_tokens = models.PositiveIntegerField(null=True)
    completion_tokens = models.PositiveIntegerField(null=True)
    started_at = models.DateTimeField()
    first_byte_ms = models.FloatField(null=True)
    duration_ms = models.FloatField(null=True)
    masked_count = models.PositiveIntegerField(
        default=0, help_text="How many secrets were masked before it was stored."
    )
    own_id = models.CharField(max_length=200, blank=True, help_text="The caller's own id of it (x-curation-id).")
    tags = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    client_request_id = models.CharField(max_length=128, blank=True)
    user_agent = models.CharField(max_length=200, blank=True)
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-started_at", "-id"]
        indexes = [
            models.Index(fields=["project", "-started_at", "-id"], name="call_recent"),
            models.Index(fields=["exchange", "-started_at"], name="call_of_exchange"),
            models.Index(fields=["project", "own_id"], name="call_own_id", condition=~models.Q(own_id="")),
            GinIndex(fields=["tags"], name="call_tags", condition=~models.Q(tags=[])),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.id}"

    def feedback(self) -> "models.QuerySet[Feedback]":
        """What was said of it, by its id or by the caller's own, the latest first."""
        named = models.Q(call_id=self.pk)
        if self.own_id:
            named |= models.Q(own_id=self.own_id)
        return Feedback.objects.filter(named, project_id=self.project_id)


class Feedback(models.Model):
    """What an end user or a program said of one call. Append-only: who changes their mind says something new.

    The call is named by its id or by the caller's own id of it, and may not be stored yet, or never be.
    """

    class Thumb(models.IntegerChoices):
        DOWN = -1, "Down"
        NEUTRAL = 0, "Neutral"
        UP = 1, "Up"

    id = models.UUIDField(primary_key=True)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="feedback")
    api_key = models.ForeignKey(ApiKey, on_delete=models.DO_NOTHING, null=True, db_constraint=False, related_name="+")
    call_id = models.UUIDField(null=True)
    own_id = models.CharField(max_length=200, blank=True)
    thumb = models.SmallIntegerField(choices=Thumb.choices, null=True)
    score = models.FloatField(null=True)
    comment = models.TextField(blank=True)
    demonstration = models.TextField(blank=True, help_text="The answer that should have been given.")
    masked_count = models.PositiveIntegerField(default=0)
    said_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "feedback"
        ordering = ["-said_at", "-id"]
        constraints = [
            models.CheckConstraint(
                name="feedback_names_a_call", condition=models.Q(call_id__isnull=False) | ~models.Q(own_id="")
            ),
            models.CheckConstraint(
                name="feedback_says_something",
                condition=models.Q(thumb__in=[-1, 0, 1])
                | (
                    models.Q(thumb=None)
                    & (models.Q(score__isnull=False) | ~models.Q(comment="") | ~models.Q(demonstration=""))
                ),
            ),
        ]
        indexes = [
            models.Index(fields=["project", "call_id"], name="feedback_of_call"),
            models.Index(fields=["project", "own_id"], name="feedback_of_own_id", condition=~models.Q(own_id="")),
            models.Index(fields=["project", "-said_at", "-id"], name="feedback_recent"),
        ]

    def __str__(self) -> str:
        return f"feedback {self.id}"
