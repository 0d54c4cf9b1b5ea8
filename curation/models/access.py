"""Who may do what: people, projects, memberships and the keys applications call with."""

import hashlib
import secrets
from typing import Any, Self

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from curation.redaction import Policy


class User(AbstractUser):
    """A person, and how they like to review."""

    class DiffMode(models.TextChoices):
        INLINE = "inline", "Inline"
        SIDES = "sides", "Side by side"
        OFF = "off", "Off"

    review_keys: Any = models.JSONField(default=dict, blank=True, help_text="Keys that are not the usual ones.")
    has_single_keys = models.BooleanField(default=True, help_text="Single keys give verdicts on the review screen.")
    diff_mode = models.CharField(max_length=8, choices=DiffMode.choices, default=DiffMode.INLINE)


def default_reasons() -> list[str]:
    return ["wrong fact", "format", "unsafe", "edge case"]


def new_split_key() -> str:
    return secrets.token_hex(16)


class ProjectQuerySet(models.QuerySet["Project"]):
    def visible_to(self, user: User) -> Self:
        """Projects the person is a member of; administrators see all."""
        return self if user.is_superuser else self.filter(memberships__user=user)

    def redaction_policies(self) -> dict[int, Policy]:
        """What is masked, by project."""
        switches = (f"redacts_{name}" for name in Policy._fields)
        return {pk: Policy(*values) for pk, *values in self.values_list("pk", *switches)}


class Project(models.Model):
    """A curated task with its settings. Its slug is the namespace that callers, commands and URLs use."""

    class AnswerFormat(models.TextChoices):
        TEXT = "text", "Text"
        JSON = "json", "JSON"

    slug = models.SlugField(unique=True, max_length=50)
    name = models.CharField(max_length=120)
    instructions = models.TextField(blank=True, help_text="What reviewers should look for, in their words.")
    training_prompt = models.TextField(
        blank=True, help_text="The short system prompt that replaces the captured one in every training example."
    )
    answer_format = models.CharField(max_length=8, choices=AnswerFormat.choices, default=AnswerFormat.TEXT)
    answer_schema: Any = models.JSONField(
        null=True, blank=True, help_text="A JSON Schema that answers must fit before they can be included."
    )
    test_share = models.PositiveSmallIntegerField(
        default=20, help_text="Percent of distinct prompts held out for tests. Applies to prompts not seen yet."
    )
    validation_share = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(50)],
        help_text="Percent of the training examples put aside for a trainer that wants a validation file. 0: none.",
    )
    keeps_captured_prompt = models.BooleanField(
        "keep system prompts as captured",
        default=False,
        help_text="Teach with the long prompt the answers were made with, instead of the training prompt.",
    )
    reasons = ArrayField(
        models.CharField(max_length=40),
        size=9,
        default=default_reasons,
        blank=True,
        help_text="Why a row is decided as it is: up to nine, which the keys 1 to 9 set.",
    )
    wants_reason = models.BooleanField("a row is excluded with a reason only", default=False)
    second_share = models.PositiveSmallIntegerField(
        "looked at by several people, percent",
        default=0,
        validators=[MaxValueValidator(100)],
        help_text="This share of the rows is decided by several people, none of whom sees what another thinks.",
    )
    opinion_count = models.PositiveSmallIntegerField(
        "how many people",
        default=2,
        validators=[MinValueValidator(2), MaxValueValidator(5)],
        help_text="Where several people decide.",
    )
    reviewers_may_resolve = models.BooleanField("who disagreed may also resolve", default=False)
    # Keys the hash that puts a prompt into train or test. Changing it would move prompts between them: never editable.
    split_key = models.CharField(max_length=64, default=new_split_key, editable=False)
    default_provider = models.ForeignKey(
        "curation.Provider", on_delete=models.PROTECT, null=True, blank=True, related_name="default_for"
    )
    # Masked before a call is stored; what was stored before a change stays as it is.
    redacts_secrets = models.BooleanField("mask keys, tokens and passwords", default=True)
    redacts_cards = models.BooleanField("mask card numbers", default=True)
    redacts_emails = models.BooleanField("mask e-mail addresses", default=False)
    redacts_phones = models.BooleanField("mask phone numbers", default=False)
    monthly_budget = models.DecimalField(
        "training budget, US dollars a month",
        max_digits=9,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="What fine-tunes may cost in a calendar month (UTC) together. Empty: no limit.",
    )
    launches_need_approval = models.BooleanField(
        "a second person approves each fine-tune",
        default=False,
        help_text="Whoever starts one cannot approve it; those of the retraining rule wait as well.",
    )
    created_at = models.DateTimeField(db_default=Now())
    archived_at = models.DateTimeField(null=True, blank=True)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="project_test_share_percent", condition=models.Q(test_share__gte=1, test_share__lte=90)
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def schema(self) -> Any | None:
        """What answers are checked against, where they are JSON."""
        return self.answer_schema if self.is_json else None

    @property
    def is_json(self) -> bool:
        return self.answer_format == self.AnswerFormat.JSON


class Membership(models.Model):
    """What one person may do in one project. Each role includes the ones before it."""

    class Role(models.IntegerChoices):
        VIEWER = 10, "Viewer"
        REVIEWER = 20, "Reviewer"
        OPERATOR = 30, "Operator"
        OWNER = 40, "Owner"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.PositiveSmallIntegerField(choices=Role.choices, default=Role.REVIEWER)
    is_resolver = models.BooleanField(default=False, help_text="Decides where reviewers disagree. Owners may anyway.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user} is {self.get_role_display().lower()} of {self.project}"


def all_scopes() -> list[str]:
    return list(ApiKey.Scope.values)


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def live(self) -> Self:
        return self.filter(revoked_at=None, project__archived_at=None)


class ApiKey(models.Model):
    """A key an application calls the gateway with. Only its hash is kept; the key is shown once, when it is made."""

    class Scope(models.TextChoices):
        CAPTURE = "capture", "Calls: ask the model, send in calls made elsewhere"
        FEEDBACK = "feedback", "Feedback: say what a call was worth"
        READ = "read", "Read: list the models"

    PREFIX = "cur-"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    # SHA-256 of 256 random bits: nothing to guess, so no slow password hash is needed on the hot path.
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=16, editable=False, help_text="The first characters, to recognise it by.")
    scopes = ArrayField(
        models.CharField(max_length=10, choices=Scope.choices),
        default=all_scopes,
        help_text="What the key is good for.",
    )
    requests_per_minute = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="How many requests each gateway process lets through in a minute. Empty: as many as come.",
    )
    body_kilobytes = models.PositiveIntegerField(
        "longest request, kilobytes",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(1 << 20)],
        help_text="A longer request is refused. Empty: as long as this installation takes.",
    )
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.hint}… ({self.name})"

    @staticmethod
    def digest_of(key: str) -> str:
        return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()

    @classmethod
    def issue(cls, project: Project, name: str, created_by: User | None = None, **limits: Any) -> tuple["ApiKey", str]:
        """Make and store a new key; the second value is the key itself and cannot be had again. `limits` are its
        `scopes` (all, unless named), `requests_per_minute` and `body_kilobytes` (none).
        """
        key = cls.PREFIX + secrets.token_urlsafe(32)
        row = cls.objects.create(
            project=project, name=name, digest=cls.digest_of(key), hint=key[:10], created_by=created_by, **limits
        )
        return row, key
