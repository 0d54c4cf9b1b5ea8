"""Brings rows into the search a moment after they were stored, so that no call and no verdict waits for its indexes."""

from django.db import connection, transaction

from .models import Project, SearchDue

BATCH = 200  # rows; so long, some 50 ms, may a call have to wait for the recorder

_TAKE = """
DELETE FROM curation_searchdue WHERE exchange_id IN (
    SELECT exchange_id FROM curation_searchdue ORDER BY exchange_id LIMIT %s FOR UPDATE SKIP LOCKED
) RETURNING exchange_id
"""
# A statement of its own: it sees whatever was committed before the rows were taken.
_COPY = """
INSERT INTO curation_searchtext (exchange_id, project_id, prompt, answer)
SELECT id, project_id, left(user_prompt::text, 20000), left(COALESCE(target, response, ''), 20000)
FROM curation_exchange WHERE id = ANY(%s) ORDER BY id
ON CONFLICT (exchange_id) DO UPDATE SET prompt = EXCLUDED.prompt, answer = EXCLUDED.answer
"""


def catch_up() -> int:
    """Bring the rows that wait longest into the search; how many it were, 0 when none waits. Any number of processes
    may do this at once. Raises DatabaseError; then the rows go on waiting.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TAKE, [BATCH])
        taken = [row[0] for row in cursor.fetchall()]
        if taken:
            cursor.execute(_COPY, [taken])
    return len(taken)


def is_behind(project: Project) -> bool:
    """Whether a row of the project waits for the search."""
    return SearchDue.objects.filter(project=project).exists()
