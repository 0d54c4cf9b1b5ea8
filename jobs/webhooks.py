"""A provider says that a job has ended. Its word wakes the fine-tune, which then asks the provider itself: nothing in a
message is believed. Without webhooks the fine-tune asks by itself, only later.
"""

import logging
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from curation import chat
from curation.models import Provider

from .models import FineTune, WebhookDelivery, WebhookEndpoint
from .providers import signatures
from .providers.openai import Service

log = logging.getLogger(__name__)

EVENTS = ("fine_tuning.job.succeeded", "fine_tuning.job.failed", "fine_tuning.job.cancelled")
Outcome = WebhookDelivery.Outcome


class Refused(Exception):
    """Not taken; the message says why. `is_conflict`: its id came before with other words."""

    def __init__(self, message: str, is_conflict: bool = False) -> None:
        super().__init__(message)
        self.is_conflict = is_conflict


class Received(NamedTuple):
    """What became of a message; `finetune` is the one to look at now."""

    outcome: str
    finetune: FineTune | None = None


class _Message(NamedTuple):
    type: str
    job_id: str


def receive(endpoint: WebhookEndpoint, headers: Mapping[str, str], body: bytes) -> Received:
    """Take a message, however often it comes. Raises Refused, and SealedKeyUnreadable when none can be checked."""
    try:
        webhook_id = signatures.verify(endpoint.open_secrets(), headers, body, timezone.now().timestamp())
    except signatures.BadSignature as error:
        raise Refused(str(error)) from error
    message = _read(body)
    digest = sha256(body).hexdigest()
    with transaction.atomic():
        finetune = _named(endpoint, message)
        facts = {
            "event_type": message.type,
            "body_sha256": digest,
            "finetune": finetune,
            "outcome": Outcome.WOKE if finetune else Outcome.IGNORED,
        }
        delivery, is_new = WebhookDelivery.objects.get_or_create(
            endpoint=endpoint, webhook_id=webhook_id, defaults=facts
        )
        if is_new and finetune:
            _wake(finetune)
    if not is_new:
        return _again(delivery, digest)
    log.info("webhook %s type=%s finetune=%s", delivery.pk, message.type, finetune and finetune.pk)
    return Received(delivery.outcome, finetune)


def register(provider: Provider, url: str) -> WebhookEndpoint:
    """Have the provider send its messages to `url`, where it can be asked to; it makes the secret. Raises ProviderError
    and SealedKeyUnreadable.

    An endpoint registered from here before is removed there, so that nothing is sent twice."""
    endpoint = endpoint_of(provider)
    with Service(provider.url, provider.open_key(), provider.reach) as service:
        made = service.register_webhook(url, f"curation {provider.project.slug}"[:60], EVENTS)
        former, endpoint.remote_id = endpoint.remote_id, made.id
        endpoint.seal_secret(made.secret)
        endpoint.save()
        if former:
            service.drop_webhook(former)
    log.info("webhook endpoint %s registered provider=%s", endpoint.pk, provider.pk)
    return endpoint


def keep_secret(provider: Provider, secret: str) -> WebhookEndpoint:
    """The secret of an endpoint that a person made at the provider. The one before it is good for a day more."""
    endpoint = endpoint_of(provider)
    endpoint.seal_secret(secret)
    endpoint.remote_id = ""
    endpoint.save()
    log.info("webhook endpoint %s has a new secret", endpoint.pk)
    return endpoint


def endpoint_of(provider: Provider) -> WebhookEndpoint:
    """The provider's endpoint; a new one has no secret yet, so nothing sent to it is taken."""
    endpoint, _ = WebhookEndpoint.objects.get_or_create(provider=provider, defaults={"sealed_secret": b""})
    return endpoint


def _read(body: bytes) -> _Message:
    try:
        event = chat.parse_strict(body)
    except chat.ChatError as error:
        raise Refused("The body is no JSON.") from error
    if not isinstance(event, dict):
        raise Refused("The body is no JSON object.")
    data = event.get("data")
    job_id = data.get("id") if isinstance(data, dict) else None
    return _Message(_word(event.get("type"), 100), _word(job_id, 200))


def _word(value: object, most: int) -> str:
    return value if isinstance(value, str) and len(value) <= most and value.isprintable() else ""


def _named(endpoint: WebhookEndpoint, message: _Message) -> FineTune | None:
    """The unfinished fine-tune of this provider it is about; a secret is good for the jobs of its own provider only."""
    if message.type not in EVENTS or not message.job_id:
        return None
    rows = FineTune.objects.unfinished().filter(provider_id=endpoint.provider_id)
    return rows.filter(provider_job_id=message.job_id).first()


def _wake(finetune: FineTune) -> None:
    # One that waits for a person goes on waiting.
    FineTune.objects.unfinished().filter(pk=finetune.pk).exclude(next_attempt_at=None).update(next_attempt_at=Now())


def _again(delivery: WebhookDelivery, digest: str) -> Received:
    is_conflict = delivery.body_sha256 != digest
    column = "conflict_count" if is_conflict else "repeat_count"
    WebhookDelivery.objects.filter(pk=delivery.pk).update(**{column: F(column) + 1})
    if is_conflict:
        log.error("webhook %s came again with other words", delivery.pk)
        raise Refused("A message with this webhook-id and another body was taken before.", is_conflict=True)
    return Received("repeated")
