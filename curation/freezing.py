"""The rows of the next version, rendered and checked in a temporary table before any of it is a version."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from django.db import connection
from django.db.backends.utils import CursorWrapper

from .chat import canonical, digest, said_in, split_prompt
from .families import question
from .findings import Findings
from .models import DatasetVersion, Project
from .moderation import digest_of, finding_of, finding_of_unseen
from .preflight import Finding, Fix, Rules, Severity, check_balance, check_example, check_length, check_size
from .profiles import token_limit
from .redaction import Policy
from .rendering import Renderer, Unteachable
from .tokens import TOKENIZERS, count_examples, count_text
from .tool_calls import spoken_by

BATCH = 500
# An answer this short may be a class; more different ones than that are none.
LABEL_LENGTH, MOST_LABELS, LABELS_SHOWN = 60, 100, 12
# Upper ends of the bars of the token histogram; the last bar has all above.
HISTOGRAM = (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)

EXAMPLE_COLUMNS = "exchange_id, exchange_version, split, body, content_hash, o200k_tokens, cl100k_tokens"
_COLUMNS = f"{EXAMPLE_COLUMNS}, question, answer, label, own_words"
_TABLE = """
    DROP TABLE IF EXISTS pg_temp.freezing;
    CREATE TEMPORARY TABLE freezing (
        exchange_id bigint, exchange_version integer, split text, body text, content_hash text,
        o200k_tokens integer, cl100k_tokens integer, question bigint, answer text, label text, own_words text
    ) ON COMMIT DROP
"""
# What is included, without rows to train on whose family was found to be held out later.
_ROWS = """
    SELECT e.id, e.version, e.split, e.messages::text, COALESCE(e.target, e.response), e.tools::text,
        e.answer_schema::text, e.context_digest, COALESCE(e.family_id, e.id),
        x.content_hash, x.o200k_tokens, x.cl100k_tokens
    FROM curation_exchange e
    LEFT JOIN curation_family f ON f.id = e.family_id
    LEFT JOIN curation_family root ON root.id = f.merged_into_id
    LEFT JOIN curation_example x ON x.version_id = %s AND x.exchange_id = e.id
    WHERE e.project_id = %s AND e.included IS NOT NULL AND (e.split = 'test' OR root.split IS DISTINCT FROM 'test')
    ORDER BY e.id
"""
_LEAKS = """
    SELECT taught.exchange_id, taught.exchange_version, held.id
    FROM freezing taught
    JOIN (SELECT question, min(exchange_id) AS id FROM freezing WHERE split = 'test' GROUP BY 1) held USING (question)
    WHERE taught.split <> 'test' ORDER BY 1
"""
_TWINS = """
    SELECT exchange_id, exchange_version, first_id, answer = first_answer
    FROM (
        SELECT exchange_id, exchange_version, answer, first_value(exchange_id) OVER same AS first_id,
            first_value(answer) OVER same AS first_answer
        FROM freezing WINDOW same AS (PARTITION BY question, split = 'test' ORDER BY exchange_id)
    ) AS asked
    WHERE exchange_id <> first_id ORDER BY 1
"""
# Open pairs whose prompts are not the same word for word; those are found above.
_OPEN_PAIRS = """
    SELECT one.exchange_id, one.exchange_version, other.exchange_id
    FROM curation_pair p
    JOIN freezing one ON one.exchange_id = p.second_id JOIN freezing other ON other.exchange_id = p.first_id
    WHERE p.project_id = %s AND p.state = 'open' AND one.question <> other.question ORDER BY 1, 3
"""
_FLAGGED = """
    SELECT f.exchange_id, f.exchange_version, m.categories FROM freezing f
    JOIN curation_moderation m ON m.project_id = %s AND m.digest = f.own_words
    WHERE m.is_flagged ORDER BY 1
"""
_UNSEEN = """
    SELECT count(*) FROM freezing f WHERE NOT EXISTS (
        SELECT FROM curation_moderation m WHERE m.project_id = %s AND m.digest = f.own_words)
"""
LEAK = "The same question is held out. Exclude one of the two: a model must not be tested on what it was taught."
CONTRADICTION = "The same question is taught with another answer. Make the answers agree, or exclude one."
NEAR_CONTRADICTION = "Nearly the same question is taught with another answer. Settle the pair, or let it pass."
DUPLICATE = "The same question is taught with the same answer already; it only weighs more this way."


class Row(NamedTuple):
    """A row of _ROWS."""

    id: int
    version: int
    split: str
    messages: str
    answer: str | None
    tools: str | None
    schema: str | None
    context_digest: str
    family: int
    # Of the latest version, where the row was in it.
    known_hash: str | None
    o200k_tokens: int | None
    cl100k_tokens: int | None


@dataclass
class Rendered:
    """A row as an example, on its way into the table; `tokens` by each of TOKENIZERS."""

    row: Row
    messages: list[Any]
    example: dict[str, Any]
    body: str
    content_hash: str
    found: list[Finding]
    tokens: tuple[int, ...]


class Staging:
    """What the next version would be. Fill it once, inside a transaction; then it is in the table `freezing`."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.renderer = Renderer(project)
        self.findings = Findings(project)
        self.counts: Counter[str] = Counter()
        self.tokens: dict[str, Counter[str]] = {tokenizer: Counter() for tokenizer in TOKENIZERS}
        self.saved_tokens = 0
        self._is_moderated = project.moderations.exists()
        self._rules = rules_of(project, project.default_provider.base_model if project.default_provider else "")

    def fill(self, latest: DatasetVersion | None) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_TABLE)
            with ThreadPoolExecutor(1) as thread:
                for batch in _batches(self.project, latest):
                    self._copy(cursor, self._looked_at(batch, thread))
            cursor.execute("ANALYZE freezing")
        self._compare()
        if self._is_moderated:
            self._moderate()
        self.findings.add_of_all(check_size(self.counts["train"], self.counts["test"]))
        self.labels = _labels()
        self.findings.add_of_all(check_balance(self.labels))

    def figures(self) -> dict[str, Any]:
        """What a version's page shows, counted once."""
        total = sum(self.counts.values())
        return {
            "tokens": {tokenizer: dict(counts) for tokenizer, counts in self.tokens.items()},
            "histogram": _histogram(),
            "labels": [list(label) for label in Counter(self.labels).most_common(LABELS_SHOWN)],
            "label_count": len(self.labels),
            "findings": [[count.code, count.severity, count.count] for count in self.findings.counts()],
            "withheld": withheld_count(self.project),
            "saved_tokens": round(self.saved_tokens / total) if total else 0,
        }

    def _looked_at(self, batch: list[Row], thread: Executor) -> list[Rendered]:
        """The rows as examples. Tokens are counted in the thread, which leaves the interpreter to the checks here."""
        rendered = [each for row in batch if (each := self._rendered(row))]
        uncounted = [each for each in rendered if not each.tokens]
        counting = thread.submit(count_examples, [each.example for each in uncounted])
        for each in rendered:
            schema = self.project.schema or (each.row.schema and orjson.loads(each.row.schema))
            each.found = check_example(each.example, self._rules, schema=schema)
        for each, tokens in zip(uncounted, counting.result(), strict=True):
            each.tokens = tokens
        return rendered

    def _rendered(self, row: Row) -> Rendered | None:
        messages = orjson.loads(row.messages)
        try:
            example = self.renderer.example(messages, row.answer, row.tools and orjson.loads(row.tools))
        except Unteachable as reason:
            finding = Finding("unteachable", Severity.BLOCKER, str(reason), fix=Fix.EDIT)
            self.findings.add([finding], row.id, row.version)
            return None
        body = canonical(example)
        content_hash = digest(body)
        known = (row.o200k_tokens, row.cl100k_tokens)
        is_known = row.known_hash == content_hash and None not in known
        return Rendered(row, messages, example, body, content_hash, [], known if is_known else ())  # type: ignore[arg-type]

    def _copy(self, cursor: CursorWrapper, batch: list[Rendered]) -> None:
        with cursor.copy(f"COPY freezing ({_COLUMNS}) FROM STDIN") as copy:
            for each in batch:
                copy.write_row(self._line(each))

    def _line(self, each: Rendered) -> tuple[Any, ...]:
        """Note the example's findings and figures; its line of the table."""
        row, (o200k, cl100k) = each.row, each.tokens
        self.findings.add([*each.found, *check_length(o200k, self._rules)], row.id, row.version)
        split = self._side(row)
        self.counts[split] += 1
        self.tokens["o200k_base"][split] += o200k
        self.tokens["cl100k_base"][split] += cl100k
        self.saved_tokens += self._saved(each.messages)
        said = each.example["messages"][-1]
        answer, calls = said_in(said), spoken_by(said)
        return (
            row.id, row.version, split, each.body, each.content_hash, o200k, cl100k,
            question(each.messages, row.context_digest), digest(answer), _label(calls.names if calls else answer),
            digest_of(each.example) if self._is_moderated else None,
        )  # fmt: skip

    def _side(self, row: Row) -> str:
        """Some of the families to train on are put aside for validation, where the project wants that."""
        share = self.project.validation_share
        if row.split != "train" or not share:
            return row.split
        drawn = int(digest(f"{self.project.split_key}:validation:{row.family}")[:8], 16) % 10_000
        return "validation" if drawn < share * 100 else "train"

    def _saved(self, messages: list[Any]) -> int:
        if self.renderer.keeps_captured and not self.renderer.has_variants:
            return 0
        captured = split_prompt(messages).system
        return _tokens_of(captured) - _tokens_of(self.renderer.prompt_for(captured))

    def _compare(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_LEAKS)
            for exchange_id, version, other_id in cursor:
                self.findings.add([Finding("leak", Severity.BLOCKER, LEAK)], exchange_id, version, other_id)
            cursor.execute(_TWINS)
            for exchange_id, version, other_id, is_same in cursor:
                finding = Finding("duplicate", Severity.NOTE, DUPLICATE)
                if not is_same:
                    finding = Finding("contradiction", Severity.WARNING, CONTRADICTION, fix=Fix.EDIT)
                self.findings.add([finding], exchange_id, version, other_id)
            cursor.execute(_OPEN_PAIRS, [self.project.pk])
            for exchange_id, version, other_id in cursor:
                finding = Finding("near-contradiction", Severity.WARNING, NEAR_CONTRADICTION, fix=Fix.EDIT)
                self.findings.add([finding], exchange_id, version, other_id)

    def _moderate(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_FLAGGED, [self.project.pk])
            for exchange_id, version, categories in cursor:
                self.findings.add([finding_of(orjson.loads(categories))], exchange_id, version)
            cursor.execute(_UNSEEN, [self.project.pk])
            ((unseen,),) = cursor.fetchall()
        if unseen:
            self.findings.add_of_all([finding_of_unseen(unseen)])


def rules_of(project: Project, model: str = "") -> Rules:
    """What the preflight holds the project's examples to, for that model to be tuned."""
    return Rules(
        is_json=project.answer_format == Project.AnswerFormat.JSON,
        token_limit=token_limit(model),
        masked=Policy(*(getattr(project, f"redacts_{name}") for name in Policy._fields)),
    )


def withheld_count(project: Project) -> int:
    """Included rows that are left out of training, because they turned out to be near to held-out ones."""
    merged = {"split": "train", "family__merged_into__split": "test"}
    return project.exchanges.included().filter(**merged).count()


def _batches(project: Project, latest: DatasetVersion | None) -> Iterator[list[Row]]:
    # A server-side cursor: all batches see the one moment it was opened in.
    with connection.chunked_cursor() as cursor:
        cursor.execute(_ROWS, [latest.pk if latest else None, project.pk])
        while batch := cursor.fetchmany(BATCH):
            yield [Row(*row) for row in batch]


@lru_cache(maxsize=256)
def _tokens_of(prompt: str) -> int:
    return count_text(prompt)


def _label(answer: str) -> str | None:
    answer = answer.strip()
    return answer if len(answer) <= LABEL_LENGTH and "\n" not in answer else None


def _labels() -> dict[str, int]:
    """The answers that stand for classes, with their counts; none where nearly every answer is another one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT label, count(*) FROM freezing WHERE label IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %s",
            [MOST_LABELS + 1],
        )
        labels = dict(cursor.fetchall())
    return labels if len(labels) <= MOST_LABELS and sum(labels.values()) >= 2 * len(labels) else {}


def _histogram() -> list[int]:
    """How many examples have up to so many tokens, for each bar of HISTOGRAM and above."""
    bars = [0] * (len(HISTOGRAM) + 1)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT width_bucket(o200k_tokens - 1, %s::integer[]), count(*) FROM freezing GROUP BY 1", [list(HISTOGRAM)]
        )
        for bar, count in cursor:
            bars[bar] = count
    return bars
