"""What every job has in common. Postgres holds the truth; a Celery message is only a hint to look at a row."""

from datetime import datetime, timedelta
from typing import Self, cast

from django.conf import settings
from django.db import models, transaction
from django.db.models import Case, F, Q, When
from django.db.models.functions import Coalesce, Now

# How long a killed worker's job stays untouched. Work calls `keep` at least once a minute, so no call inside it may
# wait longer than that.
LEASE = timedelta(minutes=2)
# How often in a row a job may stumble before it is given up.
SETBACK_LIMIT = 8


class JobQuerySet(models.QuerySet["Job"]):
    def due(self) -> Self:
        """Unfinished jobs nobody works on now and whose next step may be taken."""
        return self.unfinished().filter(
            Q(lease_until=None) | Q(lease_until__lt=Now()),
            next_attempt_at__lte=Now(),
        )

    def unfinished(self) -> Self:
        return self.filter(status__in=[Job.Status.PENDING, Job.Status.RUNNING])


class Job(models.Model):
    """Claim in one short transaction, work with none open, settle in one short transaction.

    A step may run twice (a worker was killed, a message came twice): each job's work must be safe to repeat, and
    `settle` and `wait` do nothing for a worker whose lease has passed to another.
    """

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    error = models.TextField(blank=True, help_text="What went wrong and what to do, in words.")
    # Raised by each claim, so a worker that lost its lease is told apart from the one that has it now.
    attempts = models.PositiveIntegerField(default=0)
    setback_count = models.PositiveSmallIntegerField(
        default=0, help_text="Attempts in a row that ended in an error or with a lost worker."
    )
    lease_until = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(
        db_default=Now(), null=True, blank=True, help_text="Empty while only a person can move it on."
    )
    done_count = models.PositiveIntegerField(default=0)
    total_count = models.PositiveIntegerField(default=0)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()
    # When the worker that claimed it found it due; None for whoever did not claim it.
    _due_at: datetime | None = None

    class Meta:
        abstract = True

    @property
    def is_finished(self) -> bool:
        return self.status in (self.Status.SUCCEEDED, self.Status.FAILED, self.Status.CANCELLED)

    @property
    def took(self) -> timedelta | None:
        """From the wish to the end."""
        return self.finished_at - self.created_at if self.finished_at else None

    @property
    def is_parked(self) -> bool:
        """Unfinished, and nothing will happen until a person decides."""
        return not self.is_finished and self.next_attempt_at is None and self.lease_until is None

    @classmethod
    def claim(cls, pk: int) -> Self | None:
        """Take the job for LEASE, or None when it is finished, not due, or another worker has it.

        A lease that ran out means a worker that died over this job; one that kills worker after worker is given up.
        """
        with transaction.atomic():
            due = cls._default_manager.due().select_for_update(skip_locked=True, of=("self",))
            job = cast(Self | None, due.filter(pk=pk).first())
            if job is None:
                return None
            cls._default_manager.filter(pk=pk).update(
                status=cls.Status.RUNNING,
                attempts=F("attempts") + 1,
                setback_count=F("setback_count") + int(job.lease_until is not None),
                lease_until=Now() + LEASE,
                started_at=Coalesce("started_at", Now()),
            )
        job._due_at = job.next_attempt_at
        job.refresh_from_db()
        if job.setback_count > SETBACK_LIMIT:
            job.give_up("The worker ended in the middle of this, again and again; its log says why.")
            return None
        return job

    def ask_to_cancel(self) -> bool:
        """Have the job stop at its next step. False when it is finished already."""
        asked = self._unfinished().update(
            cancel_requested_at=Coalesce("cancel_requested_at", Now()), next_attempt_at=Now()
        )
        self.refresh_from_db()
        return asked == 1

    def keep(self, **changes: object) -> bool:
        """Write progress and extend the lease. False when the job is no longer ours: stop working on it."""
        return self._write(lease_until=Now() + LEASE, **changes)

    def wait(self, seconds: float, **changes: object) -> bool:
        """Put the job down after a step that went well; its next one is due after that time."""
        return self._put_down(seconds, **{"error": "", "setback_count": 0, **changes})

    def retry(self, error: str, seconds: float = 0, *, for_ever: bool = False) -> bool:
        """Put the job down after a setback, each time for longer (at least `seconds`). After too many in a row it is
        given up, unless it must go on `for_ever`: something was paid for that would be lost.
        """
        if self.setback_count >= SETBACK_LIMIT and not for_ever:
            return self.give_up(error)
        pause = max(seconds, backoff(self.setback_count))
        most = SETBACK_LIMIT - 1 if for_ever else SETBACK_LIMIT
        return self._put_down(pause, error=error, setback_count=min(self.setback_count + 1, most))

    def give_up(self, error: str) -> bool:
        """End a job that only stumbles. A kind that must not be lost that way parks it instead."""
        return self.settle(self.Status.FAILED, error)

    def park(self, error: str, **changes: object) -> bool:
        """Leave the job to a person: nothing looks at it until somebody decides."""
        return self._write(lease_until=None, next_attempt_at=None, error=error, **changes)

    def settle(self, status: str, error: str = "", **changes: object) -> bool:
        """Finish the job. False when another worker has taken it over meanwhile; then nothing is written."""
        return self._write(status=status, error=error, lease_until=None, finished_at=Now(), **changes)

    def _put_down(self, seconds: float, **changes: object) -> bool:
        """Somebody may have hurried it on while it was worked on (a button, a webhook): then it stays due."""
        later = Now() + timedelta(seconds=seconds)
        at = (
            Case(When(next_attempt_at=self._due_at, then=later), default=F("next_attempt_at"))
            if self._due_at
            else later
        )
        return self._write(lease_until=None, next_attempt_at=at, **changes)

    def _mine(self) -> models.QuerySet["Job"]:
        return type(self)._default_manager.filter(pk=self.pk, attempts=self.attempts, status=self.Status.RUNNING)

    def _unfinished(self) -> models.QuerySet["Job"]:
        return type(self)._default_manager.unfinished().filter(pk=self.pk)

    def _write(self, **changes: object) -> bool:
        written = self._mine().update(**changes) == 1
        # A worker that lost the job keeps its old count of attempts, so that whatever it tries next is refused as well.
        if written:
            self.refresh_from_db()
        return written


def backoff(count: int, first: float = 1, longest: float = 120) -> float:
    """Seconds to wait the `count`th time (from 0): doubling from `first`, never beyond `longest`."""
    return min(first * 2 ** min(count, 30), longest)
