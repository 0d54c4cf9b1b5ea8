"""A model answers stored calls once more, unseen by the caller. What differs becomes a reason to look at the row."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from curation.models import LoggedCall, ModelAlias, SealedKeyUnreadable, User
from curation.signals import note_disagreement

from . import graders
from .models import ModelVersion, Shadow, ShadowAnswer
from .providers.base import ProviderError, Reply
from .providers.openai import Service

log = logging.getLogger(__name__)

THREADS, BATCH = 4, 40
PAUSE = 15  # seconds, when nothing waits
# A call is stored some moments after it began; a slow one after minutes.
LATE = timedelta(minutes=10)
CHAT = "/v1/chat/completions"
OF_ONE_CALL = (400, 404, 413, 422)


class NotStarted(Exception):
    """No shadow was started; the message says why."""


def start(alias: ModelAlias, model: ModelVersion, share: int, most: int, user: User | None = None) -> Shadow:
    """Have the model answer so many percent of the alias' calls from now on, at most so many. Raises NotStarted."""
    if alias.project_id != model.project_id:
        raise NotStarted("This model belongs to another project.")
    if (alias.provider_id, alias.model) == (model.provider_id, model.name):
        raise NotStarted(f"“{alias.name}” is answered by this model already.")
    try:
        with transaction.atomic():
            return Shadow.objects.create(
                alias=alias, model_version=model, share=share, total_count=most, created_by=user,
                read_until=timezone.now(),
            )  # fmt: skip
    except IntegrityError as error:
        raise NotStarted(f"A model answers beside “{alias.name}” already. Stop it first.") from error


class _Asked(NamedTuple):
    call_id: UUID
    exchange_id: int | None
    answer: str
    messages: list[Any]


def advance(pk: int) -> None:
    """Answer what has come since (for a worker)."""
    shadow = Shadow.claim(pk)
    if shadow is None:
        return
    if shadow.cancel_requested_at:
        shadow.settle(Shadow.Status.CANCELLED)
        return
    if shadow.done_count >= shadow.total_count:
        shadow.settle(Shadow.Status.SUCCEEDED)
        return
    try:
        _answer_batch(shadow)
    except ProviderError as error:
        if error.permanent:
            shadow.settle(Shadow.Status.FAILED, str(error))
        else:
            shadow.retry(str(error), error.retry_after)
    except SealedKeyUnreadable as error:
        shadow.settle(Shadow.Status.FAILED, str(error))


def _answer_batch(shadow: Shadow) -> None:
    asked, read_until = _waiting(shadow)
    model = shadow.model_version
    with (
        Service(model.provider.url, model.provider.open_key(), model.provider.reach) as service,
        ThreadPoolExecutor(THREADS) as threads,
    ):
        replies = list(threads.map(lambda call: _ask(service, model.name, call), asked))
    setbacks = [reply for reply in replies if isinstance(reply, ProviderError) and not _is_final(reply)]
    for call, reply in zip(asked, replies, strict=True):
        if reply not in setbacks:
            _keep(shadow, call, reply)
    if setbacks:  # what was answered and paid for is kept before
        raise setbacks[0]
    done = shadow.answers.count()
    shadow.wait(0 if len(asked) == BATCH else PAUSE, done_count=done, setback_count=0, read_until=read_until)


def _waiting(shadow: Shadow) -> tuple[list[_Asked], Any]:
    """The next calls to answer, the oldest first, and the time up to which all have been seen."""
    answered = ShadowAnswer.objects.filter(shadow=shadow, call_id=OuterRef("pk"))
    calls = (
        LoggedCall.objects.filter(
            project=shadow.alias.project_id, requested_model=shadow.alias.name, endpoint=CHAT,
            outcome=LoggedCall.Outcome.COMPLETED, source=LoggedCall.Source.GATEWAY, answer__isnull=False,
            started_at__gte=max(shadow.created_at, shadow.read_until - LATE),  # type: ignore[operator]
        )
        .exclude(served_model=shadow.model_version.name)
        .filter(~Exists(answered))
        .order_by("started_at", "id")
    )  # fmt: skip
    found: list[_Asked] = []
    seen = shadow.read_until
    most = min(BATCH, shadow.total_count - shadow.done_count)
    for pk, exchange, answer, body, began in calls.values_list(
        "id", "exchange_id", "answer", "request_body", "started_at"
    ).iterator(chunk_size=100):
        if len(found) == most:
            break
        seen = max(seen, began)  # type: ignore[type-var]
        messages = _messages(body) if pk.int % 100 < shadow.share else None
        if messages:
            found.append(_Asked(pk, exchange, answer or "", messages))
    return found, seen


def _messages(body: str) -> list[Any] | None:
    """What was asked, where it can be asked again as it was: words only, without tools."""
    try:
        request = json.loads(body)
    except ValueError:
        return None
    messages = request.get("messages") if isinstance(request, dict) else None
    return messages if isinstance(messages, list) and not request.get("tools") else None


def _ask(service: Service, model: str, call: _Asked) -> Reply | ProviderError:
    """In a thread; touches no row."""
    try:
        return service.chat(model, call.messages)
    except ProviderError as error:
        return error


def _is_final(error: ProviderError) -> bool:
    """Whether the error concerns this call alone, and so is its answer."""
    return error.permanent and error.status in OF_ONE_CALL and error.code != "model_not_found"


def _keep(shadow: Shadow, call: _Asked, reply: Reply | ProviderError) -> None:
    if isinstance(reply, ProviderError):
        answer = ShadowAnswer(shadow=shadow, call_id=call.call_id, exchange_id=call.exchange_id, error=str(reply))
    else:
        text = None if reply.text is None else reply.text.replace("\0", "\ufffd")
        answer = ShadowAnswer(
            shadow=shadow,
            call_id=call.call_id,
            exchange_id=call.exchange_id,
            answer=text,
            error="" if text is not None else f"The model gave no text (it ended with “{reply.finish_reason}”).",
            is_same=graders.is_right(call.answer, text, shadow.alias.project.answer_format),
            latency_ms=reply.latency_ms,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
        )
    with transaction.atomic():
        ShadowAnswer.objects.bulk_create([answer], ignore_conflicts=True)
        if answer.answer is not None and not answer.is_same and call.exchange_id is not None:
            note_disagreement(call.exchange_id, shadow.model_version.name, answer.answer)
