"""Which rows come first: weighs rows in the background, a batch at a time, and remembers how far it has come.

No request waits for it. New rows are weighed first, then those about which something new is known (another call,
feedback, another model's answer), then the rest from the newest down; and all again when the included set has grown by
a tenth or the rules have changed.
"""

import logging
import time
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from .models import Attention, AttentionRule, Project, ReviewSlot
from .signals import Facts, Judge, Reason, Rule, likelihood

logger = logging.getLogger(__name__)
BATCH = 200  # rows
SECONDS = 5.0  # that one project may take of a sweep
LEASE = timedelta(minutes=2)
# Times are those of statements, and a transaction may commit later than one that began after it.
LATE = timedelta(minutes=1)
WINDOW = timedelta(hours=1)
COUNTED_EVERY = timedelta(minutes=5)
ANSWER_LENGTH, PROMPT_LENGTH = 50_000, 4_000  # characters that are looked at
# Of a prompt's calls only the newest are asked for feedback, so that a row costs the same however often it was seen.
_FACTS = """
SELECT e.id, left(e.user_prompt::text, %(prompt_length)s), CASE WHEN length(answer.text) <= %(answer_length)s
        THEN answer.text END, e.answer_schema::text, e.seen_count, e.answer_count, call.finish_reason, call.body,
    said.thumbs_down, said.demonstrations, near.likeness,
    ARRAY(SELECT d.model FROM curation_disagreement d WHERE d.exchange_id = e.id ORDER BY d.noted_at DESC)
FROM curation_exchange e
CROSS JOIN LATERAL (SELECT COALESCE(e.target, e.response, '') AS text) AS answer
LEFT JOIN LATERAL (
    SELECT c.finish_reason, CASE WHEN length(c.response_body) < 400000
        AND c.response_body ~ '"(logprob|token_logprobs)"' THEN c.response_body END AS body
    FROM curation_loggedcall c WHERE c.exchange_id = e.id AND c.outcome = 'completed'
    ORDER BY c.started_at DESC LIMIT 1
) AS call ON true
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE f.thumb = -1) AS thumbs_down,
        count(*) FILTER (WHERE f.demonstration <> '') AS demonstrations
    FROM (
        SELECT c.id, NULLIF(c.own_id, '') AS own_id FROM curation_loggedcall c WHERE c.exchange_id = e.id
        ORDER BY c.started_at DESC LIMIT 100
    ) AS c JOIN curation_feedback f ON f.project_id = e.project_id AND (f.call_id = c.id OR f.own_id = c.own_id)
) AS said ON %(has_feedback)s
LEFT JOIN LATERAL (
    SELECT 1 - (left(n.user_prompt::text, 500) <-> left(e.user_prompt::text, 500)) AS likeness
    FROM curation_exchange n WHERE n.project_id = %(project)s AND n.included IS NOT NULL AND n.id <> e.id
    ORDER BY left(n.user_prompt::text, 500) <-> left(e.user_prompt::text, 500) LIMIT 1
) AS near ON true
WHERE e.project_id = %(project)s AND e.id = ANY (%(ids)s)
    AND EXISTS (SELECT 1 FROM curation_reviewslot s WHERE s.exchange_id = e.id AND s.done_at IS NULL)
"""
# Slots are locked in the order of their ids, as by every writer of many; those that would not change are left alone.
_WEIGH = """
WITH weighed AS MATERIALIZED (
    SELECT * FROM unnest(%s::bigint[], %s::float8[], %s::text[], %s::int[]) AS w (exchange_id, priority, reasons, seen)
), held AS MATERIALIZED (
    SELECT s.id FROM curation_reviewslot s JOIN weighed w USING (exchange_id)
    WHERE s.done_at IS NULL AND (s.reasons IS DISTINCT FROM w.reasons::jsonb OR s.seen_count <> w.seen)
    ORDER BY s.id FOR NO KEY UPDATE OF s
)
UPDATE curation_reviewslot s SET priority = w.priority, reasons = w.reasons::jsonb, seen_count = w.seen
FROM weighed w, held WHERE s.exchange_id = w.exchange_id AND s.id = held.id AND s.done_at IS NULL
"""
_ARRIVED = """
SELECT c.exchange_id FROM curation_loggedcall c
WHERE c.project_id = %(project)s AND c.recorded_at > %(since)s AND c.recorded_at <= %(until)s
    AND c.exchange_id IS NOT NULL
UNION
SELECT c.exchange_id FROM curation_feedback f JOIN curation_loggedcall c ON c.id = f.call_id
WHERE f.project_id = %(project)s AND c.project_id = %(project)s AND c.exchange_id IS NOT NULL
    AND f.created_at > %(since)s AND f.created_at <= %(until)s
UNION
SELECT c.exchange_id FROM curation_feedback f JOIN curation_loggedcall c ON c.own_id = f.own_id AND c.own_id <> ''
WHERE f.project_id = %(project)s AND c.project_id = %(project)s AND c.exchange_id IS NOT NULL
    AND f.created_at > %(since)s AND f.created_at <= %(until)s
UNION
SELECT d.exchange_id FROM curation_disagreement d JOIN curation_exchange e ON e.id = d.exchange_id
WHERE e.project_id = %(project)s AND d.noted_at > %(since)s AND d.noted_at <= %(until)s
"""
_COUNTS = """
SELECT reason->>'code', count(*) FROM curation_reviewslot s, jsonb_array_elements(s.reasons) AS reason
WHERE s.project_id = %s AND s.done_at IS NULL AND s.reasons IS NOT NULL GROUP BY 1
"""


def sweep() -> int:
    """Weigh what is due in every project; how many rows were looked at."""
    return sum(catch_up(project) for project in Project.objects.filter(archived_at=None))


def catch_up(project: Project, seconds: float = SECONDS) -> int:
    """Weigh this project's rows until all is done or the time is over; how many rows were looked at."""
    Attention.objects.get_or_create(project=project)
    mine = Attention.objects.filter(Q(busy_until=None) | Q(busy_until__lt=Now()), pk=project.pk)
    if not mine.update(busy_until=Now() + LEASE):
        return 0  # another worker is at it
    try:
        return _Weighing(project, time.monotonic() + seconds).run()
    finally:
        Attention.objects.filter(pk=project.pk).update(busy_until=None)


def begin_anew(project: Project) -> None:
    """Have all rows weighed again, because the weights or the rules are others now."""
    Attention.objects.get_or_create(project=project)
    Attention.objects.filter(pk=project.pk).update(walk_id=newest_slot(project), counted_at=None)


def newest_slot(project: Project) -> int:
    """The id of the project's newest slot that waits; 0 when none does."""
    waiting = project.slots.filter(done_at=None, not_before=None).order_by("-pk")
    return waiting.values_list("pk", flat=True).first() or 0


def judge_of(project: Project, attention: Attention | None = None) -> Judge:
    """How the project weighs a row."""
    attention = attention or Attention.objects.filter(pk=project.pk).first() or Attention(project=project)
    rules = [
        Rule(rule.pk, rule.part, rule.test, rule.words, rule.weight, str(rule))
        for rule in AttentionRule.objects.filter(project=project)
    ]
    is_json = project.answer_format == Project.AnswerFormat.JSON
    return Judge(is_json, attention.score_threshold, attention.weights, rules)


def weigh(project: Project, ids: list[int], judge: Judge | None = None) -> dict[int, list[Reason]]:
    """Weigh these rows, as far as somebody is still to look at them; the reasons of each."""
    judge = judge or judge_of(project)
    values: dict[str, Any] = {
        "project": project.pk,
        "ids": ids,
        "prompt_length": PROMPT_LENGTH,
        "answer_length": ANSWER_LENGTH,
        "has_feedback": project.feedback.exists(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, values)
        known = {row[0]: _facts(*row[1:]) for row in cursor}
        found = {pk: judge.reasons(facts) for pk, facts in known.items()}
        cursor.execute(
            _WEIGH,
            [
                list(found),
                [round(sum((reason.weight for reason in reasons), 0.0), 3) for reasons in found.values()],
                [orjson.dumps([reason._asdict() for reason in reasons]).decode() for reasons in found.values()],
                [known[pk].seen_count for pk in found],
            ],
        )
    return found


def _facts(
    prompt: str, answer: str | None, schema: str | None, seen: int, answers: int, finish: str | None,
    body: str | None, thumbs_down: int | None, demonstrations: int | None, nearest: float | None,
    dissenters: list[str],
) -> Facts:  # fmt: skip
    return Facts(
        prompt=prompt,
        answer=answer,
        schema=orjson.loads(schema) if schema else None,
        seen_count=seen,
        answer_count=answers,
        finish_reason=finish or "",
        thumbs_down=thumbs_down or 0,
        demonstrations=demonstrations or 0,
        likelihood=likelihood(body) if body else None,
        nearest=nearest,
        dissenters=dissenters,
    )


class _Weighing:
    """One sweep over one project."""

    def __init__(self, project: Project, deadline: float) -> None:
        self.project = project
        self.deadline = deadline
        self.attention = Attention.objects.get(pk=project.pk)
        self.judge = judge_of(project, self.attention)
        self.count = 0

    def run(self) -> int:
        self._weigh_new()
        self._weigh_changed()
        self._begin_anew_when_much_was_included()
        self._walk()
        if self.count:
            self._count_again()
            logger.info("project %s: %s rows weighed", self.project.pk, self.count)
        return self.count

    @property
    def has_time(self) -> bool:
        return time.monotonic() < self.deadline

    def _weigh(self, ids: list[int]) -> None:
        weigh(self.project, ids, self.judge)
        self.count += len(ids)

    def _save(self, **fields: Any) -> None:
        for name, value in fields.items():
            setattr(self.attention, name, value)
        Attention.objects.filter(pk=self.project.pk).update(**fields)

    def _open(self) -> QuerySet[ReviewSlot]:
        return self.project.slots.filter(done_at=None, not_before=None)  # as the index slot_newest has them

    def _weigh_new(self) -> None:
        """Slots of new rows are made by one writer of a project at a time, so none appears below one that is known."""
        if not self.attention.newest_id:  # the first time: all there is, from the newest down
            newest = newest_slot(self.project)
            self._save(newest_id=newest, walk_id=newest)
        while self.has_time:
            slots = self._open().filter(pk__gt=self.attention.newest_id).order_by("pk")
            found = dict(slots.values_list("pk", "exchange")[:BATCH])
            if not found:
                return
            self._weigh(list(found.values()))
            self._save(newest_id=max(found))

    def _weigh_changed(self) -> None:
        while self.has_time:
            since = self.attention.looked_at
            until, is_last = self._until(since)
            with connection.cursor() as cursor:
                cursor.execute(_ARRIVED, {"project": self.project.pk, "since": since, "until": until})
                ids = [pk for (pk,) in cursor]
            for start in range(0, len(ids), BATCH):
                self._weigh(ids[start : start + BATCH])
            self._save(looked_at=max(since, until - LATE) if is_last else until)
            if is_last:
                return

    def _until(self, since: datetime) -> tuple[datetime, bool]:
        """The end of the next stretch of time by the database's clock, and whether that is now."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT statement_timestamp()")
            now = cursor.fetchone()[0]
        return min(now, since + WINDOW), now <= since + WINDOW

    def _begin_anew_when_much_was_included(self) -> None:
        """How far a row is from everything included changes with what is included."""
        if self.attention.walk_id:
            return
        included = self.project.exchanges.included().count()
        if abs(included - self.attention.included_count) > max(10, self.attention.included_count // 10):
            self._save(walk_id=self.attention.newest_id, included_count=included)

    def _walk(self) -> None:
        while self.attention.walk_id and self.has_time:
            slots = self._open().filter(pk__lte=self.attention.walk_id).order_by("-pk")
            found = dict(slots.values_list("pk", "exchange")[:BATCH])
            self._weigh(list(found.values()))
            self._save(walk_id=min(found) - 1 if found else 0)

    def _count_again(self) -> None:
        """How many rows wait for which reason. Reads all open slots, so it is done now and then."""
        counted_at = self.attention.counted_at
        if counted_at and counted_at > timezone.now() - COUNTED_EVERY:
            return
        with connection.cursor() as cursor:
            cursor.execute(_COUNTS, [self.project.pk])
            self._save(counts=dict(cursor.fetchall()), counted_at=Now())
