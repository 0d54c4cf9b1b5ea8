"""What the queue and the lists cost with many rows: next row, decision, list, search, weighing; few against many.

Fills its own database (named bench_review, dropped afterwards) on the server that DATABASE_URL names:

    python -m bench.review [--rows 100000 1000000] [--seconds 5]

Prints one line for each size and how the larger compares with the smaller. A plan that reads a whole table stops it.
"""

import argparse
import os
import random
import re
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

NAME = "bench_review"
# Milliseconds that the 95th of a hundred may take, by step.
BARS = {"next (attention)": 15, "decide": 10, "row page": 15, "list": 20, "search, rare words": 150}
BARS |= {"search, common words": 150, "next (newest)": 15, "next (most_seen)": 15, "next (sample)": 15}
BARS |= {"next (its address)": 15, "verdict and next row": 100}
MOST_QUERIES = 15
PAGES = {
    "home": "",
    "rows": "rows/",
    "search": "rows/?q=w1a2+w3b4",
    "activity": "review/activity/",
    "agreement": "review/agreement/",
    "coverage": "coverage/",
    "pairs": "pairs/",
    "repairs": "repairs/",
    "attention": "attention/",
}
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

# What six people decided in the month before, the one who measures among them; their rows wait again, as if undone.
_VERDICTS = """
INSERT INTO curation_review (
    action_id, project_id, exchange_id, reviewer_id, source, verb, via, note, is_opinion, reasons, state_before,
    state_after, origin_before, origin_after, version_after, created_at
)
SELECT gen_random_uuid(), %(project)s, id, (%(people)s::bigint[])[1 + id %% 6], '', 'excluded', 'key', '', false, '{}',
    'pending', 'excluded', 'captured', 'captured', 2, now() - interval '30 days' + random() * interval '29 days'
FROM curation_exchange WHERE id %% 10 < 3
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each figure is measured at most")
    parser.add_argument("--keep", action="store_true", help="leave the database, and go on with one that was left")
    wanted = parser.parse_args()
    server = _with_database_of_its_own(wanted.keep)
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
        if not wanted.keep:
            _drop(server)


def _with_database_of_its_own(is_kept: bool) -> str:
    import psycopg

    server = os.environ["DATABASE_URL"]
    if not is_kept:
        _drop(server)
    with psycopg.connect(server, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone():
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
    from django.test import Client

    from curation.models import Exchange, Project, User

    project = Project.objects.filter(slug="bench").first() or _project()
    present = Exchange.objects.count()
    if present < count:
        _fill(project, present, count)
    user = User.objects.get(username="bench")
    client = Client(HTTP_HOST="localhost")
    client.force_login(user)
    _check_plans(project)
    _settle(client)
    figures = {name: _timed(step, seconds) for name, step in _steps(project, user, client).items()}
    for name, (median, slow) in figures.items():
        bar = BARS.get(name)
        judged = "" if bar is None else f"  bar {bar} ms: {'kept' if slow <= bar else 'MISSED'}"
        print(f"  {name:24} median {median:6.1f} ms  p95 {slow:6.1f} ms{judged}", flush=True)
    _count_queries(project, client)
    return {name: median for name, (median, _) in figures.items()}


def _settle(client: Any) -> None:
    """As a web process is once it has served its first pages (see curation/asgi.py)."""
    import gc

    assert client.get("/projects/bench/rows/").status_code == 200
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


def _count_queries(project: Any, client: Any) -> None:
    """How many queries each page of the room asks the database."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from curation.claims import next_slot

    slot = next_slot(project, project.memberships.get().user)
    pages = {name: f"/projects/bench/{path}" for name, path in PAGES.items()}
    pages["a row"] = f"/projects/bench/review/{slot.exchange_id}/"
    pages["rows like it"] = f"/projects/bench/review/{slot.exchange_id}/similar/"
    found = {}
    for name, path in pages.items():
        with CaptureQueriesContext(connection) as asked:
            assert client.get(path).status_code == 200, path
        found[name] = len(asked)
    over = {name: count for name, count in found.items() if count > MOST_QUERIES}
    print("  queries: " + ", ".join(f"{name} {count}" for name, count in found.items()))
    if over:
        print(f"  MORE THAN {MOST_QUERIES}: {over}")


def _fill(project: Any, present: int, count: int) -> None:
    from django.db import connection

    start = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        # The indexes of the search are by far the dearest, and are built at once after the load.
        cursor.execute("DROP INDEX search_words, search_letters")
        cursor.execute(_FILL, {"words": WORDS})
        for first in range(present + 1, count + 1, 50_000):
            last = min(first + 49_999, count)
            cursor.execute(_ROWS, {"project": project.pk, "first": first, "last": last})
        cursor.execute(_VERDICTS, {"project": project.pk, "people": _people()})
        cursor.execute("DROP FUNCTION pg_temp.said, pg_temp.drawn; DROP TABLE vocabulary")
        filled = time.monotonic() - start
        _index(cursor)
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("SET statement_timeout = 60000")
    print(f"{count:,} rows: filled in {filled:.0f} s, indexed in {time.monotonic() - start - filled:.0f} s", flush=True)


def _people() -> list[int]:
    from curation.models import User

    return [User.objects.get_or_create(username=name)[0].pk for name in ("bench", *"abcde")]


def _index(cursor: Any) -> None:
    from pathlib import Path

    sql = Path("curation/migrations/sql/search_beside.sql").read_text()
    cursor.execute("SET maintenance_work_mem = '512MB'")
    cursor.execute("TRUNCATE curation_searchdue, curation_searchtext")
    cursor.execute(sql[sql.index("INSERT INTO") : sql.index("-- Whoever makes")])


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
    held: list[Any] = []
    decided: list[Any] = []

    def next_row() -> None:
        held.append(next_slot(project, user, after=held[-1] if held else None))

    tickets: list[Any] = []

    def decision() -> None:
        """The pages are opened before the clock runs: the first call warms up and is not counted."""
        while not tickets or (len(tickets) < 220 and not decided):
            slot = next_slot(project, user, after=held[-1] if held else None)
            tickets.append(Ticket(slot.exchange_id, slot.exchange.version, slot.pk, slot.claim_token))
            held.append(slot)
        decided.append(decide(project, user, "excluded", tickets.pop()))

    freed_for: set[str] = set()

    def let_go(step: str) -> None:
        """Once, before the clock counts: what the steps before have claimed. Nobody holds hundreds of rows."""
        if step not in freed_for:
            freed_for.add(step)
            mine = project.slots.filter(reviewer=user, done_at=None)
            mine.update(reviewer=None, claim_token=None, claimed_until=None)

    def next_address() -> None:
        """The next row claimed, and where it is; who holds one already is sent back to that."""
        let_go("address")
        assert client.get("/projects/bench/review/").status_code == 302

    open_rows: list[int] = []

    def row_page() -> None:
        """The page of a row, which claims it."""
        if not open_rows:
            waiting = project.slots.filter(done_at=None).order_by("draw").values_list("exchange", flat=True)
            open_rows.extend(waiting[10_000:10_400])
        assert client.get(f"/projects/bench/review/{open_rows.pop()}/").status_code == 200

    def similar_page() -> None:
        assert client.get(f"/projects/bench/review/{held[draw.randrange(len(held))].exchange_id}/similar/").content

    forms: list[tuple[str, dict[str, str]]] = []

    def verdict_and_next() -> None:
        """What a key brings: the verdict is written, the next row claimed, and the answer is that row."""
        if not forms:
            let_go("key")
            forms.append(_verdict_form(client.get("/projects/bench/review/", follow=True)))
        at, form = forms.pop()
        forms.append(_verdict_form(client.post(at, form | {"via": "key"}, headers={"X-Stage": "next"})))

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

    def ordered(kind: str) -> Callable[[], None]:
        """Steps run one after the other, so the order is chosen when the first of its kind is asked for."""
        wanted = [kind]

        def step() -> None:
            if wanted:
                choose(project, user, wanted.pop())
            next_row()

        return step

    kinds = ("newest", "most_seen", "sample", "attention")
    return {f"next ({kind})": ordered(kind) for kind in kinds} | {
        "next (its address)": next_address,
        "decide": decision,
        "row page": row_page,
        "verdict and next row": verdict_and_next,
        "list": page,
        "list of a state": lambda: page("?state=included"),
        "search, rare words": lambda: search(2, WORDS),
        "search, common words": lambda: search(1, 40),
        "similar rows": similar_page,
        "weigh 20": weighing,
    }


def _verdict_form(answer: Any) -> tuple[str, dict[str, str]]:
    """Where the form on a row's page is sent to exclude the row, and what is in it."""
    said = answer.content.decode()
    form = said[said.index('id="verdict"') : said.index("</form>", said.index('id="verdict"'))]
    (at,) = re.findall(r'action="([^"]+)include/"', form)
    return f"{at}exclude/", dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))


def _timed(step: Callable[[], Any], seconds: float) -> tuple[float, float]:
    """Median and 95th percentile, in milliseconds."""
    times = []
    end = time.monotonic() + seconds
    while len(times) < 201 and (time.monotonic() < end or len(times) < 21):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1000)
    times = sorted(times[1:])  # the first warms up
    return statistics.median(times), times[int(len(times) * 0.95)]


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
