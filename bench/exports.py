#!/usr/bin/env python3
"""How fast versions become files and how fast rows become versions, beside what Postgres itself needs to hand them out.

    python bench/exports.py [--examples 1000000] [--rows 100000] [--rounds 3]

Wants the application's environment and a migrated database, in which it makes projects `bench-…` of that size. Read
the ratios within one run: absolute figures depend on the machine and on who else uses it. `psql` is a plain
`psql -c "COPY (SELECT body …) TO STDOUT" > file` in text format, which doubles backslashes: the floor, not a rival.
Each measure runs in a process of its own, so that its memory can be told; one line is listed twice, and the gap
between the twins is the noise.
"""

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "curation.settings")

MEASURES = ["psql", "openai-chat", "openai-chat again", "together", "openai-dpo", "vertex", "hf-messages", "csv"]

_ROWS = """
    INSERT INTO curation_exchange (
        project_id, user_prompt, context_digest, messages, response, target, target_origin, state, included, version,
        split, seen_count, answer_count, first_seen_at, last_seen_at
    )
    SELECT %(project)s, prompt, '', jsonb_build_array(
            jsonb_build_object('role', 'system', 'content', 'You are the help desk of a shop. Answer in one sentence.'),
            jsonb_build_object('role', 'user', 'content', prompt)),
        answer, CASE WHEN i %% 4 = 0 THEN answer || ' Gladly!' END, 'captured', 'included', now(), 1,
        CASE WHEN i %% 5 = 0 THEN 'test' ELSE 'train' END, 1, 1, now(), now()
    FROM (
        SELECT i, 'Customer ' || md5(i::text) || ' asks whether parcel ' || i || ' can be sent back without a receipt, '
            || 'and how long the refund to the card will take when the shop is closed?' AS prompt,
            'For request ' || i || ' the ' || (ARRAY['red', 'green', 'blue'])[1 + i %% 3] || ' counter on floor '
            || i %% 7 || ' is open until nine; the staff will take it back and refund the postage.' AS answer
        FROM generate_series(1, %(rows)s) AS i
    ) AS made
"""
_EXAMPLES = """
    INSERT INTO curation_example (version_id, exchange_id, exchange_version, split, position, body, content_hash)
    SELECT %(version)s, id, 1, 'train', row_number() OVER (ORDER BY id),
        '{"messages":[{"content":"Answer briefly.","role":"system"},{"content":' || to_json(user_prompt::text)
        || ',"role":"user"},{"content":' || to_json(COALESCE(target, response)) || ',"role":"assistant"}]}',
        repeat('0', 64)
    FROM curation_exchange WHERE project_id = %(project)s
"""


@contextlib.contextmanager
def searchless(cursor) -> Iterator[None]:
    """Without what makes rows searchable, which takes ten times as long row by row as at once. Within a transaction."""
    cursor.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'curation_exchange' AND indexdef ~ ' (gin|gist) '"
    )
    indexes = cursor.fetchall()
    for name, _ in indexes:
        cursor.execute(f"DROP INDEX {name}")
    yield
    cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
    for _, definition in indexes:
        cursor.execute(definition)


def make(count: int):
    """A project of so many included rows."""
    from django.db import connection, transaction

    from curation.projects import create_project

    project = create_project(f"bench-{count}-{time.time_ns()}", name="Bench", training_prompt="Answer briefly.")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        with searchless(cursor):
            cursor.execute(_ROWS, {"project": project.pk, "rows": count})
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ANALYZE curation_exchange")
    return project


def make_version(count: int):
    """A version of so many training examples, put there without a freeze."""
    from django.db import connection

    from curation.models import DatasetVersion

    project = make(count)
    version = DatasetVersion.objects.create(
        project=project, number=1, content_hash=f"{project.pk:064d}", train_count=count, test_count=0
    )
    with connection.cursor() as cursor:
        cursor.execute(_EXAMPLES, {"version": version.pk, "project": project.pk})
        cursor.execute("ANALYZE curation_example")
    return version


def measure(kind: str, number: int) -> dict[str, float]:
    """One measure in a process of its own: seconds, CPU seconds and peak memory (of the Python side)."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", kind, str(number)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def one(kind: str, number: int) -> None:
    import django

    django.setup()
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    if kind == "psql":
        size = _by_psql(number)
    elif kind == "freeze":
        size = _by_freezing(number)
    else:
        size = _by_export(number, kind.removesuffix(" again"))
    seconds = time.perf_counter() - started
    who = resource.RUSAGE_CHILDREN if kind == "psql" else resource.RUSAGE_SELF
    after = resource.getrusage(who)
    cpu = after.ru_utime + after.ru_stime - (0 if kind == "psql" else before.ru_utime + before.ru_stime)
    print(json.dumps({"seconds": seconds, "cpu": cpu, "rss": after.ru_maxrss / 1024, "size": size}))


def _by_psql(version: int) -> int:
    query = f"COPY (SELECT body FROM curation_example WHERE version_id = {version} ORDER BY position) TO STDOUT"
    with tempfile.NamedTemporaryFile(dir=os.environ["CURATION_HOME"]) as file:
        subprocess.run(["psql", os.environ["DATABASE_URL"], "-qXc", query], stdout=file, check=True)
        return os.path.getsize(file.name)


def _by_export(version: int, format: str) -> int:
    from jobs import exports
    from jobs.models import Export

    Export.objects.filter(version=version, format=format).delete()
    export = Export.objects.create(version_id=version, format=format, split="train")
    exports.run(export.pk)
    export.refresh_from_db()
    if export.status != Export.Status.SUCCEEDED:
        raise SystemExit(f"{export}: {export.error}")
    exports.path_of(export).unlink()
    return export.byte_count or 0


def _by_freezing(project: int) -> int:
    from curation.datasets import freeze
    from curation.models import Project

    return freeze(Project.objects.get(pk=project)).version.train_count


def report(name: str, count: int, results: list[dict[str, float]]) -> None:
    rates = sorted(count / result["seconds"] for result in results)
    cpu = statistics.median(count / max(result["cpu"], 0.001) for result in results)
    rss = max(result["rss"] for result in results)
    memory = "" if name == "psql" else f"{rss:>8,.0f} MB"
    print(
        f"{name:18} {statistics.median(rates):>10,.0f} rows/s ({rates[0]:,.0f}–{rates[-1]:,.0f})"
        f" {cpu:>12,.0f} rows a CPU second {memory}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return one(options.one[0], int(options.one[1]))
    import django

    django.setup()
    # First, while the table is small: its indexes are made anew each time.
    frozen = [measure("freeze", make(options.rows).pk) for _ in range(options.rounds)]
    version = make_version(options.examples)
    results: dict[str, list[dict[str, float]]] = {kind: [] for kind in MEASURES}
    for _ in range(options.rounds):
        for kind in MEASURES:
            results[kind].append(measure(kind, version.pk))
    print(f"{options.examples:,} examples, {options.rounds} rounds, load {os.getloadavg()[0]:.1f}")
    for kind in MEASURES:
        report(kind, options.examples, results[kind])
    report(f"freeze of {options.rows:,}", options.rows, frozen)
    return None


if __name__ == "__main__":
    main()
