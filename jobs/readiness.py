"""Whether a project should train itself now: its schedule, and what has to be ready. Each check leaves one line.

Beat only wakes the check. What is due at a time of the schedule is decided once: the line and the round of that time
are unique, so two beats, or a beat that comes twice, do no harm.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from curation import coverage
from curation.datasets import Rehearsal, new_rows_count, rehearse
from curation.models import Coverage, Pair, Project, SealedKeyUnreadable, User

from .cron import parse
from .models import RetrainingCheck, RetrainingPolicy, RetrainingRun
from .providers.base import ProviderError
from .providers.openai import Service

log = logging.getLogger(__name__)
Trigger = RetrainingRun.Trigger


class AlreadyRunning(Exception):
    """A retraining of this project is under way; `run` is it."""

    def __init__(self, run: RetrainingRun) -> None:
        super().__init__(f"Retraining {run.pk} is under way already.")
        self.run = run


class NotDue(Exception):
    """Somebody was faster: the reason to start has gone meanwhile."""


class Reading(NamedTuple):
    """One thing that has to be ready, in words with its numbers."""

    code: str
    is_ready: bool
    words: str


@dataclass(frozen=True)
class Finding:
    """What a check found, in a sentence for the page, and what it looked at."""

    is_due: bool
    sentence: str
    readings: tuple[Reading, ...] = ()


def policy_of(project: Project) -> RetrainingPolicy:
    policy, _ = RetrainingPolicy.objects.get_or_create(project=project)
    policy.project = project  # known already
    return policy


def policy_shown(project: Project) -> RetrainingPolicy:
    """The same for a page that only tells of it: nothing is stored by looking."""
    policy = RetrainingPolicy.objects.filter(project=project).first() or RetrainingPolicy(project=project)
    policy.project = project
    return policy


def live_run(policy: RetrainingPolicy) -> RetrainingRun | None:
    return RetrainingRun.objects.unfinished().filter(policy=policy).first()


def latest_due(policy: RetrainingPolicy, now: datetime) -> datetime | None:
    """The last time of the schedule since it was switched on; None without a schedule, or before its first time."""
    if not policy.schedule:
        return None
    due = parse(policy.schedule).latest(now, ZoneInfo(policy.time_zone))
    return due if due and (policy.starts_at is None or due > policy.starts_at) else None


def next_due(policy: RetrainingPolicy, now: datetime | None = None) -> datetime | None:
    """The next time of the schedule; None where it is looked at all the time."""
    if not policy.schedule:
        return None
    return parse(policy.schedule).next(now or timezone.now(), ZoneInfo(policy.time_zone))


# What has to be ready


def find(policy: RetrainingPolicy, new: int | None = None, now: datetime | None = None) -> Finding:
    """What a check would find, from rows alone and without a trace; `new` is the count of new rows where known."""
    new = new_rows_count(policy.project) if new is None else new
    wanted = policy.minimum_new_count
    if not policy.is_enabled:
        return Finding(False, f"Switched off. {_rows(new, wanted)}.")
    if live := live_run(policy):
        return Finding(False, f"Not now: retraining {live.pk} is under way.")
    if policy.project.default_provider is None:
        return Finding(False, "Not possible: the project has no provider. Choose one in its settings.")
    return summed_up(list(_of_rows(policy, new, now or timezone.now())), new, wanted)


def summed_up(readings: list[Reading], new: int, wanted: int) -> Finding:
    missing = [reading.words for reading in readings if not reading.is_ready]
    if missing:
        return Finding(False, f"Not today: {', '.join(missing)}.", tuple(readings))
    return Finding(True, f"Due: {_rows(new, wanted)}.", tuple(readings))


def _rows(new: int, wanted: int) -> str:
    return f"{new} of {wanted} new rows" if new < wanted else f"{new} new rows, {wanted} are enough"


def _of_rows(policy: RetrainingPolicy, new: int, now: datetime) -> Iterator[Reading]:
    """What the rows say, cheap enough for a page."""
    yield Reading("rows", new >= policy.minimum_new_count, _rows(new, policy.minimum_new_count))
    if (most := policy.most_contradictions) is not None:
        count = policy.project.pairs.filter(state=Pair.State.OPEN).count()
        yield Reading("contradictions", count <= most, f"{count} contradiction{'' if count == 1 else 's'}")
    if (least := policy.minimum_coverage_gain) is not None:
        gained = coverage_gain(policy)
        words = "coverage is not counted yet" if gained is None else f"{gained:+.1f} of {least:+g} points of coverage"
        yield Reading("coverage", gained is not None and gained >= least, words)
    if (hours := _hours_since(policy, now)) is not None:
        words = f"{hours:.0f} of {policy.minimum_hours} hours since the last round"
        yield Reading("interval", hours >= policy.minimum_hours, words)
    busy = policy.project.finetunes.unfinished().first()
    yield Reading("idle", busy is None, f"{busy} is under way" if busy else "no fine-tune under way")


def _hours_since(policy: RetrainingPolicy, now: datetime) -> float | None:
    """Since the last round that the rule began; None where that does not matter."""
    last = policy.runs.filter(trigger=Trigger.SCHEDULE).first()
    if last is None or not policy.minimum_hours:
        return None
    return (now - (last.due_at or last.created_at)) / timedelta(hours=1)


def coverage_now(project: Project) -> float | None:
    """Percent of the last thirty days' calls that the included rows stand for; None while it is not known."""
    counted = Coverage.objects.filter(project=project, counted_at__isnull=False).first()
    share = coverage.share(coverage.figures(counted)) if counted else None
    return None if share is None else share * 100


def coverage_gain(policy: RetrainingPolicy) -> float | None:
    """Percentage points since the last round that was frozen."""
    share = coverage_now(policy.project)
    before = policy.runs.filter(coverage__isnull=False).values_list("coverage", flat=True).first()
    return None if share is None else share - (before or 0)


def _thorough(policy: RetrainingPolicy, finding: Finding, new: int) -> Finding:
    """With what takes longer to know: it is asked only when all else is ready."""
    if not finding.is_due:
        return finding
    more = []
    if policy.needs_green_preflight:
        more.append(_preflight(rehearse(policy.project)))
    more.append(_provider(policy.project))
    return summed_up([*finding.readings, *more], new, policy.minimum_new_count)


def _preflight(rehearsal: Rehearsal) -> Reading:
    count = rehearsal.blocker_count
    if count:
        return Reading("preflight", False, f"{count} blocker{'' if count == 1 else 's'} in the preflight")
    return Reading("preflight", True, f"{rehearsal.train_count} to train on, {rehearsal.test_count} held out")


def _provider(project: Project) -> Reading:
    """Whether the provider answers at all: a schedule must not begin what cannot go on."""
    provider = project.default_provider
    assert provider is not None
    try:
        with Service(provider.url, provider.open_key(), provider.reach) as service:
            service.model(provider.base_model)
    except SealedKeyUnreadable as error:
        return Reading("provider", False, str(error).rstrip("."))
    except ProviderError as error:
        # A service without this address says so, which is an answer.
        if error.status not in (400, 404, 405):
            return Reading("provider", False, f"provider “{provider.name}” does not answer: {str(error).rstrip('.')}")
    return Reading("provider", True, f"provider “{provider.name}” answers")


# Checking


def check(policy: RetrainingPolicy, now: datetime | None = None) -> Finding:
    """Whether the project should train itself now. Asks the provider when all else is ready, and leaves a line."""
    now = now or timezone.now()
    finding = _asked(policy, now)
    _note(policy, finding, now, None)
    return finding


def dry_run(policy: RetrainingPolicy) -> tuple[Finding, Rehearsal]:
    """All that a check looks at, and what would be frozen, without a trace."""
    new = new_rows_count(policy.project)
    readings = list(_of_rows(policy, new, timezone.now()))
    rehearsal = rehearse(policy.project)
    readings.append(_preflight(rehearsal))
    if policy.project.default_provider:
        readings.append(_provider(policy.project))
    return summed_up(readings, new, policy.minimum_new_count), rehearsal


def _asked(policy: RetrainingPolicy, now: datetime) -> Finding:
    new = new_rows_count(policy.project)
    return _thorough(policy, find(policy, new, now), new)


def check_all(now: datetime | None = None) -> list[RetrainingRun]:
    """Check every policy whose time has come, and start what is due. Harmless twice at once."""
    now = now or timezone.now()
    policies = RetrainingPolicy.objects.filter(is_enabled=True, project__archived_at=None)
    started = [_check_one(policy, now) for policy in policies.select_related("project__default_provider")]
    return [run for run in started if run]


def _check_one(policy: RetrainingPolicy, now: datetime) -> RetrainingRun | None:
    due_at = latest_due(policy, now)
    if policy.schedule and (due_at is None or policy.checks.filter(due_at=due_at).exists()):
        return None
    finding = _asked(policy, now)
    try:
        # The line and the round of a time are there together or not at all.
        with transaction.atomic():
            _note(policy, finding, now, due_at)
            return start(policy, Trigger.SCHEDULE, due_at=due_at or now, now=now) if finding.is_due else None
    except (AlreadyRunning, NotDue, IntegrityError):
        return None  # another beat was there first


def _note(policy: RetrainingPolicy, finding: Finding, now: datetime, due_at: datetime | None) -> None:
    """One line for each time of a schedule. Of looking all the time, one for each change of what is found."""
    last = None if due_at else policy.checks.filter(due_at=None).first()
    if last and last.words == finding.sentence:
        policy.checks.filter(pk=last.pk).update(count=F("count") + 1, last_at=now)
    else:
        RetrainingCheck.objects.create(
            policy=policy, due_at=due_at, words=finding.sentence[:500], is_due=finding.is_due, first_at=now, last_at=now
        )
    RetrainingPolicy.objects.filter(pk=policy.pk).update(last_checked_at=now, last_finding=finding.sentence[:300])
    policy.refresh_from_db(fields=["last_checked_at", "last_finding"])


@transaction.atomic
def start(
    policy: RetrainingPolicy,
    trigger: str,
    user: User | None = None,
    due_at: datetime | None = None,
    now: datetime | None = None,
) -> RetrainingRun:
    """Begin a run; a worker does the rest. Raises AlreadyRunning, and NotDue when the schedule was overtaken."""
    # Two who start at once take turns here.
    policy = RetrainingPolicy.objects.select_for_update(of=("self",)).select_related("project").get(pk=policy.pk)
    if live := live_run(policy):
        raise AlreadyRunning(live)
    if trigger == Trigger.SCHEDULE and not find(policy, now=now).is_due:
        raise NotDue
    run = RetrainingRun.objects.create(
        policy=policy, trigger=trigger, created_by=user, due_at=due_at, coverage=coverage_now(policy.project)
    )
    log.info("retraining %s started policy=%s trigger=%s", run.pk, policy.pk, trigger)
    return run
