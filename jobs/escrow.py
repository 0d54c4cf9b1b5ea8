"""Before a model goes, its answers are kept; what comes after it is held against them, prompt by prompt."""

import hashlib
import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Count, Sum

from curation.json_text import canonical
from curation.models import DatasetVersion, Example, Provider, SealedKeyUnreadable, User
from curation.prices import price_for

from . import graders
from .models import Escrow, EscrowAnswer
from .providers.base import ProviderError, Reply
from .providers.openai import Service

log = logging.getLogger(__name__)

THREADS, BATCH = 4, 40
OF_ONE_CALL = (400, 413, 422)


class NotKept(Exception):
    """Nothing was started; the message says why."""


@dataclass(frozen=True)
class Estimate:
    """How many prompts would be asked, and about what that costs; `dollars` is None where no price is known."""

    count: int
    dollars: float | None


def estimate(version: DatasetVersion, provider: Provider, model: str) -> Estimate:
    """Counted before anything is sent: an example's tokens are those of its prompt and its answer, and an answer of the
    model is taken to be as long.
    """
    kept = _kept(version, provider, model).count()
    found = version.examples.aggregate(count=Count("pk"), tokens=Sum("o200k_tokens"))
    price, count = price_for(provider, model), max(found["count"] - kept, 0)
    if price is None or price.input is None or price.output is None or found["tokens"] is None:
        return Estimate(count, None)
    tokens = found["tokens"] * count / max(found["count"], 1)
    # Which part of an example is the answer is not counted apart: reckoned as if all were read and a third written.
    return Estimate(count, tokens * (price.input + price.output / 3) / 1_000_000)


def _kept(version: DatasetVersion, provider: Provider, model: str) -> Any:
    return EscrowAnswer.objects.filter(provider=provider, model=model, exchange__examples__version=version)


def start(version: DatasetVersion, provider: Provider, model: str, user: User | None = None) -> Escrow:
    """Have a model answer every prompt of the version that it has not answered yet. Raises NotKept."""
    if provider.project_id != version.project_id:
        raise NotKept("This provider belongs to another project.")
    try:
        with transaction.atomic():
            return Escrow.objects.create(
                project=version.project, version=version, provider=provider, model=model, created_by=user,
                total_count=version.examples.count(),
            )  # fmt: skip
    except IntegrityError as error:
        raise NotKept(f"The answers of {model} are being kept already.") from error


class _Case(NamedTuple):
    exchange_id: int
    prompt_digest: str
    messages: list[Any]


def advance(pk: int) -> None:
    """Ask a batch of what is missing (for a worker)."""
    escrow = Escrow.claim(pk)
    if escrow is None:
        return
    if escrow.cancel_requested_at:
        escrow.settle(Escrow.Status.CANCELLED)
        return
    try:
        _ask_batch(escrow)
    except ProviderError as error:
        if error.permanent:
            escrow.settle(Escrow.Status.FAILED, str(error))
        else:
            escrow.retry(str(error), error.retry_after)
    except SealedKeyUnreadable as error:
        escrow.settle(Escrow.Status.FAILED, str(error))


def _ask_batch(escrow: Escrow) -> None:
    batch = list(escrow.version.examples.filter(pk__gt=escrow.asked_until).order_by("pk")[:BATCH])
    if not batch:
        escrow.settle(Escrow.Status.SUCCEEDED)
        log.info("escrow %s kept %s answers", escrow.pk, escrow.done_count)
        return
    asked = _missing(escrow, [_case(example) for example in batch])
    key, reach = escrow.provider.open_key(), escrow.provider.reach
    with Service(escrow.provider.url, key, reach) as service, ThreadPoolExecutor(THREADS) as threads:
        replies = list(threads.map(lambda case: _ask(service, escrow.model, case), asked))
    setbacks = [reply for reply in replies if isinstance(reply, ProviderError) and not _is_final(reply)]
    rows = [_row(escrow, case, reply) for case, reply in zip(asked, replies, strict=True) if reply not in setbacks]
    # What was answered and paid for is kept before anything else.
    EscrowAnswer.objects.bulk_create(rows, ignore_conflicts=True)
    if setbacks:
        raise setbacks[0]
    escrow.wait(0, asked_until=batch[-1].pk, done_count=escrow.done_count + len(batch), setback_count=0)


def _case(example: Example) -> _Case:
    *asked, _answer = json.loads(example.body)["messages"]
    return _Case(example.exchange_id, hashlib.sha256(canonical(asked).encode()).hexdigest(), asked)


def _missing(escrow: Escrow, cases: list[_Case]) -> list[_Case]:
    rows = [case.exchange_id for case in cases]
    answers = EscrowAnswer.objects.filter(provider=escrow.provider, model=escrow.model, exchange__in=rows)
    kept = set(answers.values_list("exchange_id", "prompt_digest"))
    return [case for case in cases if (case.exchange_id, case.prompt_digest) not in kept]


def _ask(service: Service, model: str, case: _Case) -> Reply | ProviderError:
    """In a thread; touches no row."""
    try:
        return service.chat(model, case.messages)
    except ProviderError as error:
        return error


def _is_final(error: ProviderError) -> bool:
    """Whether the error concerns this prompt alone, and so is the model's answer to it."""
    return error.permanent and error.status in OF_ONE_CALL


def _row(escrow: Escrow, case: _Case, reply: Reply | ProviderError) -> EscrowAnswer:
    row = EscrowAnswer(
        provider=escrow.provider, model=escrow.model, exchange_id=case.exchange_id, prompt_digest=case.prompt_digest
    )
    if isinstance(reply, ProviderError):
        row.error = str(reply)
        return row
    row.answer = None if reply.text is None else reply.text.replace("\0", "\ufffd")
    row.error = "" if reply.text is not None else f"The model gave no text (it ended with “{reply.finish_reason}”)."
    row.prompt_tokens, row.completion_tokens = reply.prompt_tokens, reply.completion_tokens
    return row


# Held against each other


@dataclass(frozen=True)
class Likeness:
    """How often a successor answers the same prompts as the model before it did. `others` are some it answers
    otherwise: the row, the answer that was kept, and the successor's.
    """

    same: int
    total: int
    others: list[tuple[int, str, str]]

    @property
    def percent(self) -> int:
        return round(self.same / self.total * 100) if self.total else 0


def likeness(reference: Escrow, successor: Escrow, most: int = 50) -> Likeness:
    """Over the prompts both were asked in the same words, by the project's answer format."""
    kept = {(row, prompt): answer for row, prompt, answer in _answers(reference)}
    same = total = 0
    others: list[tuple[int, str, str]] = []
    for row, prompt, answer in _answers(successor):
        before = kept.get((row, prompt))
        if before is None:
            continue
        total += 1
        if graders.is_right(before, answer, reference.project.answer_format):
            same += 1
        elif len(others) < most:
            others.append((row, before, answer or ""))
    return Likeness(same, total, others)


def _answers(escrow: Escrow) -> Iterator[tuple[int, str, str | None]]:
    rows = EscrowAnswer.objects.filter(
        provider=escrow.provider, model=escrow.model, exchange__examples__version=escrow.version
    )
    return rows.order_by("exchange_id").values_list("exchange_id", "prompt_digest", "answer").iterator(chunk_size=1000)
