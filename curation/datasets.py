"""Freezing what is included into an immutable version; what versions hold and how they differ."""

import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import orjson
from django.db import connection, transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from .findings import Found
from .freezing import EXAMPLE_COLUMNS, Staging, rules_of, withheld_count
from .models import DatasetVersion, Example, Exchange, Project, User
from .moderation import digest_of, finding_of, flagged_in
from .preflight import Finding, Severity, check_example
from .rendering import Renderer, Unteachable

__all__ = [
    "Blocked", "Difference", "Frozen", "NothingToFreeze", "Rehearsal", "Unteachable", "check_row", "difference",
    "example_body", "freeze", "new_rows", "new_rows_count", "rehearse", "verify", "version_of", "withheld_count",
]  # fmt: skip

logger = logging.getLogger(__name__)
FAULTS_SHOWN = 20
CHECKED_AT_ONCE = 500


class NothingToFreeze(Exception):
    """No version can be made; the message says what to do first."""


class Blocked(NothingToFreeze):
    """The preflight found what a trainer would refuse, or what would make its test worthless. `found` are the first
    hundreds of it, `count` is how much there is, `exchange_id` the first row.
    """

    def __init__(self, found: list[Found], count: int) -> None:
        self.found, self.count, self.exchange_id = found, count, found[0].exchange_id
        first = found[0].finding.words
        more = f" {count - 1} more like it or other." if count > 1 else ""
        super().__init__(f"Row {self.exchange_id} is included, but: {first}{more}")


@dataclass(frozen=True)
class Frozen:
    """`is_new` is false when the content was frozen before; then `version` is the one that has it."""

    version: DatasetVersion
    is_new: bool


def freeze(project: Project, user: User | None = None, note: str = "") -> Frozen:
    """Freeze all included rows as the next version, or return the version that has the same content.

    One transaction and one snapshot; freezing twice at once makes one version. Raises NothingToFreeze, and its kind
    Blocked when the preflight finds a blocker that nobody has waived.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        # The second of two at once waits here, then finds the first one's version. Numbers stay without gaps.
        cursor.execute("SET LOCAL lock_timeout = '60s'")
        # A million rows are copied and compared in single statements.
        cursor.execute("SET LOCAL statement_timeout = '15min'")
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('freeze', %s))", [project.pk])
        project.refresh_from_db()
        staging = Staging(project)
        staging.fill(project.versions.first())
        if staging.findings.open_count:
            raise Blocked(staging.findings.blockers, staging.findings.open_count)
        if not staging.counts.total():
            raise NothingToFreeze("Nothing is included yet. Review some rows and include them, then freeze.")
        content_hash = _content_hash("SELECT content_hash, split FROM freezing")
        existing = project.versions.filter(content_hash=content_hash).first()
        if existing:
            return Frozen(existing, is_new=False)
        version = _store(staging, content_hash, user, note)
    logger.info("project %s: froze version %s (%s)", project.pk, version.number, version.pk)
    return Frozen(version, is_new=True)


@dataclass(frozen=True)
class Rehearsal:
    """What a freeze would make now. `tokens` are those of the examples to train on."""

    train_count: int
    test_count: int
    blocker_count: int
    tokens: int


def rehearse(project: Project) -> Rehearsal:
    """Do all of a freeze but the freezing."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '15min'")
        staging = Staging(project)
        staging.fill(project.versions.first())
        # The table of the staging goes with it.
        transaction.set_rollback(True)
    return Rehearsal(
        train_count=staging.counts["train"],
        test_count=staging.counts["test"],
        blocker_count=staging.findings.open_count,
        tokens=staging.tokens["o200k_base"]["train"],
    )


def _store(staging: Staging, content_hash: str, user: User | None, note: str) -> DatasetVersion:
    project = staging.project
    version = DatasetVersion.objects.create(
        project=project,
        number=(project.versions.aggregate(last=Max("number"))["last"] or 0) + 1,
        content_hash=content_hash,
        training_prompt=project.training_prompt,
        keeps_captured_prompt=project.keeps_captured_prompt,
        train_count=staging.counts["train"],
        validation_count=staging.counts["validation"],
        test_count=staging.counts["test"],
        figures=staging.figures(),
        note=note,
        created_by=user,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO curation_example (version_id, position, {EXAMPLE_COLUMNS}) "  # noqa: S608  (constants)
            f"SELECT %s, row_number() OVER (PARTITION BY split ORDER BY exchange_id), {EXAMPLE_COLUMNS} FROM freezing",
            [version.pk],
        )
    staging.findings.store(version)
    return version


def _content_hash(query: str, parameters: tuple[int, ...] = ()) -> str:
    """SHA-256 over the sorted lines `hash:split` of the examples that `query` selects."""
    total = hashlib.sha256()
    separator = b""
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            f"SELECT line FROM (SELECT content_hash || ':' || split AS line FROM ({query}) AS e) AS lines "  # noqa: S608  (ours)
            'ORDER BY line COLLATE "C"',
            parameters,
        )
        while lines := cursor.fetchmany(5000):
            for (line,) in lines:
                total.update(separator + line.encode())
                separator = b"\n"
    return total.hexdigest()


def example_body(project: Project, row: Exchange) -> str:
    """The training example of a row: canonical JSON as it would be frozen. Raises Unteachable."""
    return Renderer(project).body(row)


def check_row(project: Project, row: Exchange) -> list[Finding]:
    """What the preflight says of one row as it stands, for its page."""
    try:
        example = Renderer(project).example(row.messages, row.teaches, row.tools)
    except Unteachable:
        return []  # the page says so itself
    moderation = project.moderations.filter(digest=digest_of(example), is_flagged=True).first()
    found = check_example(example, rules_of(project), schema=row.answer_schema)
    return [*found, finding_of(moderation.categories)] if moderation else found


def new_rows(project: Project, version: DatasetVersion | None) -> QuerySet[Exchange]:
    """Included rows that the version lacks, or holds in an older state; without what is withheld from training."""
    frozen = Example.objects.filter(version=version, exchange=OuterRef("pk"), exchange_version=OuterRef("version"))
    withheld = Q(split="train", family__merged_into__split="test")
    return project.exchanges.included().filter(~Exists(frozen)).exclude(withheld)


def new_rows_count(project: Project) -> int:
    """How many rows the next version would add or change against the latest one."""
    return new_rows(project, project.versions.first()).count()


def version_of(project: Project, number: int | None = None) -> DatasetVersion:
    """The version of that number, or the latest. Raises DatasetVersion.DoesNotExist."""
    if number is None:
        return project.versions.order_by("-number")[:1].get()
    return project.versions.get(number=number)


# What a version holds


@dataclass(frozen=True)
class Difference:
    """Rows by id: only in the newer version, only in the older one, in both with another example."""

    added: QuerySet[Example]
    removed: QuerySet[Example]
    corrected: QuerySet[Example]


def difference(older: DatasetVersion, newer: DatasetVersion) -> Difference:
    """What changed from one version to another of the same project."""
    in_older = Example.objects.filter(version=older, exchange=OuterRef("exchange"))
    in_newer = Example.objects.filter(version=newer, exchange=OuterRef("exchange"))
    examples = newer.examples.order_by("exchange_id").defer("body")
    other_body = in_older.exclude(content_hash=OuterRef("content_hash"))
    return Difference(
        added=examples.filter(~Exists(in_older)),
        removed=older.examples.order_by("exchange_id").defer("body").filter(~Exists(in_newer)),
        corrected=examples.filter(Exists(other_body)),
    )


def verify(version: DatasetVersion) -> Iterator[str]:
    """Recompute every hash of a version from what is stored; a sentence for each thing that does not fit."""
    altered = (
        "SELECT split, position FROM curation_example WHERE version_id = %s AND body <> '' "
        "AND content_hash <> curation_digest(body)"
    )
    with connection.cursor() as cursor:
        cursor.execute(f"{altered} ORDER BY 1, 2 LIMIT {FAULTS_SHOWN}", [version.pk])
        for split, position in cursor.fetchall():
            yield f"{version}: line {position} of {split} is not what was frozen."
    # Of what was erased the hash is left, which still stands for the text.
    query = (
        "SELECT CASE body WHEN '' THEN content_hash ELSE curation_digest(body) END AS content_hash, split "
        "FROM curation_example WHERE version_id = %s"
    )
    with transaction.atomic():
        if _content_hash(query, (version.pk,)) != version.content_hash:
            yield f"{version}: its examples together are not what was frozen."
    for split, wanted in [
        (Example.Split.TRAIN, version.train_count),
        (Example.Split.VALIDATION, version.validation_count),
        (Example.Split.TEST, version.test_count),
    ]:
        count = version.examples.filter(split=split).count()
        if count != wanted:
            yield f"{version}: {split} has {count} lines and should have {wanted}."


def check_version(
    version: DatasetVersion, model: str, on_read: Callable[[], None] = lambda: None
) -> Iterator[tuple[Example, Finding]]:
    """The preflight once more over what is trained on, as a worker runs it before it sends anything: blockers only, and
    without those that were waived when the version was frozen. `model` is the one to be tuned; `on_read` is
    called for every few hundred examples.
    """
    waived = set(version.findings.exclude(waiver=None).values_list("exchange_id", "code"))
    rules, flagged = rules_of(version.project, model), flagged_in(version.project)
    for number, example in enumerate(
        version.examples.exclude(split="test").exclude(body="").iterator(chunk_size=CHECKED_AT_ONCE)
    ):
        if number % CHECKED_AT_ONCE == 0:
            on_read()
        body = orjson.loads(example.body)
        found = check_example(body, rules, example.o200k_tokens)
        if flagged and (categories := flagged.get(digest_of(body))):
            found.append(finding_of(categories))
        for finding in found:
            if finding.severity == Severity.BLOCKER and (example.exchange_id, finding.code) not in waived:
                yield example, finding
