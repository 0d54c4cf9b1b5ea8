"""A worker's turns at an evaluation: candidates are asked what they have not answered yet, and the answers graded.

An answer is a row, so a run goes on where a killed worker left it and no case is asked (and paid) twice. What an
earlier run asked word for word is taken over from it.
"""

import json
import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from threading import Event
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils import timezone

from curation.chat import said_in
from curation.json_text import canonical, digest
from curation.models import Example, SealedKeyUnreadable

from . import graders, judging
from .comparisons import cases_of
from .models import EvaluationCandidate, EvaluationResult, EvaluationRun
from .providers.base import ProviderError, Reply
from .providers.openai import Service

log = logging.getLogger(__name__)

THREADS = 4
BATCH = 40
# A worker puts a run down after this many seconds, so that no run holds it for long.
TURN = 20
# Providers answer "no such model" for minutes after they announced it.
SETTLING = timedelta(minutes=10)
# What stands behind a model's name changes; an answer older than this is asked for anew.
REUSED_FOR = timedelta(days=30)
# Refusals that concern one case or one candidate; any other permanent one concerns all calls to that provider.
OF_ONE_CASE = (400, 404, 413, 422)

Role, Prompt = EvaluationCandidate.Role, EvaluationCandidate.Prompt


def advance(pk: int) -> None:
    """Ask and grade what is missing, for some seconds (for a worker)."""
    run = EvaluationRun.claim(pk)
    if run is None:
        return
    try:
        _Turn(run).take()
    except SealedKeyUnreadable as error:
        _settle(run, EvaluationRun.Status.FAILED, str(error))


def _settle(run: EvaluationRun, status: EvaluationRun.Status, error: str = "") -> None:
    if run.settle(status, error):
        log.info("evaluation %s %s", run.pk, status.value)


# Cases


@dataclass(frozen=True)
class Case:
    """One question to one candidate. `most_dollars` is what it may cost at the most, 0 where no price is known."""

    candidate: EvaluationCandidate
    example: Example
    repeat: int
    asked: list[dict[str, Any]]
    tools: list[Any]
    expected: str
    answer_format: str
    most_dollars: float

    @property
    def request_digest(self) -> str:
        return digest(canonical([self.candidate.provider_id, self.candidate.model, self.asked, self.tools]))


def asked_of(candidate: EvaluationCandidate, example: Example) -> list[dict[str, Any]]:
    """The turns of a case under the candidate's system prompt: as the version has them, as they were captured, or
    with the candidate's own in place of the first."""
    messages: list[dict[str, Any]] = json.loads(example.body)["messages"][:-1]
    if candidate.prompt == Prompt.TRAINING:
        return messages
    if candidate.prompt == Prompt.CAPTURED:
        return [*_system_of(example.exchange.messages), *_without_system(messages)]
    own = [{"role": "system", "content": candidate.prompt_text}] if candidate.prompt_text else []
    return [*own, *_without_system(messages)]


def _system_of(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in messages if each.get("role") in ("system", "developer")]


def _without_system(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in messages if each.get("role") not in ("system", "developer")]


def missing(run: EvaluationRun, candidates: Sequence[EvaluationCandidate], most: int = BATCH) -> list[Case]:
    """The next cases without an answer, case by case: a busy minute at the provider meets all candidates alike."""
    found: list[Case] = []
    for candidate in candidates:
        for repeat in range(1, run.repeats + 1):
            found += _missing_of(run, candidate, repeat, most // len(candidates) + 1)
    return sorted(found, key=lambda case: (case.repeat, case.example.position))[: most + len(candidates)]


def _missing_of(run: EvaluationRun, candidate: EvaluationCandidate, repeat: int, most: int) -> Iterator[Case]:
    answered = EvaluationResult.objects.filter(candidate=candidate, repeat=repeat, example=OuterRef("pk"))
    rows = cases_of(run).filter(~Exists(answered)).select_related("exchange").order_by("position")
    for example in rows[:most]:
        body = json.loads(example.body)
        answer = body["messages"][-1]
        asked = asked_of(candidate, example)
        # Calls of tools are compared by value, whatever the words of the project are.
        format = "json" if answer.get("tool_calls") else run.project.answer_format
        # A token has at least one letter, and answers are seldom longer than what was expected and what was asked.
        tokens = example.o200k_tokens or len(example.body) // 3
        dollars = candidate.price(tokens + len(canonical(asked)) // 3, 2 * tokens) or 0.0
        yield Case(candidate, example, repeat, asked, body.get("tools") or [], said_in(answer), format, dollars)


# A turn


class _Turn:
    """One worker's turn at a run: batches of missing answers, asked in threads, stored by the thread that began."""

    def __init__(self, run: EvaluationRun) -> None:
        self.run = run
        self.candidates = list(run.candidates.select_related("provider"))
        self.done = EvaluationResult.objects.filter(candidate__run=run).count() + judging.done_count(run)
        self.settled_at = (run.model_version or run).created_at + SETTLING
        self.services: dict[int, Service] = {}
        self.next_start: dict[int, float] = {}
        self.end = time.monotonic() + TURN
        self.halt = Event()
        self.setback: ProviderError | None = None
        self.is_lost = self.is_spent = False

    def take(self) -> None:
        with ExitStack() as opened:
            for provider in {candidate.provider for candidate in self.candidates}:
                self.services[provider.pk] = opened.enter_context(
                    Service(provider.url, provider.open_key(), provider.reach)
                )
            while self._goes_on():
                cases = missing(self.run, self.candidates)
                if cases:
                    self._ask(self._without_known(cases))
                elif not self._judge():
                    _settle(self.run, EvaluationRun.Status.SUCCEEDED)
                    return
        self._put_down()

    def _goes_on(self) -> bool:
        return not (self.run.cancel_requested_at or self.halt.is_set() or self.is_spent or time.monotonic() > self.end)

    def _put_down(self) -> None:
        if self.is_lost:
            return
        left = self.run.total_count - self.done
        if self.run.cancel_requested_at:
            _settle(self.run, EvaluationRun.Status.CANCELLED)
        elif self.setback and self.setback.permanent:
            _settle(self.run, EvaluationRun.Status.FAILED, str(self.setback))
        elif self.setback:
            self.run.retry(f"{self.setback} {left} answers are missing.", self.setback.retry_after)
        elif self.is_spent:
            self.run.park(
                f"The budget is reached: ${self.run.spent:.4f} of ${self.run.budget:.4f} are spent, and the next "
                f"answers may cost more than what is left. {left} answers are missing. Raise the budget to go on."
            )
        else:
            self.run.wait(max(0.0, min(self.next_start.values(), default=0.0) - time.monotonic()))

    def _judge(self) -> bool:
        """Have a model's opinion of one more answer; False when there is nothing left to ask."""
        waiting = judging.next_of(self.run)
        if waiting is None:
            return False
        if self.run.budget is not None and float(self.run.spent) + waiting.most_dollars > float(self.run.budget):
            self.is_spent = True
            return True
        try:
            dollars = judging.judge(waiting)
        except ProviderError as error:
            self.setback = error
            self.halt.set()
        else:
            self.done += 1
            spent = self.run.spent + Decimal(f"{dollars:.6f}")
            self.is_lost = not self.run.keep(done_count=self.done, setback_count=0, spent=spent)
            if self.is_lost:
                self.halt.set()
        return True

    def _without_known(self, cases: list[Case]) -> list[Case]:
        """What no earlier run has asked; the answers of those that were asked are taken over at once."""
        if self.run.asks_again:
            return cases
        since = timezone.now() - REUSED_FOR
        known = {
            (result.request_digest, result.repeat): result
            for result in EvaluationResult.objects.filter(
                request_digest__in=[case.request_digest for case in cases],
                candidate__run__project=self.run.project_id,
                candidate__run__created_at__gte=since,
                reused=None,
                error="",
            ).exclude(candidate__run=self.run)
            if result.first_token_ms is not None or not self.run.measures_first_token
        }
        rest = []
        for case in cases:
            earlier = known.get((case.request_digest, case.repeat))
            if earlier is None:
                rest.append(case)
            else:
                self._store(self._graded(case, _reply_of(earlier), earlier))
        return rest

    def _ask(self, cases: list[Case]) -> None:
        with ThreadPoolExecutor(THREADS) as threads:
            asked: dict[Future[Reply | None], Case] = {}
            for case in cases:
                if not self._may_start(case, asked):
                    break
                asked[threads.submit(self._chat, case)] = case
            for future in as_completed(asked):
                self._take_in(asked[future], future)

    def _may_start(self, case: Case, under_way: dict[Future[Reply | None], Case]) -> bool:
        """Waits for the pace; False where the turn ends or the budget would be exceeded."""
        if self.run.budget is not None:
            held = sum(each.most_dollars for each in under_way.values())
            if float(self.run.spent) + held + case.most_dollars > float(self.run.budget):
                # What is under way is reckoned at its dearest: only when nothing is, there is no room left.
                self.is_spent = not under_way
                return False
        if not self.run.per_minute:
            return True
        start = self.next_start.get(case.candidate.provider_id, 0.0)
        if start > self.end or self.halt.wait(max(0.0, start - time.monotonic())):
            return False
        self.next_start[case.candidate.provider_id] = time.monotonic() + 60 / self.run.per_minute
        return True

    def _chat(self, case: Case) -> Reply | None:
        """In a thread: one call; None once somebody has called a halt. Touches no row."""
        if self.halt.is_set():
            return None
        service = self.services[case.candidate.provider_id]
        try:
            return service.chat(
                case.candidate.model, case.asked, case.tools, times_first_token=self.run.measures_first_token
            )
        except ProviderError as error:
            if not self._is_final(case, error):
                self.halt.set()
            raise

    def _take_in(self, case: Case, future: Future[Reply | None]) -> None:
        try:
            reply = future.result()
        except ProviderError as error:
            if self._is_final(case, error):
                self._store(
                    EvaluationResult(
                        candidate=case.candidate, example=case.example, repeat=case.repeat, error=str(error)
                    )
                )
                return
            # What ends the run counts more than what is waited for, and of that the longest wait.
            weight = (error.permanent, error.retry_after)
            if self.setback is None or weight > (self.setback.permanent, self.setback.retry_after):
                self.setback = error
        else:
            if reply is not None:
                self._store(self._graded(case, reply), _cost(case, reply))

    def _store(self, result: EvaluationResult, dollars: float = 0.0) -> None:
        EvaluationResult.objects.bulk_create([result], ignore_conflicts=True)
        self.done += 1
        spent = self.run.spent + Decimal(f"{dollars:.6f}")
        self.is_lost = self.is_lost or not self.run.keep(done_count=self.done, setback_count=0, spent=spent)
        if self.is_lost or self.run.cancel_requested_at:
            self.halt.set()

    def _is_final(self, case: Case, error: ProviderError) -> bool:
        """Whether the error is this case's answer, rather than something to wait for or to stop at."""
        if error.code == "model_not_found" and case.candidate.role == Role.TUNED and timezone.now() < self.settled_at:
            error.permanent = False
        return error.permanent and error.status in OF_ONE_CASE

    def _graded(self, case: Case, reply: Reply, reused: EvaluationResult | None = None) -> EvaluationResult:
        text = None if reply.text is None else reply.text.replace("\0", "\ufffd")
        schema, grades = self.run.project.schema, graded(self.run, case.expected, text)
        deciding = next((each["name"] for each in self.run.graders if each["is_deciding"]), None)
        return EvaluationResult(
            candidate=case.candidate,
            example=case.example,
            repeat=case.repeat,
            answer=text,
            error="" if text is not None else f"The model gave no text (it ended with “{reply.finish_reason}”).",
            is_exact=text is not None and graders.exact(case.expected, text),
            is_json_equal=graders.json_equal(case.expected, text or ""),
            is_right=grades[deciding]["passes"]
            if deciding is not None
            else graders.is_right(case.expected, text, case.answer_format),
            grades=grades,
            fits_schema=graders.fits(text, schema) if schema else None,
            latency_ms=reply.latency_ms,
            first_token_ms=reply.first_token_ms,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            request_digest=case.request_digest,
            reused=reused,
        )


def graded(run: EvaluationRun, expected: str, answer: str | None) -> dict[str, dict[str, Any]]:
    """By name: what each of the run's graders says."""
    return {
        each["name"]: graders.grade(each["definition"], expected, answer).as_json()
        for each in run.graders
        if not graders.is_judge(each["definition"])
    }


def _reply_of(result: EvaluationResult) -> Reply:
    return Reply(
        text=result.answer,
        finish_reason="",
        latency_ms=result.latency_ms or 0.0,
        prompt_tokens=result.prompt_tokens,
        completion_tokens=result.completion_tokens,
        first_token_ms=result.first_token_ms,
    )


def _cost(case: Case, reply: Reply) -> float:
    """US dollars, as far as known: without a count of tokens, what the call could cost at the most."""
    if reply.prompt_tokens is None or reply.completion_tokens is None:
        return case.most_dollars
    return case.candidate.price(reply.prompt_tokens, reply.completion_tokens) or 0.0
