"""Rows like one under review, with what became of them: near-duplicates, and prompts that are spelt alike."""

import re
from dataclasses import dataclass
from typing import Any

from django.db import connection

from .answers import reads_as_json, says_the_same
from .models import Exchange, Project

SHOWN = 8
EXCERPT = 160  # characters
COMPARED = 1_000  # characters of a prompt
# Neighbours are looked for among rows that share the longest words: four of them, and where that finds too few, two. So
# the cost hangs on how rare the words are and never on how many rows there are.
WORDS_SHARED = (4, 2)
CANDIDATES = 200
LEAST_LIKENESS = 0.3
_WORD = re.compile(r"[^\W_]{4,}")
_COLUMNS = """
    e.id, e.state, e.split, left(e.user_prompt::text, %(excerpt)s) AS excerpt,
    left(COALESCE(e.target, e.response), %(excerpt)s) AS answer_excerpt, COALESCE(e.target, e.response) AS answer,
    similarity(left(e.user_prompt::text, %(compared)s), %(prompt)s) AS likeness
"""
_FAMILY = f"""
SELECT {_COLUMNS} FROM curation_exchange e JOIN curation_family f ON f.id = e.family_id
WHERE e.project_id = %(project)s AND e.id <> %(row)s AND (f.id = %(family)s OR f.merged_into_id = %(family)s)
ORDER BY (e.state IN ('included', 'excluded')) DESC, likeness DESC, e.id DESC LIMIT %(limit)s
"""  # noqa: S608 - constants above, values as parameters
# Written as the index search_words has it. The inner LIMIT comes before any sorting.
_SPELT_ALIKE = f"""
SELECT * FROM (
    SELECT {_COLUMNS} FROM (
        SELECT exchange_id FROM curation_searchtext
        WHERE project_id = %(project)s AND exchange_id <> ALL(%(known)s)
          AND curation_words(prompt, answer) @@ to_tsquery('simple', %(words)s)
        LIMIT %(candidates)s
    ) t JOIN curation_exchange e ON e.id = t.exchange_id
) found
WHERE likeness >= %(least)s ORDER BY likeness DESC, id DESC LIMIT %(limit)s
"""  # noqa: S608 - constants above, values as parameters


@dataclass(frozen=True)
class Similar:
    """`likeness` is the share of three-letter pieces that both prompts have, 0 to 1. `differs`: it teaches another
    answer than the row under review, so one of the two may be wrong.
    """

    id: int
    state: str
    split: str
    excerpt: str
    answer_excerpt: str
    likeness: float
    is_family: bool
    differs: bool


def similar_to(project: Project, row: Exchange) -> list[Similar]:
    """The nearest first, near-duplicates before the others; at most 8."""
    values: dict[str, Any] = {
        "project": project.pk, "row": row.pk, "excerpt": EXCERPT, "compared": COMPARED,
        "prompt": row.user_prompt[:COMPARED], "limit": SHOWN, "candidates": CANDIDATES, "least": LEAST_LIKENESS,
    }  # fmt: skip
    found: list[dict[str, Any]] = []
    if row.family is not None:
        found = _rows(_FAMILY, values | {"family": row.family.merged_into_id or row.family_id})
    families = {line["id"] for line in found}
    for words in _longest_words(values["prompt"]):
        if len(found) >= SHOWN:
            break
        known = [row.pk, *(line["id"] for line in found)]
        found += _rows(_SPELT_ALIKE, values | {"known": known, "words": words, "limit": SHOWN - len(found)})
    return [_similar(project, row, line, line["id"] in families) for line in found]


def _longest_words(prompt: str) -> list[str]:
    """What the full-text index is asked for, most demanding first."""
    words = sorted({word.lower() for word in _WORD.findall(prompt)}, key=lambda word: (-len(word), word))
    asked = [" & ".join(words[:count]) for count in WORDS_SHARED if len(words) >= count]
    return asked or [word for word in words[:1] if word]


def _rows(sql: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, line, strict=True)) for line in cursor.fetchall()]


def _similar(project: Project, row: Exchange, line: dict[str, Any], is_family: bool) -> Similar:
    answer = line.pop("answer")
    is_json = reads_as_json(project, row.tools, answer)
    is_taught = line["state"] == Exchange.State.INCLUDED
    differs = is_taught and row.teaches is not None and not says_the_same(answer, row.teaches, is_json)
    return Similar(**line, is_family=is_family, differs=differs)
