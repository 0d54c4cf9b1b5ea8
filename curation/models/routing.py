"""Where calls go: providers, and the names callers send in place of a model."""

import hmac
from hashlib import sha256
from urllib.parse import urlsplit

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now

from curation.egress import EVERYWHERE, AddressRefused, Reach
from curation.profiles import LOCAL, Profile, profile_named, recognised

from .access import Project


class SealedKeyUnreadable(Exception):
    """The sealing key of this installation cannot open a stored provider key."""


def validate_base_url(url: str) -> None:
    """Django's own URL check refuses one-word hosts, which is what a neighbour on a private network is called."""
    try:
        parts = urlsplit(url)
        _port = parts.port  # raises for one that is no number
    except ValueError as error:
        raise ValidationError(f"This is no URL: {error}.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or " " in url:
        raise ValidationError("Give the address that ends in /v1, for example https://api.openai.com/v1.")
    if parts.username or parts.password:
        raise ValidationError("Leave the password out of the address; the key has its own field.")


def validate_reach(url: str) -> None:
    """Whether this installation would call the URL, as far as names can be looked up now."""
    try:
        settings.REACH.check_url(url)
    except AddressRefused as error:
        raise ValidationError(str(error)) from error


def trainer_key(client: str) -> str:
    """A key of its own for a client of the local trainer, which computes the same from the main key: no other client's
    files, jobs and models can be reached with it."""
    digest = hmac.new(settings.TRAINER_KEY.encode(), client.encode(), sha256).hexdigest()
    return f"{client}.{digest}" if settings.TRAINER_KEY else ""


class Provider(models.Model):
    """A place that answers or trains and speaks OpenAI's protocol."""

    class Kind(models.TextChoices):
        LOCAL_TRAINER = "local-trainer", "Local trainer"
        OPENAI_COMPATIBLE = "openai-compatible", "OpenAI-compatible service"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="providers")
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.OPENAI_COMPATIBLE)
    base_url = models.CharField(
        max_length=200,
        blank=True,
        validators=[validate_base_url],
        help_text="Ends in /v1. Empty for the local trainer, whose address this installation knows.",
    )
    # The address that was given on the command line: who has that may have any, and a form cannot set it.
    vouched_url = models.CharField(max_length=200, blank=True, default="", editable=False)
    sealed_key = models.BinaryField(blank=True, default=b"", editable=False)
    base_model = models.CharField(max_length=200, help_text="The model that answers before anything is tuned.")
    profile_key = models.CharField(
        "kind of service",
        max_length=40,
        blank=True,
        help_text="What is known of its models, limits and prices. Empty: told by its address.",
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="provider_name_once"),
            models.CheckConstraint(
                name="provider_has_url", condition=models.Q(kind="local-trainer") | ~models.Q(base_url="")
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.base_url and self.reach is not EVERYWHERE:
            try:
                validate_reach(self.base_url)
            except ValidationError as error:
                raise ValidationError({"base_url": error}) from error

    @property
    def url(self) -> str:
        """The base URL to call, ending in /v1 without a slash."""
        url = settings.TRAINER_URL if self.kind == self.Kind.LOCAL_TRAINER else self.base_url
        return url.rstrip("/")

    @property
    def profile(self) -> Profile:
        """What is known of the service; the generic profile where nothing is."""
        if self.kind == self.Kind.LOCAL_TRAINER:
            return profile_named(LOCAL)
        return profile_named(self.profile_key) if self.profile_key else recognised(urlsplit(self.url).hostname or "")

    @property
    def reach(self) -> Reach:
        """What a connection to it may lead to."""
        is_vouched = self.kind == self.Kind.LOCAL_TRAINER or self.vouched_url == self.base_url
        return EVERYWHERE if is_vouched else settings.REACH

    def seal_key(self, key: str) -> None:
        """Keep the provider's key, readable only with the installation's sealing key."""
        self.sealed_key = Fernet(settings.SEALING_KEY).encrypt(key.encode()) if key else b""

    def open_key(self) -> str:
        """The provider's key in clear. Raises SealedKeyUnreadable when it was sealed with another sealing key."""
        if self.kind == self.Kind.LOCAL_TRAINER:
            return trainer_key(f"provider-{self.pk}")
        if not self.sealed_key:
            return ""
        try:
            return Fernet(settings.SEALING_KEY).decrypt(bytes(self.sealed_key)).decode()
        except InvalidToken as error:
            raise SealedKeyUnreadable(
                f"The key of provider “{self.name}” was sealed with another CURATION_SEALING_KEY. Enter the key again."
            ) from error


class ModelAlias(models.Model):
    """A name callers send as `model`; it points at one model of one provider and is moved by a promotion."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="aliases")
    name = models.CharField(max_length=200)
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="aliases")
    model = models.CharField(max_length=200)
    # Another model that answers a share of the calls, before it may answer all.
    canary_provider = models.ForeignKey(
        Provider, on_delete=models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )
    canary_model = models.CharField(max_length=200, blank=True, editable=False)
    canary_share = models.PositiveSmallIntegerField(default=0, editable=False, help_text="Percent of the calls.")
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "model aliases"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="alias_name_once"),
            models.CheckConstraint(
                name="alias_canary_whole",
                condition=models.Q(canary_provider=None, canary_model="", canary_share=0)
                | (models.Q(canary_provider__isnull=False, canary_share__range=(1, 99)) & ~models.Q(canary_model="")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} → {self.model}"
