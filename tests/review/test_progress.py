"""What is left and what a person did today, said the same and at the same cost after many verdicts."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from curation.models import Review
from curation.queue import last_verdicts, progress
from curation.review import redo, undo
from tests.asking import ask, ask_many

MANY = """
INSERT INTO curation_review (
    action_id, project_id, exchange_id, reviewer_id, source, verb, via, note, is_opinion, reasons, state_before,
    state_after, origin_before, origin_after, version_after, created_at
)
SELECT gen_random_uuid(), %s, %s, %s, '', 'excluded', 'key', '', false, '{}', 'pending', 'excluded', 'captured',
    'captured', 2, now() - interval '30 days' + n * interval '1 second'
FROM generate_series(1, 20000) n
"""


@pytest.fixture
def after_many_verdicts(project, ana):
    """Ana decided twenty thousand times in the month before."""
    with connection.cursor() as cursor:
        cursor.execute(MANY, [project.pk, ask(project, "A prompt of last month").pk, ana.pk])
        cursor.execute("ANALYZE curation_review")


def today(project, user):
    found = progress(project, user)
    return found.today, found.can_undo


def test_today_counts_what_stands(project, ana, give):
    assert today(project, ana) == (0, False)
    for row in ask_many(project, 3):
        give(row, ana, "included")
    assert today(project, ana) == (3, True)
    undo(project, ana)
    undo(project, ana)
    assert today(project, ana) == (1, True)
    redo(project, ana)
    assert today(project, ana) == (2, True)
    undo(project, ana)
    undo(project, ana)
    assert today(project, ana) == (0, False)


def test_what_is_undone_of_another_day_takes_nothing_from_today(project, ana, give):
    for row in ask_many(project, 2):
        give(row, ana, "included")
    with connection.cursor() as cursor:  # the table is append-only for all but who may do this
        cursor.execute("SET LOCAL session_replication_role = replica")
        Review.objects.update(created_at=timezone.now() - timedelta(days=2))
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    assert today(project, ana) == (0, True)
    undo(project, ana)
    assert today(project, ana) == (0, True)
    redo(project, ana)
    assert today(project, ana) == (1, True)


def test_many_beyond_a_thousand_are_all_counted(project, ana):
    row = ask(project, "Where?")
    with connection.cursor() as cursor:
        cursor.execute(MANY.replace("now() - interval '30 days' +", "now() + 0 *"), [project.pk, row.pk, ana.pk])
    assert today(project, ana) == (20_000, True)


def test_what_can_be_undone_is_found_behind_whatever_was_undone_since(project, ana, give):
    for row in ask_many(project, 60):
        give(row, ana, "included")
    for _ in range(59):
        undo(project, ana)
    assert today(project, ana) == (1, True)
    undo(project, ana)
    assert today(project, ana) == (0, False)


@pytest.mark.usefixtures("after_many_verdicts")
def test_no_statement_reads_all_that_was_ever_decided(project, ana, give):
    give(ask(project, "Where?"), ana, "included")
    with CaptureQueriesContext(connection) as asked:
        assert today(project, ana) == (1, True)
        last_verdicts(project, ana)
        undo(project, ana)
    reads = [query["sql"] for query in asked if "curation_review" in query["sql"] and "SELECT" in query["sql"][:40]]
    reads += [query["sql"] for query in asked if query["sql"].lstrip().startswith("WITH")]
    assert len(reads) >= 3
    with connection.cursor() as cursor:
        for statement in reads:
            cursor.execute(f"EXPLAIN {statement}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "Seq Scan on curation_review " not in plan, f"{statement}\n{plan}"


def test_what_was_counted_of_a_long_day_is_not_counted_anew(project, ana, give, monkeypatch):
    monkeypatch.setattr("curation.queue.TODAY_COUNTED", 2)
    rows = ask_many(project, 8)
    for row in rows[:4]:
        give(row, ana, "included")
    assert today(project, ana) == (4, True)
    with CaptureQueriesContext(connection) as asked:
        assert today(project, ana) == (4, True)
    (kept,) = [query["sql"] for query in asked if "counted" in query["sql"]]
    newest = Review.objects.order_by("created_at").last()
    assert newest.created_at.isoformat(" ") in kept  # from there on, and not from midnight
    undo(project, ana)
    undo(project, ana)
    assert today(project, ana) == (2, True)
    redo(project, ana)
    for row in rows[4:]:
        give(row, ana, "excluded")
    assert today(project, ana) == (7, True)
    assert today(project, ana) == (7, True)
