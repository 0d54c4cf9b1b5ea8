"""Candidates answer the held-out cases of a frozen version, and the answers are graded.

An answer is a row, so a run goes on where a killed worker left it and no case is asked (and paid) twice.
"""

import json
import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from threading import Event
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from curation.chat import said_in
from curation.models import DatasetVersion, Example, SealedKeyUnreadable, User

from . import graders
from .comparisons import cases_of
from .models import EvaluationCandidate, EvaluationResult, EvaluationRun, ModelVersion
from .providers.base import ProviderError, Reply
from .providers.openai import Service
from .reports import CandidateSummary, summary

__all__ = ["CandidateSummary", "NothingToEvaluate", "advance", "request_evaluation", "summary"]

log = logging.getLogger(__name__)

THREADS = 4
BATCH = 40
# A worker puts a run down after this many seconds, so that no run holds it for long.
TURN = 20
# Providers answer "no such model" for minutes after they announced it.
SETTLING = timedelta(minutes=10)
# Refusals that concern one case or one candidate; any other permanent one concerns all calls to that provider.
OF_ONE_CASE = (400, 404, 413, 422)

Role = EvaluationCandidate.Role


class NothingToEvaluate(Exception):
    """There is no held-out case; the message says what to do."""


@transaction.atomic
def request_evaluation(model_version: ModelVersion, user: User | None = None) -> EvaluationRun:
    """An evaluation of this model against its base and what is served now; the one under way, if there is one.

    Raises NothingToEvaluate.
    """
    version = model_version.version
    if not version.test_count:
        raise NothingToEvaluate(
            f"{version} has no held-out case, so nothing can be compared. Include more rows: a part is held out."
        )
    # Whoever asks at the same time waits here and then finds the run.
    ModelVersion.objects.select_for_update(of=("self",)).get(pk=model_version.pk)
    if live := EvaluationRun.objects.unfinished().filter(model_version=model_version, version=version).first():
        return live
    run = EvaluationRun.objects.create(
        project=model_version.project, version=version, model_version=model_version, created_by=user
    )
    candidates = EvaluationCandidate.objects.bulk_create(_candidates(run, model_version))
    run.must_pass.set(must_pass_of(version))
    run.total_count = len(candidates) * cases_of(run).count()
    run.save(update_fields=["total_count"])
    log.info("evaluation %s requested model_version=%s", run.pk, model_version.pk)
    return run


def must_pass_of(version: DatasetVersion) -> QuerySet[Example]:
    """The cases of a version that reviewers have marked by now as never to be wrong again."""
    return Example.objects.filter(version=version, exchange__must_pass__isnull=False)


def _candidates(run: EvaluationRun, model: ModelVersion) -> list[EvaluationCandidate]:
    wanted = [(Role.BASE, model.provider, model.base_model), (Role.TUNED, model.provider, model.name)]
    for alias in model.project.aliases.select_related("provider"):
        if (alias.provider, alias.model) not in [(provider, name) for _, provider, name in wanted]:
            wanted.append((Role.SERVING, alias.provider, alias.model))
    return [EvaluationCandidate(run=run, role=role, provider=provider, model=name) for role, provider, name in wanted]


# Running


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


@dataclass(frozen=True)
class _Case:
    candidate: EvaluationCandidate
    example: Example
    asked: list[dict[str, Any]]
    tools: list[Any]
    expected: str
    answer_format: str


class _Turn:
    """One worker's turn at a run: batches of missing answers, asked in threads, stored by the thread that began."""

    def __init__(self, run: EvaluationRun) -> None:
        self.run = run
        self.candidates = list(run.candidates.select_related("provider"))
        self.done = EvaluationResult.objects.filter(candidate__run=run).count()
        self.settled_at = (run.model_version or run).created_at + SETTLING
        self.services: dict[int, Service] = {}
        self.halt = Event()
        self.setback: ProviderError | None = None
        self.is_lost = False

    def take(self) -> None:
        end = time.monotonic() + TURN
        with ExitStack() as opened:
            for provider in {candidate.provider for candidate in self.candidates}:
                self.services[provider.pk] = opened.enter_context(
                    Service(provider.url, provider.open_key(), provider.reach)
                )
            while not self.run.cancel_requested_at and not self.halt.is_set() and time.monotonic() < end:
                cases = _missing(self.run, self.candidates)
                if not cases:
                    _settle(self.run, EvaluationRun.Status.SUCCEEDED)
                    return
                self._ask(cases)
        self._put_down()

    def _put_down(self) -> None:
        if self.is_lost:
            return
        if self.run.cancel_requested_at:
            _settle(self.run, EvaluationRun.Status.CANCELLED)
        elif self.setback is None:
            self.run.wait(0)
        elif self.setback.permanent:
            _settle(self.run, EvaluationRun.Status.FAILED, str(self.setback))
        else:
            missing = self.run.total_count - self.done
            self.run.retry(f"{self.setback} {missing} answers are missing.", self.setback.retry_after)

    def _ask(self, cases: list[_Case]) -> None:
        with ThreadPoolExecutor(THREADS) as threads:
            asked = {threads.submit(self._chat, case): case for case in cases}
            for future in as_completed(asked):
                self._take_in(asked[future], future)

    def _chat(self, case: _Case) -> Reply | None:
        """In a thread: one call; None once somebody has called a halt. Touches no row."""
        if self.halt.is_set():
            return None
        try:
            return self.services[case.candidate.provider_id].chat(case.candidate.model, case.asked, case.tools)
        except ProviderError as error:
            if not self._is_final(case, error):
                self.halt.set()
            raise

    def _take_in(self, case: _Case, future: Future[Reply | None]) -> None:
        try:
            reply = future.result()
        except ProviderError as error:
            if not self._is_final(case, error):
                # What ends the run counts more than what is waited for, and of that the longest wait.
                weight = (error.permanent, error.retry_after)
                if self.setback is None or weight > (self.setback.permanent, self.setback.retry_after):
                    self.setback = error
                return
            result = EvaluationResult(candidate=case.candidate, example=case.example, error=str(error))
        else:
            if reply is None:
                return
            result = self._graded(case, reply)
        EvaluationResult.objects.bulk_create([result], ignore_conflicts=True)
        self.done += 1
        self.is_lost = self.is_lost or not self.run.keep(done_count=self.done, setback_count=0)
        if self.is_lost or self.run.cancel_requested_at:
            self.halt.set()

    def _is_final(self, case: _Case, error: ProviderError) -> bool:
        """Whether the error is this case's answer, rather than something to wait for or to stop at."""
        if error.code == "model_not_found" and case.candidate.role == Role.TUNED and timezone.now() < self.settled_at:
            error.permanent = False
        return error.permanent and error.status in OF_ONE_CASE

    def _graded(self, case: _Case, reply: Reply) -> EvaluationResult:
        text = None if reply.text is None else reply.text.replace("\0", "\ufffd")
        return EvaluationResult(
            candidate=case.candidate,
            example=case.example,
            answer=text,
            error="" if text is not None else f"The model gave no text (it ended with “{reply.finish_reason}”).",
            is_exact=text is not None and graders.exact(case.expected, text),
            is_json_equal=graders.json_equal(case.expected, text or ""),
            is_right=graders.is_right(case.expected, text, case.answer_format),
            latency_ms=reply.latency_ms,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
        )


def _missing(run: EvaluationRun, candidates: Sequence[EvaluationCandidate]) -> list[_Case]:
    """The next cases without an answer, case by case: a busy minute at the provider meets all candidates alike."""
    cases = []
    for candidate in candidates:
        answered = EvaluationResult.objects.filter(candidate=candidate, example=OuterRef("pk"))
        for example in cases_of(run).filter(~Exists(answered)).order_by("position")[: BATCH // len(candidates) + 1]:
            body = json.loads(example.body)
            *asked, answer = body["messages"]
            # Calls of tools are compared by value, whatever the words of the project are.
            format = "json" if answer.get("tool_calls") else run.project.answer_format
            cases.append(_Case(candidate, example, asked, body.get("tools") or [], said_in(answer), format))
    return sorted(cases, key=lambda case: case.example.position)
