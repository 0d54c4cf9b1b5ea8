import secrets
from datetime import timedelta

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from curation.models import Provider, SealedKeyUnreadable

from .finetunes import FineTune

# For so long after a new secret was entered the former one is good as well.
OVERLAP = timedelta(hours=24)


def new_token() -> str:
    return secrets.token_urlsafe(24)


class WebhookEndpoint(models.Model):
    """Where a provider tells us that a job has ended, and the secret by which its word is told from another's."""

    provider = models.OneToOneField(Provider, on_delete=models.CASCADE, related_name="webhook")
    # In the address, so that nobody finds an endpoint by counting. What is trusted is the signature.
    token = models.CharField(max_length=40, unique=True, default=new_token, editable=False)
    sealed_secret = models.BinaryField(editable=False)
    sealed_former_secret = models.BinaryField(blank=True, default=b"", editable=False)
    remote_id = models.CharField(
        max_length=200, blank=True, help_text="The provider's id of it, where it was registered from here."
    )
    created_at = models.DateTimeField(db_default=Now())
    secret_changed_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"webhook of {self.provider}"

    def seal_secret(self, secret: str) -> None:
        """Keep a new signing secret; the one before it goes on to be good for OVERLAP."""
        self.sealed_former_secret, self.secret_changed_at = self.sealed_secret or b"", timezone.now()
        self.sealed_secret = Fernet(settings.SEALING_KEY).encrypt(secret.encode())

    def open_secrets(self) -> list[str]:
        """The secrets that are good now, in clear. Raises SealedKeyUnreadable."""
        sealed = [self.sealed_secret] if self.sealed_secret else []
        if self.sealed_former_secret and timezone.now() - self.secret_changed_at < OVERLAP:
            sealed.append(self.sealed_former_secret)
        try:
            return [Fernet(settings.SEALING_KEY).decrypt(bytes(secret)).decode() for secret in sealed]
        except InvalidToken as error:
            raise SealedKeyUnreadable(
                f"The webhook secret of {self.provider} was sealed with another CURATION_SEALING_KEY. Enter it again."
            ) from error


class WebhookDelivery(models.Model):
    """One message of a provider, told by its webhook-id: it is taken once, however often it is sent."""

    class Outcome(models.TextChoices):
        WOKE = "woke", "Woke the fine-tune"
        IGNORED = "ignored", "Not ours, or of no interest"

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    webhook_id = models.CharField(max_length=200)
    event_type = models.CharField(max_length=100, blank=True)
    body_sha256 = models.CharField(max_length=64)
    finetune = models.ForeignKey(FineTune, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    # The same id again: a repetition is harmless, other words under it are not.
    repeat_count = models.PositiveIntegerField(default=0)
    conflict_count = models.PositiveIntegerField(default=0, help_text="Came again under this id with other words.")
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "webhook deliveries"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "webhook_id"], name="webhook_delivery_once"),
            models.CheckConstraint(name="webhook_delivery_named", condition=~Q(webhook_id="")),
        ]

    def __str__(self) -> str:
        return self.webhook_id
