"""What people and programs are told of a project, by e-mail and by webhook, and what became of each message."""

import base64
import secrets
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from curation.models import Project, SealedKeyUnreadable

from .base import Job


class Notice(models.Model):
    """One thing that happened, told once: its key is made of the row it is about."""

    class Kind(models.TextChoices):
        APPROVAL = "approval", "Something waits for a person's approval"
        PROMOTED = "promoted", "A model was promoted"
        ROLLED_BACK = "rolled_back", "A model was rolled back"
        FAILED = "failed", "A fine-tune or a retraining failed"
        RETIRING = "retiring", "A model retires in 90, 30 or 7 days"
        TEST = "test", "A test"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    key = models.CharField(max_length=100)
    words = models.CharField(max_length=500)
    path = models.CharField(max_length=200, blank=True, help_text="The page where more is said.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["project", "key"], name="notice_once")]

    def __str__(self) -> str:
        return f"notice {self.pk}"


def all_kinds() -> list[str]:
    return [kind for kind in Notice.Kind.values if kind != Notice.Kind.TEST]


class NoticePolicy(models.Model):
    """Whom a project tells, and of what."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="notice_policy")
    emails = ArrayField(models.EmailField(), default=list, blank=True, size=20)
    webhook_url = models.CharField(max_length=500, blank=True)
    sealed_secret = models.BinaryField(blank=True, default=b"", editable=False)
    kinds = ArrayField(models.CharField(max_length=12, choices=Notice.Kind.choices), default=all_kinds, blank=True)
    # What happened before anybody asked to be told is not told.
    since = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "notice policies"

    def __str__(self) -> str:
        return f"notices of {self.project}"

    def new_secret(self) -> str:
        """Make, seal and return the secret that signs webhooks; it is shown once."""
        secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
        self.sealed_secret = Fernet(settings.SEALING_KEY).encrypt(secret.encode())
        return secret

    def open_secret(self) -> str:
        """Raises SealedKeyUnreadable."""
        try:
            return Fernet(settings.SEALING_KEY).decrypt(bytes(self.sealed_secret)).decode()
        except InvalidToken as error:
            words = "The webhook's secret was sealed with another CURATION_SEALING_KEY. Make a new one."
            raise SealedKeyUnreadable(words) from error


class NoticeDelivery(Job):
    """One notice on its way to one address. Tried again with growing pauses, then given up."""

    class Channel(models.TextChoices):
        EMAIL = "email", "E-mail"
        WEBHOOK = "webhook", "Webhook"

    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=8, choices=Channel.choices)
    target = models.CharField(max_length=500)
    answer: Any = models.CharField(max_length=200, blank=True, help_text="What the other side said.")

    class Meta:
        verbose_name_plural = "notice deliveries"
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["notice", "channel", "target"], name="notice_delivery_once")]

    def __str__(self) -> str:
        return f"delivery {self.pk}"
