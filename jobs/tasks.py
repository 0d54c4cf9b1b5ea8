"""Celery's part: look for due rows and hand each to its room. A message is a hint, the row is the truth."""

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from curation import attention, bulk, coverage, pairs
from curation.models import User

from . import (
    answering,
    demo,
    escrow,
    exports,
    finetunes,
    generations,
    imports,
    inputs,
    moderating,
    notices,
    readiness,
    repairs,
    retirement,
    retraining,
    shadowing,
    watching,
    withdrawals,
)
from .celery import app
from .models import (
    Escrow,
    EvaluationRun,
    Export,
    FineTune,
    Generation,
    Import,
    InputDraft,
    Job,
    ModerationRun,
    NoticeDelivery,
    Repair,
    RetrainingRun,
    Shadow,
    Watch,
    Withdrawal,
)

log = logging.getLogger(__name__)
# By model name: what is looked for, and what takes one row a step further.
KINDS: dict[str, tuple[type[Job], Callable[[int], None]]] = {
    "export": (Export, exports.run),
    "moderationrun": (ModerationRun, moderating.advance),
    "finetune": (FineTune, finetunes.advance),
    "escrow": (Escrow, escrow.advance),
    "evaluationrun": (EvaluationRun, answering.advance),
    "generation": (Generation, generations.advance),
    "import": (Import, imports.advance),
    "inputdraft": (InputDraft, inputs.advance),
    "noticedelivery": (NoticeDelivery, notices.advance),
    "repair": (Repair, repairs.advance),
    "retrainingrun": (RetrainingRun, retraining.advance),
    "shadow": (Shadow, shadowing.advance),
    "watch": (Watch, watching.advance),
    "withdrawal": (Withdrawal, withdrawals.advance),
}
# A message older than that is dropped: the next sweep finds the row if it is still due.
EXPIRES = 10
MOST_PER_SWEEP = 200
# A step that is due again within so many seconds does not wait for the sweep.
SOON = 2


def nudge(job: Job) -> None:
    """Have a worker look at the row as soon as it is committed. Without a broker the sweep finds it later."""
    message = partial(advance.apply_async, (job._meta.model_name, job.pk), expires=EXPIRES)
    transaction.on_commit(message, robust=True)


def request_demo(user: User) -> None:
    """Have a worker load the demo for this person."""
    transaction.on_commit(partial(load_demo.delay, user.pk), robust=True)


@app.task
def sweep() -> None:
    """Every two seconds: one message for each due row of any kind."""
    for kind, (model, _) in KINDS.items():
        for pk in model._default_manager.due().values_list("pk", flat=True)[:MOST_PER_SWEEP]:
            advance.apply_async((kind, pk), expires=EXPIRES)
    for pk in bulk.due().values_list("pk", flat=True)[:MOST_PER_SWEEP]:
        change_many_rows.apply_async((pk,), expires=EXPIRES)


@app.task
def advance(kind: str, pk: int) -> None:
    """Take one row as far as it goes now; if it wants to go on within moments, do not wait for the sweep."""
    model, step = KINDS[kind]
    step(pk)
    soon = Q(lease_until=None, next_attempt_at__lte=Now() + timedelta(seconds=SOON))
    job = model._default_manager.unfinished().filter(soon, pk=pk).first()
    if job and job.next_attempt_at:
        pause = max(0.0, (job.next_attempt_at - timezone.now()).total_seconds())
        advance.apply_async((kind, pk), countdown=pause, expires=pause + EXPIRES)


@app.task
def change_many_rows(pk: int) -> None:
    """Take a change of many rows as far as it goes."""
    bulk.advance(pk)


@app.task
def weigh_rows() -> None:
    """Every 15 seconds: what has come is put in its place in the queue."""
    attention.sweep()


@app.task
def count_coverage() -> None:
    """Every minute: new rows get their region, contradictions are found, and now and then all is counted."""
    pairs.sweep()
    coverage.sweep()


@app.task
def check_policies() -> None:
    """Every minute: each project that trains itself says why it does not, or begins."""
    for run in readiness.check_all():
        nudge(run)


@app.task
def gather_notices() -> None:
    """Every half minute: what happened is told to those who asked for it."""
    notices.gather()


@app.task
def look_at_retirements() -> None:
    """Every hour, because beat counts from its start: until when the bases of tuned models will answer."""
    retirement.look()


@app.task
def load_demo(user_id: int) -> None:
    """Bring the demo projects; what is there already stays as it is."""
    try:
        demo.load(User.objects.get(pk=user_id))
    except demo.DemoError as error:
        log.warning("demo for user %s: %s", user_id, error)
