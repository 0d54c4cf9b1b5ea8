"""A worker asks a generation's prompts: a few at a time, no faster than allowed, and each answer into the log at once.

A killed worker loses at most the answers that were under way: those prompts are asked once more, under the same call
ids, so that storing an answer twice is storing it once.
"""

import logging
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from django.db import transaction
from django.db.models import Count, F, Q

from curation.models import LoggedCall, SealedKeyUnreadable
from curation.recording import Call, record

from .models import Generation, GenerationItem
from .providers.base import ProviderError
from .providers.openai import Service
from .verbatim import ENDPOINT, Heard, ask, chat_request

log = logging.getLogger(__name__)

Status = GenerationItem.Status
THREADS = 4
# A worker puts a generation down after so many seconds, so that none holds it for long.
TURN = 20
# The lease is kept at least so often while nothing comes back.
KEEP_EVERY = 10
# How often a prompt is asked that the provider fails at, before it is left to a person.
MOST_ATTEMPTS = 5
# Refusals that concern one prompt; any other permanent one concerns them all.
OF_ONE_PROMPT = (400, 413, 422)


def advance(pk: int) -> None:
    """Ask what waits, for some seconds (for a worker)."""
    generation = Generation.claim(pk)
    if generation is None:
        return
    provider = generation.provider
    try:
        key = provider.open_key()
    except SealedKeyUnreadable as error:
        generation.park(str(error))
        return
    with Service(provider.url, key, provider.reach) as service:
        _Turn(generation, service).take()


def count_done(generation: Generation) -> None:
    """Write how far a generation is from how its prompts stand."""
    counts = generation.items.aggregate(
        total_count=Count("pk", filter=~Q(status__in=[Status.DRAFT, Status.REPEATED])),
        done_count=Count("pk", filter=Q(status__in=[Status.ANSWERED, Status.FAILED, Status.KNOWN])),
    )
    Generation.objects.filter(pk=generation.pk).update(**counts)


class _Turn:
    """One worker's turn at a generation: threads send, the thread that began reads and writes rows."""

    def __init__(self, generation: Generation, service: Service) -> None:
        self.run = generation
        self.service = service
        self.end = time.monotonic() + TURN
        self.next_start = self.last_kept = time.monotonic()
        self.queue: deque[GenerationItem] = deque()
        self.under_way: dict[Future[Heard], GenerationItem] = {}
        self.trouble: ProviderError | None = None
        self.has_answered = False
        self.is_lost = False

    def take(self) -> None:
        if not self.run.asks_again:
            _skip_known(self.run)
        with ThreadPoolExecutor(THREADS) as threads:
            while (goes_on := self._goes_on()) or self.under_way:
                if goes_on and self._is_time():
                    self._begin(threads)
                self._collect(goes_on)
        if not self.is_lost:
            self._put_down()

    def _goes_on(self) -> bool:
        """Whether another prompt may be sent now, or as soon as it is time."""
        if self.is_lost or self.trouble or time.monotonic() > self.end:
            return False
        if self.run.cancel_requested_at or self.run.pause_requested_at or _is_spent(self.run):
            return False
        if not self.queue:
            busy = [item.pk for item in self.under_way.values()]
            waiting = self.run.items.waiting().exclude(pk__in=busy)
            # Those that failed before come last: one the provider always fails at must not hold up the others.
            self.queue.extend(waiting.order_by("attempts", "position")[: 2 * THREADS])
        return bool(self.queue)

    def _is_time(self) -> bool:
        return len(self.under_way) < THREADS and time.monotonic() >= self.next_start

    def _begin(self, threads: ThreadPoolExecutor) -> None:
        """Note that a prompt is being asked, then send it."""
        item = self.queue.popleft()
        if not self.run.items.waiting().filter(pk=item.pk).update(attempts=F("attempts") + 1):
            return
        item.attempts += 1
        self._keep(request_count=F("request_count") + 1)
        if self.is_lost:
            return
        self.next_start = max(self.next_start, time.monotonic()) + 1 / self.run.per_second
        self.under_way[threads.submit(ask, self.service, _request(self.run, item))] = item

    def _collect(self, goes_on: bool) -> None:
        """Take in what has come back; wait for it, or until it is time for the next."""
        pause: float = KEEP_EVERY
        if goes_on and len(self.under_way) < THREADS:
            pause = min(pause, max(0.0, self.next_start - time.monotonic()))
        if self.under_way:
            for future in wait(self.under_way, pause, FIRST_COMPLETED).done:
                self._take_in(self.under_way.pop(future), future.result())
        else:
            time.sleep(pause)
        if time.monotonic() - self.last_kept > KEEP_EVERY:
            self._keep()

    def _keep(self, **changes: object) -> None:
        self.last_kept = time.monotonic()
        self.is_lost = self.is_lost or not self.run.keep(**changes)

    def _take_in(self, item: GenerationItem, heard: Heard) -> None:
        if heard.error is None:
            self._settle(item, heard)
        elif _concerns_only(item, heard.error):
            self._settle(item, heard, str(heard.error))
        else:
            self.trouble = self.trouble or heard.error
            self.run.items.filter(pk=item.pk).update(error=str(heard.error))

    def _settle(self, item: GenerationItem, heard: Heard, error: str = "") -> None:
        answer = heard.answer
        if answer and answer.text is None:
            error = f"The model gave no text (it ended with “{answer.finish_reason}”)."
        status = Status.FAILED if error else Status.ANSWERED
        with transaction.atomic():
            exchange_id = record([_call(self.run, item, heard)])[item.call_id]
            self.run.items.waiting().filter(pk=item.pk).update(status=status, error=error, exchange_id=exchange_id)
        self.has_answered |= answer is not None
        self._keep(
            done_count=F("done_count") + 1,
            token_count=F("token_count") + heard.tokens,
            **({"setback_count": 0} if answer else {}),
        )

    @transaction.atomic
    def _put_down(self) -> None:
        now = Generation.locked(self.run.pk)
        if now.attempts != self.run.attempts:
            return
        count_done(now)
        is_waiting = now.items.waiting().exists()
        if now.cancel_requested_at:
            self._end(Generation.Status.CANCELLED)
        elif self.trouble and self.trouble.permanent:
            self._stop(str(self.trouble))
        elif not is_waiting and not now.items.filter(status=Status.DRAFT).exists():
            self._end(Generation.Status.SUCCEEDED)
        elif not is_waiting or now.pause_requested_at:
            self._stop("")
        elif _is_spent(now):
            self._stop(_spent_words(now))
        elif self.trouble and self.has_answered:
            self.run.wait(max(1, self.trouble.retry_after), error=str(self.trouble))
        elif self.trouble:
            self.run.retry(str(self.trouble), self.trouble.retry_after)
        else:
            self.run.wait(0)

    def _end(self, status: str) -> None:
        if self.run.settle(status):
            log.info("%s %s done=%s", self.run, status, self.run.done_count)

    def _stop(self, words: str) -> None:
        if self.run.park(words, setback_count=0):
            log.info("%s stopped done=%s of=%s", self.run, self.run.done_count, self.run.total_count)


def _skip_known(generation: Generation) -> None:
    """Leave out what was answered meanwhile, by another generation or through the gateway."""
    generation.items.waiting().known_in(generation.project).update(status=Status.KNOWN)


def _concerns_only(item: GenerationItem, error: ProviderError) -> bool:
    """Whether the error is the end of this prompt, rather than something to wait for or to stop at."""
    if error.permanent:
        return error.status in OF_ONE_PROMPT
    return item.attempts >= MOST_ATTEMPTS and error.status != 429


def _is_spent(generation: Generation) -> bool:
    requests, tokens = generation.request_limit, generation.token_limit
    return (requests is not None and generation.request_count >= requests) or (
        tokens is not None and generation.token_count >= tokens
    )


def _spent_words(generation: Generation) -> str:
    requests, tokens = generation.request_limit, generation.token_limit
    if requests is not None and generation.request_count >= requests:
        spent = f"{generation.request_count:,} of {requests:,} requests"
    else:
        spent = f"{generation.token_count:,} of {tokens:,} tokens"
    return (
        f"The limit is reached: {spent}, with {generation.done_count:,} of {generation.total_count:,} prompts done. "
        "Raise it to go on."
    )


def _request(generation: Generation, item: GenerationItem) -> bytes:
    system = [{"role": "system", "content": generation.system_prompt}] if generation.system_prompt else []
    messages = [*system, {"role": "user", "content": item.prompt}]
    return chat_request(generation.model, messages)


def _call(generation: Generation, item: GenerationItem, heard: Heard) -> Call:
    """The request as the log keeps it."""
    error = heard.error
    return Call(
        id=item.call_id,
        project_id=generation.project_id,
        source=LoggedCall.Source.GENERATION,
        endpoint=ENDPOINT,
        started_at=heard.started_at,
        duration_ms=heard.duration_ms,
        request_body=heard.request,
        response_body=heard.response,
        outcome=LoggedCall.Outcome.FAILED if error else "",
        error_code=error.code if error else "",
        status_code=error.status if error else 200,
        provider_id=generation.provider_id,
        requested_model=generation.model,
    )
