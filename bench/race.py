"""Two people decide one queue in two real browsers for minutes; then the database is held against what each saw.

    python -m bench.race [--seconds 600] [--rows 12000]

Needs Chromium and the application running (`./run`), whose address and database it reads from the data folder. It
makes a project of its own and two people. Each browser includes, excludes, puts off, skips and undoes by key. In the
end: no key press is lost, no row was ever on both screens at once, and each row stands as its last verdict says.
"""

import argparse
import json
import multiprocessing
import os
import random
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

PASSWORD = "only for this race"
# What is pressed, and the verb it should leave in the history; a skipped row leaves none.
KEYS = {"i": "included", "x": "excluded", "s": "later", "u": "undone", "j": ""}
WEIGHTS = (50, 30, 6, 6, 8)
ARRIVED = "before => location.href !== before && !document.querySelector('[aria-busy]')"


class Seen(NamedTuple):
    """One row on a screen: from when to when, and the key that ended it. Seconds of the machine's clock."""

    row: int
    since: float
    until: float
    key: str
    arrived: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--rows", type=int, default=12_000)
    wanted = parser.parse_args()
    state = json.loads((Path(os.environ.get("CURATION_HOME", "var")) / "run" / "state.json").read_text())
    os.environ.update(state["environment"])
    slug, names = _prepared(wanted.rows)
    print(f"{wanted.rows:,} rows wait in {slug}; {wanted.seconds:.0f} s", flush=True)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        runs = pool.starmap(browse, [(state["url"], slug, name, wanted.seconds) for name in names])
    faults = [*_overlaps(*runs), *_lost(slug, dict(zip(names, runs, strict=True)))]
    for name, seen in zip(names, runs, strict=True):
        waits = sorted((line.arrived - line.until) * 1000 for line in seen)
        counts = Counter(line.key for line in seen)
        pressed = ", ".join(f"{KEYS[key] or 'skipped'} {counts[key]}" for key in KEYS)
        slow = waits[int(len(waits) * 0.95)]
        print(f"{name}: {pressed}; key to next row median {statistics.median(waits):.0f} ms, p95 {slow:.0f} ms")
    if faults:
        sys.exit("\n".join(faults[:20]))
    total = sum(map(len, runs))
    print(f"{total:,} key presses: none lost, no row on both screens at once, every row as its last verdict says")


def _prepared(count: int) -> tuple[str, list[str]]:
    """A project with so many rows that wait, and two reviewers of it."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "curation.settings")
    django.setup()
    from curation.models import Membership, User
    from curation.projects import create_project
    from curation.recording import record
    from tests.asking import call_of

    slug = f"race-{int(time.time())}"
    project = create_project(slug, name="Race")
    names = [f"{slug}-{name}" for name in ("ana", "ben")]
    for name in names:
        user = User.objects.create_user(name, password=PASSWORD)
        Membership.objects.create(project=project, user=user, role=Membership.Role.REVIEWER)
    for first in range(0, count, 500):
        record([call_of(project, f"Question {n} of the race", "It depends.") for n in range(first, first + 500)])
    return slug, names


def browse(address: str, slug: str, name: str, seconds: float) -> list[Seen]:
    """What one person sees and presses; runs in a process of its own."""
    from playwright.sync_api import sync_playwright

    draw = random.Random(name)
    seen: list[Seen] = []
    with sync_playwright() as playwright:
        program = os.environ.get("CURATION_CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = browser.new_page()
        page.goto(f"{address}/projects/{slug}/review/")
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.locator("#stage").wait_for()
        end = time.time() + seconds
        since = time.time()
        while time.time() < end and (row := _row(page)):
            [key] = draw.choices(list(KEYS), WEIGHTS)
            if key == "u" and not page.locator('[data-verb="undo"]').count():
                continue
            before, until = page.url, time.time()
            page.keyboard.press(key)
            page.wait_for_function(ARRIVED, arg=before, timeout=30_000)
            arrived = time.time()
            seen.append(Seen(row, since, until, key, arrived))
            since = arrived
        browser.close()
    return seen


def _row(page: Any) -> int | None:
    last = page.url.rstrip("/").rsplit("/", 1)[1]
    return int(last) if last.isdecimal() else None


def _overlaps(ones: list[Seen], others: list[Seen]) -> list[str]:
    """Rows that stood on both screens at the same time."""
    theirs: dict[int, list[Seen]] = {}
    for line in others:
        theirs.setdefault(line.row, []).append(line)
    return [
        f"row {line.row} stood on both screens at {max(line.since, other.since):.2f}"
        for line in ones
        for other in theirs.get(line.row, [])
        if line.since < other.until and other.since < line.until
    ]


def _lost(slug: str, runs: dict[str, list[Seen]]) -> list[str]:
    """Presses without their verdict, verdicts without a press, rows that stand otherwise than their history says."""
    from curation.models import Project, Review
    from curation.review import effective

    project = Project.objects.get(slug=slug)
    faults = []
    for name, seen in runs.items():
        mine = Review.objects.filter(project=project, reviewer__username=name).order_by("id")
        written = list(mine.values_list("verb", flat=True))
        pressed = [KEYS[line.key] for line in seen if KEYS[line.key]]
        if written != pressed:
            faults.append(f"{name} pressed {len(pressed)} verdicts and {len(written)} are written, or in another order")
    touched = project.exchanges.filter(reviews__isnull=False).distinct().only("pk", "state", "version")
    for row in touched.iterator():
        standing = effective(row).first()
        should = standing.state_after if standing else "pending"
        if row.state != should:
            faults.append(f"row {row.pk} is {row.state} and should be {should}")
        if row.version != 1 + row.reviews.count():
            faults.append(f"row {row.pk} has version {row.version} after {row.reviews.count()} verdicts")
    untouched = project.exchanges.filter(reviews=None).exclude(state="pending").count()
    return [*faults, *([f"{untouched} rows changed without a verdict"] if untouched else [])]


if __name__ == "__main__":
    main()
