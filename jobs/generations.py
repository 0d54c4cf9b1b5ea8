"""What a person may do with prompts that are drafted, and how they stand. The asking itself is in asking.py.

Buttons and the worker take turns at the generation's row lock, so that no press of a button is lost between two steps.
"""

import logging
from dataclasses import dataclass

from django.contrib.postgres.functions import RandomUUID
from django.db import transaction
from django.db.models import BooleanField, Count, F, Func, Q, Sum
from django.db.models.functions import Coalesce, Length, Now

from .asking import advance, count_done
from .drafting import NotPossible, copy, draft, draft_example, first_rows, write
from .models import Generation, GenerationItem
from .verbatim import CHARACTERS_PER_TOKEN

__all__ = [
    "FEW",
    "SAMPLE",
    "NotPossible",
    "advance",
    "copy",
    "draft",
    "draft_example",
    "figures",
    "first_rows",
    "pause",
    "resume",
    "retry_failed",
    "sentence",
    "start",
    "write",
]

log = logging.getLogger(__name__)

Status = GenerationItem.Status
SAMPLE = 10
# Fewer prompts are too few to tune a model on, as a rule of thumb.
FEW = 200


@dataclass(frozen=True)
class Figures:
    """How many prompts of a generation stand where. `tokens` is a rough count of what was not sent yet."""

    draft: int
    waiting: int
    answered: int
    failed: int
    known: int
    repeated: int
    known_drafts: int  # not asked yet, and the project has an answer for them
    with_empty_cell: int
    rows_without: int  # rows of the table that make no prompt
    tokens: int

    @property
    def prompts(self) -> int:
        """Different prompts the table makes."""
        return self.draft + self.asked + self.known

    @property
    def asked(self) -> int:
        return self.waiting + self.answered + self.failed

    @property
    def new(self) -> int:
        """What "Run all" would send."""
        return self.draft - self.known_drafts

    @property
    def skipped(self) -> int:
        """What it would leave out, unless it is to ask again."""
        return self.known + self.known_drafts


_HAS_EMPTY_CELL = Func(
    F("variables"),
    template="""jsonb_path_exists(%(expressions)s, '$.* ? (@ == "")')""",
    output_field=BooleanField(),
)


def figures(generation: Generation) -> Figures:
    items, unsent = generation.items.all(), Q(status__in=[Status.DRAFT, Status.WAITING])
    found = items.aggregate(
        **{status: Count("pk", filter=Q(status=status)) for status in Status.values},
        with_empty_cell=Count("pk", filter=Q(_HAS_EMPTY_CELL)),
        rows_without=generation.row_count - Count("row_number", distinct=True),
        tokens=Coalesce(Sum(Length("prompt") + len(generation.system_prompt), filter=unsent), 0) / CHARACTERS_PER_TOKEN,
    )
    known_drafts = items.filter(status=Status.DRAFT).known_in(generation.project).count() if found["draft"] else 0
    # More figures would promise more than four characters a token can tell.
    found["tokens"] = int(float(f"{found['tokens']:.2g}"))
    return Figures(**found, known_drafts=known_drafts)


def sentence(generation: Generation, found: Figures) -> str:
    """How a generation stands, in words."""
    done = f"{generation.done_count:,} of {generation.total_count:,} prompts are done"
    if generation.status == generation.Status.CANCELLED:
        return f"Cancelled: {done}." if generation.total_count else "Cancelled before anything was sent."
    if generation.is_finished:
        failed = f", {found.failed:,} failed" if found.failed else ""
        return f"Finished: {found.answered:,} of {found.prompts:,} prompts are answered{failed}."
    if generation.cancel_requested_at:
        return "It ends when the answers under way have come in."
    if generation.is_draft:
        return "Nothing was sent yet."
    if generation.error:
        return generation.error if generation.is_parked else f"{generation.error} It is tried again by itself; {done}."
    if generation.pause_requested_at:
        return f"Paused: {done}." if generation.is_parked else "It pauses when the answers under way have come in."
    if generation.is_parked:
        return f"The sample is done. {found.draft:,} prompts were not sent."
    return f"Running: {done}."


# Buttons


@transaction.atomic
def start(generation: Generation, *, sample: int | None = None, asks_again: bool = False) -> int:
    """Have a worker ask the prompts: all that were not asked, or so many of them drawn at random. Returns how many.

    Prompts the project has an answer for are left out unless `asks_again`. Raises NotPossible.
    """
    run = Generation.locked(generation.pk)
    if run.is_finished or run.cancel_requested_at:
        raise NotPossible("This generation has ended. Copy it to run its table again.")
    if sample and run.items.waiting().exists():
        raise NotPossible("Prompts are being asked already. Draw another sample when they are answered.")
    askable = run.items.filter(status__in=[Status.DRAFT, Status.KNOWN] if asks_again else [Status.DRAFT])
    if not asks_again:
        askable.known_in(run.project).update(status=Status.KNOWN)
    if sample:
        # The ids of the calls are random, so their order is a draw, and the same one each time.
        drawn = askable.order_by("call_id").values_list("pk", flat=True)[:sample]
        askable = run.items.filter(pk__in=list(drawn))
    count = askable.update(status=Status.WAITING, attempts=0)
    if not count:
        raise NotPossible("There is nothing new to ask: the project has an answer for each prompt of this table.")
    _set_going(generation, asks_again=asks_again)
    log.info("%s started prompts=%s", run, count)
    return count


@transaction.atomic
def pause(generation: Generation) -> bool:
    """Stop after the answers under way. False when there is nothing to stop."""
    run = Generation.locked(generation.pk)
    can_pause = run.is_moving and not run.pause_requested_at
    if can_pause:
        _change(generation, pause_requested_at=Now(), next_attempt_at=Now())
    return can_pause


@transaction.atomic
def resume(generation: Generation, **limits: object) -> bool:
    """Go on after a pause or a stop, with these limits. False when it has ended."""
    run = Generation.locked(generation.pk)
    can_resume = not run.is_finished and not run.cancel_requested_at
    if can_resume:
        run.items.waiting().update(attempts=0)
        _set_going(generation, **limits)
    return can_resume


@transaction.atomic
def retry_failed(generation: Generation) -> int:
    """Ask the failed prompts again, each as a new call; a generation that had ended goes on. Returns how many.

    Raises NotPossible when it was cancelled.
    """
    run = Generation.locked(generation.pk)
    if run.cancel_requested_at:
        raise NotPossible("This generation was cancelled. Copy it to run its table again.")
    failed = run.items.filter(status=Status.FAILED)
    count = failed.update(status=Status.WAITING, attempts=0, error="", call_id=RandomUUID())
    if count:
        _set_going(generation, **({"status": run.Status.PENDING, "finished_at": None} if run.is_finished else {}))
        log.info("%s retried prompts=%s", run, count)
    return count


def _set_going(generation: Generation, **changes: object) -> None:
    _change(generation, error="", setback_count=0, pause_requested_at=None, next_attempt_at=Now(), **changes)


def _change(generation: Generation, **changes: object) -> None:
    Generation.objects.filter(pk=generation.pk).update(**changes)
    count_done(generation)
    generation.refresh_from_db()
