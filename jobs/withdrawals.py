"""Taking rows back for good: out of the queue and the next version, out of providers' files, and out of the texts.

Models keep what they were taught; they are marked, and a retraining can be asked for.
"""

import logging
import uuid
from collections.abc import Sequence

from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from curation.erasure import erase
from curation.models import Exchange, Project, Review, SealedKeyUnreadable, User
from curation.search import with_excerpts
from curation.verdicts import State, Verb, locked, review_of, write

from . import exports, readiness
from .holdings import Holdings, holdings_of
from .models import FileRemoval, RetrainingRun, Taint, Withdrawal
from .providers.base import ProviderError
from .providers.openai import Service

log = logging.getLogger(__name__)
MOST_ROWS = 1000
# All that a row of a table made, also in copies of the draft: what repeats it, and what was not asked yet and is asked
# no more. Answers that are rows of their own stay with them.
_OF_TABLES = """
WITH theirs AS (
    SELECT g."table", i.row_number FROM jobs_generationitem i JOIN jobs_generation g ON g.id = i.generation_id
    JOIN curation_exchange x ON x.project_id = g.project_id AND x.prompt_key = i.prompt_key
    WHERE x.id = ANY(%(rows)s)
    UNION
    SELECT g."table", i.row_number FROM jobs_generationitem i JOIN jobs_generation g ON g.id = i.generation_id
    WHERE i.exchange_id = ANY(%(rows)s)
)
UPDATE jobs_generationitem i SET prompt = 'Erased ' || i.id, variables = '{}',
    status = CASE WHEN i.status IN ('draft', 'waiting', 'failed') THEN 'known' ELSE i.status END
FROM jobs_generation g, theirs t
WHERE g.id = i.generation_id AND g."table" = t."table" AND i.row_number = t.row_number
    AND (i.exchange_id IS NULL OR i.exchange_id = ANY(%(rows)s))
"""
# The machines' part of an erasure; curation/erasure.py has the people's. It comes first: what a model wrote or was
# shown as an input names no row, and is found by the prompt as long as that is there.
STATEMENTS = (
    "UPDATE jobs_evaluationresult r SET answer = NULL, error = 'Erased.', grades = '{}' FROM curation_example x "
    "WHERE x.id = r.example_id AND x.exchange_id = ANY(%(rows)s)",
    # What a model said of answers may quote any of them, and names none: the scores alone are kept.
    "UPDATE jobs_judgement SET said = '', value = CASE WHEN jsonb_typeof(value) = 'object' THEN value - 'reason' END "
    "WHERE project_id IN (SELECT project_id FROM curation_exchange WHERE id = ANY(%(rows)s))",
    "UPDATE jobs_escrowanswer SET answer = NULL, error = 'Erased.' WHERE exchange_id = ANY(%(rows)s)",
    "UPDATE jobs_shadowanswer SET answer = NULL, error = 'Erased.' WHERE exchange_id = ANY(%(rows)s)",
    "UPDATE jobs_repair SET note = 'Erased.', answer = '', proposal = NULL WHERE exchange_id = ANY(%(rows)s)",
    _OF_TABLES,
    "UPDATE jobs_draftedinput d SET text = 'Erased ' || d.id FROM jobs_inputdraft f, curation_exchange x WHERE "
    "f.id = d.draft_id AND x.id = ANY(%(rows)s) AND f.project_id = x.project_id AND d.prompt_key = x.prompt_key",
    "UPDATE jobs_inputdraft f SET examples = (SELECT COALESCE(jsonb_agg(shown), '[]') FROM jsonb_array_elements("
    "f.examples) AS shown WHERE NOT EXISTS (SELECT FROM curation_exchange x WHERE x.id = ANY(%(rows)s) AND "
    "x.project_id = f.project_id AND starts_with(x.user_prompt::text, shown #>> '{}'))) WHERE f.project_id IN "
    "(SELECT project_id FROM curation_exchange WHERE id = ANY(%(rows)s))",
)
PATIENCE = 30  # seconds between two looks at a retraining that is under way


class NothingToWithdraw(Exception):
    """No row was named, or too many; the message says what to do."""


@transaction.atomic
def withdraw(
    project: Project,
    rows: Sequence[int],
    user: User,
    reason: str,
    *,
    is_erasure: bool = False,
    wants_retraining: bool = False,
) -> Withdrawal:
    """Exclude the rows in the person's name, mark the models that were taught them, and note which files at providers
    have to go; a worker does the rest. Raises NothingToWithdraw.
    """
    found = list(project.exchanges.filter(pk__in=rows).order_by("pk").values_list("pk", flat=True))
    if not found:
        raise NothingToWithdraw("Name the rows that are to be withdrawn.")
    if len(found) > MOST_ROWS:
        raise NothingToWithdraw(f"At most {MOST_ROWS:,} rows at once; these are {len(found):,}.")
    withdrawal = Withdrawal.objects.create(
        project=project, reason=reason, is_erasure=is_erasure, wants_retraining=wants_retraining, created_by=user
    )
    withdrawal.exchanges.set(found)
    for pk in found:
        _exclude(project, pk, user, reason)
    holdings = holdings_of(project, found)
    FileRemoval.objects.bulk_create(
        FileRemoval(withdrawal=withdrawal, provider=provider, file_id=file_id)
        for (_, file_id), provider in holdings.remote_files.items()
    )
    Taint.objects.bulk_create(
        Taint(withdrawal=withdrawal, model_version=model, row_count=model.taught_count)  # type: ignore[attr-defined]
        for model in holdings.models
    )
    log.info("withdrawal %s of %s rows models=%s", withdrawal.pk, len(found), len(holdings.models))
    return withdrawal


def _exclude(project: Project, pk: int, user: User, reason: str) -> None:
    """A verdict like any other, so that the row's history says who took it back and why."""
    row = locked(project, pk)
    if row.state != State.EXCLUDED:
        review = review_of(row, user, Verb.EXCLUDED, uuid.uuid4(), Review.Via.BUTTON)
        review.state_after, review.note = State.EXCLUDED, f"Withdrawn: {reason}"
        review.target_after, review.origin_after = row.target, row.target_origin
        write(row, review, included=None, decided_by=user)
    row.slots.filter(done_at=None).update(
        reviewer=user, done_at=Now(), claim_token=None, claimed_until=None, not_before=None
    )


def holdings(withdrawal: Withdrawal) -> Holdings:
    return holdings_of(withdrawal.project, list(withdrawal.exchanges.values_list("pk", flat=True)))


def advance(pk: int) -> None:
    """Take a withdrawal as far as it goes now (for a worker). Each step may run twice."""
    withdrawal = Withdrawal.claim(pk)
    if withdrawal is None:
        return
    # The texts first: a provider that is away must not keep them here.
    if withdrawal.is_erasure and not withdrawal.erased_at and not _erase(withdrawal):
        return
    left = _remove_files(withdrawal)
    if left is not None:
        withdrawal.retry(left, for_ever=True)
        return
    wants_run = withdrawal.wants_retraining and withdrawal.retraining is None and withdrawal.taints.exists()
    if wants_run and not _ask_for_retraining(withdrawal):
        return
    if withdrawal.settle(Withdrawal.Status.SUCCEEDED):
        log.info("withdrawal %s done", withdrawal.pk)


def _erase(withdrawal: Withdrawal) -> bool:
    """Files here that hold the texts go with them, and are written anew without when somebody asks."""
    rows = list(withdrawal.exchanges.values_list("pk", flat=True))
    held = holdings_of(withdrawal.project, rows).exports
    with transaction.atomic():
        if withdrawal.project.exchanges.included().filter(pk__in=rows).exists():
            words = "A row was included again, so nothing was erased. Exclude it, and withdraw it anew."
            withdrawal.settle(Withdrawal.Status.FAILED, words)
            return False
        _remove_tables(withdrawal.project, rows)
        _erase_of_machines(rows)
        erase(withdrawal.project, rows)
    for export in held:
        exports.remove(export)
    return withdrawal.keep(erased_at=Now())


def _remove_tables(project: Project, rows: list[int]) -> None:
    """Uploaded tables that made one of these prompts, while the prompts still tell which. Who needs such a table again
    uploads it without the person.
    """
    keys = Exchange.objects.filter(pk__in=rows).values("prompt_key")
    made = Q(items__exchange__in=rows) | Q(items__prompt_key__in=keys)
    for name in set(project.generations.filter(made).values_list("table", flat=True)):
        default_storage.delete(name)


def _erase_of_machines(rows: list[int]) -> None:
    """What models said of the rows, and the prompts that generations made them from."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL curation.erase = 'on'")
        for statement in STATEMENTS:
            cursor.execute(statement, {"rows": rows})
        cursor.execute("SET LOCAL curation.erase = 'off'")


def _remove_files(withdrawal: Withdrawal) -> str | None:
    """Have the providers delete what is left; why something is still there, or None."""
    words = None
    for removal in withdrawal.removals.filter(removed_at=None).select_related("provider"):
        provider = removal.provider
        try:
            with Service(provider.url, provider.open_key(), provider.reach) as service:
                service.remove_file(removal.file_id)
        except (ProviderError, SealedKeyUnreadable) as error:
            words = f"{provider.name} still has the file {removal.file_id}. {error}"
            FileRemoval.objects.filter(pk=removal.pk).update(error=str(error))
        else:
            FileRemoval.objects.filter(pk=removal.pk).update(removed_at=Now(), error="")
        if not withdrawal.keep():
            break
    return words


def _ask_for_retraining(withdrawal: Withdrawal) -> bool:
    """A run that has frozen its version already may hold the rows; then another one follows it."""
    policy = readiness.policy_of(withdrawal.project)
    try:
        run = readiness.start(policy, RetrainingRun.Trigger.PERSON, withdrawal.created_by)
    except readiness.AlreadyRunning as running:
        run = running.run
        if run.version_id is not None:
            withdrawal.wait(PATIENCE)
            return False
    return withdrawal.keep(retraining=run)


def rows_named(project: Project, numbers: Sequence[int], name: str) -> list[Exchange]:
    """The rows of these numbers, and those of calls that bear this own id or tag; their bodies stay behind."""
    wanted = Q(pk__in=numbers)
    if name:
        theirs = project.calls.filter(Q(own_id=name) | Q(tags__contains=[name]), exchange__isnull=False)
        wanted |= Q(pk__in=theirs.values("exchange"))
    return list(with_excerpts(project.exchanges.without_bodies().filter(wanted)).order_by("pk")[: MOST_ROWS + 1])
