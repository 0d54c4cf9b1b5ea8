"""What the queue and the lists cost with many rows: next row, decision, list, search, weighing; few against many.

Fills its own database (named bench_review, dropped afterwards) on the server that DATABASE_URL names:

    python -m bench.review [--rows 100000 1000000] [--seconds 5]

Prints one line for each size and how the larger compares with the smaller. A plan that reads a whole table stops it.
"""

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

NAME = "bench_review"
WORDS = 20_000  # of a made-up language whose commonest words are very common, as in a real one
_FILL = """
CREATE TEMP TABLE vocabulary AS
    SELECT n, 'w' || substr(md5(n::text), 1, 2 + n %% 7) AS word FROM generate_series(1, %(words)s) n;
CREATE UNIQUE INDEX ON vocabulary (n);
CREATE OR REPLACE FUNCTION pg_temp.drawn(seed bigint, place integer) RETURNS integer LANGUAGE sql AS $$
    SELECT 1 + floor(%(words)s
        * power(('x' || substr(md5(seed || ':' || place), 1, 8))::bit(32)::bigint / 4294967296.0, 3))::integer
$$;
CREATE OR REPLACE FUNCTION pg_temp.said(seed bigint, length integer) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(word, ' ' ORDER BY place)
    FROM generate_series(1, length) place JOIN vocabulary ON n = pg_temp.drawn(seed, place)
$$;
"""
_ROWS = """
WITH made AS (
    INSERT INTO curation_exchange (
        project_id, user_prompt, context_digest, messages, response, target_origin, state, included, version, split,
        seen_count, answer_count, first_seen_at, last_seen_at
    )
    SELECT %(project)s, n || ' ' || pg_temp.said(n, 14), '', '[]', pg_temp.said(-n, 12), 'captured',
        CASE WHEN n %% 200 = 0 THEN 'included' ELSE 'pending' END, CASE WHEN n %% 200 = 0 THEN now() END, 1,
        CASE WHEN n %% 5 = 0 THEN 'test' ELSE 'train' END, 1 + n %% 7, 1 + n %% 2, now(), now()
    FROM generate_series(%(first)s, %(last)s) AS n
    RETURNING id, seen_count, state
)
INSERT INTO curation_reviewslot (project_id, exchange_id, position, priority, seen_count, done_at)
SELECT %(project)s, id, 1, id %% 9, seen_count, CASE WHEN state = 'included' THEN now() END FROM made
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each figure is measured at most")
    wanted = parser.parse_args()
    server = _with_database_of_its_own()
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "curation.settings")
    django.setup()
    import logging

    logging.disable(logging.INFO)
    from django.core.management import call_command

    try:
        call_command("migrate", verbosity=0)
        found = {count: _measure(count, wanted.seconds) for count in sorted(wanted.rows)}
        _compare(found)
    finally:
        _drop(server)


def _with_database_of_its_own() -> str:
    import psycopg

    server = os.environ["DATABASE_URL"]
    _drop(server)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {NAME}")
    parts = urlsplit(server)
    os.environ["DATABASE_URL"] = urlunsplit(parts._replace(path=f"/{NAME}"))
    return server


def _drop(server: str) -> None:
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")


def _measure(count: int, seconds: float) -> dict[str, float]:
    """What each step takes with that many rows, in milliseconds."""
    from django.db import connection
    from django.test import Client

    from curation.models import Exchange, Project, User

    project = Project.objects.filter(slug="bench").first() or _project()
    present = Exchange.objects.count()
    start = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        # The indexes of the search are by far the dearest, and are built at once after the load.
        cursor.execute("DROP INDEX exchange_words, exchange_letters")
        cursor.execute(_FILL, {"words": WORDS})
        for first in range(present + 1, count + 1, 50_000):
            last = min(first + 49_999, count)
            cursor.execute(_ROWS, {"project": project.pk, "first": first, "last": last})
        cursor.execute("DROP FUNCTION pg_temp.said, pg_temp.drawn; DROP TABLE vocabulary")
        filled = time.monotonic() - start
        _index(cursor)
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("SET statement_timeout = 60000")
    print(f"{count:,} rows: filled in {filled:.0f} s, indexed in {time.monotonic() - start - filled:.0f} s", flush=True)
    user = User.objects.get(username="bench")
    client = Client(HTTP_HOST="localhost")
    client.force_login(user)
    _check_plans(project)
    figures = {name: _median(step, seconds) for name, step in _steps(project, user, client).items()}
    print("  " + ", ".join(f"{name} {value:.1f} ms" for name, value in figures.items()), flush=True)
    return figures


def _index(cursor: Any) -> None:
    from pathlib import Path

    sql = (Path("curation/migrations/sql/search.sql")).read_text()
    cursor.execute("SET maintenance_work_mem = '512MB'")
    cursor.execute(sql[sql.index("CREATE INDEX") :])


def _project() -> Any:
    from curation.models import Membership, User
    from curation.projects import create_project

    user = User.objects.create_user("bench")
    return create_project("bench", name="Bench", owner=user) if Membership else None


def _steps(project: Any, user: Any, client: Any) -> dict[str, Callable[[], None]]:
    from curation.attention import weigh
    from curation.claims import next_slot
    from curation.order import choose
    from curation.review import Ticket, decide
    from curation.search import Filters, find, with_excerpts

    draw = random.Random(1)
    held = []

    def next_row(kind: str) -> None:
        held.append(next_slot(project, user, after=held[-1] if held else None))

    def decision() -> None:
        slot = held.pop() if held else next_slot(project, user)
        decide(project, user, "excluded", Ticket(slot.exchange_id, slot.exchange.version, slot.pk, slot.claim_token))

    def page(query: str = "") -> None:
        assert client.get(f"/projects/bench/rows/{query}").status_code == 200

    def search(words: int, most: int) -> None:
        import hashlib

        numbers = [draw.randrange(1, most) for _ in range(words)]
        query = " ".join("w" + hashlib.md5(str(n).encode()).hexdigest()[: 2 + n % 7] for n in numbers)
        list(with_excerpts(find(project, Filters(q=query)))[:26])

    def weighing() -> None:
        newest = project.slots.filter(done_at=None).order_by("-pk").values_list("exchange", flat=True)
        start = draw.randrange(2_000)
        weigh(project, list(newest[start : start + 20]))

    steps: dict[str, Callable[[], None]] = {}
    for kind in ("attention", "newest", "most_seen", "sample"):

        def ordered(kind: str = kind) -> None:
            next_row(kind)

        steps[f"next ({kind})"] = ordered
    steps |= {
        "decide": decision,
        "list": page,
        "list of a state": lambda: page("?state=included"),
        "search, rare words": lambda: search(2, WORDS),
        "search, common words": lambda: search(1, 40),
        "weigh 20": weighing,
    }
    return {
        name: (lambda step=step, kind=name[6:-1]: (choose(project, user, kind), step())) if "(" in name else step
        for name, step in steps.items()
    }


def _median(step: Callable[[], Any], seconds: float) -> float:
    """In milliseconds. The median, since the slowest tell more of the machine's other guests than of the step."""
    times = []
    end = time.monotonic() + seconds
    while len(times) < 200 and (time.monotonic() < end or len(times) < 6):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times[1:])  # the first warms up


def _check_plans(project: Any) -> None:
    from curation.search import Filters, find

    for filters in (Filters(), Filters(state="included"), Filters(q="wabc wdef")):
        plan = find(project, filters)[:26].explain()
        if "Seq Scan" in plan:
            sys.exit(f"{filters} reads a whole table:\n{plan}")


def _compare(found: dict[int, dict[str, float]]) -> None:
    if len(found) < 2:
        return
    small, large = min(found), max(found)
    print(f"{large:,} rows against {small:,}:")
    for name, value in found[large].items():
        print(f"  {name:24} {value / found[small][name]:5.2f} times ({found[small][name]:.1f} ms to {value:.1f} ms)")


if __name__ == "__main__":
    main()
