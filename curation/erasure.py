"""Blanking what a person said, the one way round the rule that history is never rewritten.

Hashes, times, verdicts and who gave them stay: they say that something was there, and where it went. What lies in files
and at providers is not reached from here.
"""

import logging
from collections.abc import Sequence

from django.db import connection, transaction

from .models import Project

log = logging.getLogger(__name__)
# In this order: feedback is found by its call's own id, which is blanked after it.
STATEMENTS = (
    "UPDATE curation_feedback f SET comment = '', demonstration = '', thumb = COALESCE(thumb, 0), own_id = CASE "
    "WHEN f.call_id IS NULL THEN 'erased' ELSE '' END FROM curation_loggedcall c WHERE c.exchange_id = ANY(%(rows)s) "
    "AND f.project_id = c.project_id AND (f.call_id = c.id OR (c.own_id <> '' AND f.own_id = c.own_id))",
    "UPDATE curation_loggedcall SET request_body = '', response_body = '', answer = NULL, own_id = '', tags = '{}', "
    "client_request_id = '', user_agent = '' WHERE exchange_id = ANY(%(rows)s)",
    "UPDATE curation_answer SET text = '' WHERE exchange_id = ANY(%(rows)s)",
    "UPDATE curation_disagreement SET answer = '' WHERE exchange_id = ANY(%(rows)s)",
    "UPDATE curation_mustpass SET note = '' WHERE exchange_id = ANY(%(rows)s)",
    "UPDATE curation_waiver SET reason = 'Erased.' WHERE exchange_id = ANY(%(rows)s)",
    "DELETE FROM curation_draft WHERE exchange_id = ANY(%(rows)s)",
    "UPDATE curation_review SET note = '', target_before = NULL, target_after = NULL WHERE exchange_id = ANY(%(rows)s)",
    "UPDATE curation_example SET body = '' WHERE exchange_id = ANY(%(rows)s)",
    "UPDATE curation_exchange SET user_prompt = 'Erased ' || id, messages = '[]', response = NULL, target = NULL, "
    "tools = NULL, answer_schema = NULL, version = version + 1 WHERE id = ANY(%(rows)s)",
    # After the row itself: a copy that was just being made of it as it was is gone as well.
    "DELETE FROM curation_searchtext WHERE exchange_id = ANY(%(rows)s)",
)


@transaction.atomic
def erase(project: Project, rows: Sequence[int]) -> int:
    """Blank all texts of these rows of the project, also in frozen versions; how many rows it were. Repeating is safe.

    They must not be included any more: an erased row teaches nothing. Raises ValueError.
    """
    ours = project.exchanges.filter(pk__in=rows).order_by("pk").select_for_update()
    found = list(ours.values_list("pk", "included"))
    if any(included for _, included in found):
        raise ValueError("A row that is included cannot be erased.")
    ids = [pk for pk, _ in found]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL curation.erase = 'on'")
        for statement in STATEMENTS:
            cursor.execute(statement, {"rows": ids})
        cursor.execute("SET LOCAL curation.erase = 'off'")
    log.info("project %s: %s rows erased", project.pk, len(ids))
    return len(ids)
