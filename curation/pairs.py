"""Contradictions: near-identical prompts included with different answers. Found by family, settled by people."""

import logging

from django.db import connection, transaction
from django.db.models.functions import Now

from .claims import first_slot, hold
from .json_layout import same_value
from .models import Exchange, Pair, Project, User
from .review import Ticket, decide

logger = logging.getLogger(__name__)
State = Pair.State
MOST = 1000  # that are looked at; who settles some sees the others after
_FIND = """
WITH taught AS MATERIALIZED (
    SELECT e.id, e.version, COALESCE(f.merged_into_id, f.id) AS family, COALESCE(e.target, e.response) AS answer
    FROM curation_exchange e JOIN curation_family f ON f.id = e.family_id
    WHERE e.project_id = %s AND e.included IS NOT NULL
)
SELECT a.id, a.version, b.id, b.version, a.answer, b.answer
FROM taught a JOIN taught b ON b.family = a.family AND b.id > a.id AND btrim(b.answer) <> btrim(a.answer)
ORDER BY a.id, b.id LIMIT %s
"""


def sweep() -> None:
    """Bring the pairs of every project up to date."""
    for project in Project.objects.filter(archived_at=None):
        refresh(project)


def refresh(project: Project) -> int:
    """Write down new contradictions, and that others are none any more; how many are open.

    A pair that was waived is open again once one of its rows has changed.
    """
    found = {(pair.first_id, pair.second_id): pair for pair in _contradictions(project)}
    with transaction.atomic():
        known = {(pair.first_id, pair.second_id): pair for pair in project.pairs.select_for_update().order_by("id")}
        Pair.objects.bulk_create([pair for ids, pair in found.items() if ids not in known], ignore_conflicts=True)
        again = [
            _open_again(known[ids], pair) for ids, pair in found.items() if ids in known and _differs(known[ids], pair)
        ]
        gone = [pair.pk for ids, pair in known.items() if ids not in found and pair.state == State.OPEN]
        Pair.objects.bulk_update(again, ["state", "first_version", "second_version", "settled_by", "settled_at"])
        Pair.objects.filter(pk__in=gone).update(state=State.SETTLED, settled_at=Now())
    return project.pairs.filter(state=State.OPEN).count()


def settle(pair: Pair, user: User, choice: str, text: str = "") -> None:
    """`first` or `second`: both rows get that one's answer; `edited`: both get this text; `neither` excludes both;
    `same` lets the pair pass.

    Raises Stale and Refused as any verdict does; then nothing was written.
    """
    with transaction.atomic():
        if choice == "neither":
            for row in (pair.first, pair.second):
                _decide(pair, row, user, "excluded", None)
        elif choice == "edited":
            for row in (pair.first, pair.second):
                _decide(pair, row, user, "included", text)
        elif choice in ("first", "second"):
            right, wrong = (pair.first, pair.second) if choice == "first" else (pair.second, pair.first)
            _decide(pair, wrong, user, "included", right.teaches)
        state = State.WAIVED if choice == "same" else State.SETTLED
        Pair.objects.filter(pk=pair.pk).update(state=state, settled_by=user, settled_at=Now())
    logger.info("pair %s %s by user %s", pair.pk, state, user.pk)


def _contradictions(project: Project) -> list[Pair]:
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [project.pk, MOST])
        return [
            Pair(project=project, first_id=first, first_version=of_first, second_id=second, second_version=of_second)
            for first, of_first, second, of_second, one, other in cursor
            if not same_value(one, other)
        ]


def _differs(known: Pair, found: Pair) -> bool:
    versions = ("first_version", "second_version")
    return known.state != State.OPEN and any(getattr(known, name) != getattr(found, name) for name in versions)


def _open_again(known: Pair, found: Pair) -> Pair:
    known.state, known.settled_by, known.settled_at = State.OPEN, None, None
    known.first_version, known.second_version = found.first_version, found.second_version
    return known


def _decide(pair: Pair, row: Exchange, user: User, verb: str, target: str | None) -> None:
    slot = hold(row, user) or first_slot(row)
    version = pair.first_version if row.pk == pair.first_id else pair.second_version
    ticket = Ticket(row.pk, version, slot.pk, slot.claim_token)
    decide(pair.project, user, verb, ticket, target=target)
