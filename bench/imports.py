#!/usr/bin/env python3
"""How fast past calls become rows, and in how much memory: a file of n lines, one of 4n, and the first one again.

    python bench/imports.py [--rows 20000]

Wants the application's environment (DATABASE_URL and so on) and a migrated database to fill with calls of a project
`bench-…`. Each file is imported by a process of its own, which does nothing else. "Reading" is the same without a
database: unpacking, parsing, telling calls apart. Read the ratios within one run; the load says who else was at work.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "curation.settings")
WORDS = [f"word{number}" for number in range(5000)]


def write(path: Path, rows: int, seed: str) -> None:
    """Chat lines of about 600 bytes, each with a prompt of its own."""
    chance = random.Random(seed)
    with path.open("w") as file:
        for number in range(rows):
            asked = " ".join(chance.choices(WORDS, k=30)) + f" {seed}{number}"
            messages = [
                {"role": "system", "content": "Answer briefly and kindly."},
                {"role": "user", "content": asked},
                {"role": "assistant", "content": " ".join(chance.choices(WORDS, k=25))},
            ]
            file.write(json.dumps({"messages": messages}) + "\n")


def measure(path: Path, slug: str, stores: bool) -> dict[str, float]:
    """In a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", str(path), slug, "store" if stores else "read"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def one(path: Path, slug: str, stores: bool) -> None:
    import django

    django.setup()
    from django.core.files import File

    from curation.models import Project
    from jobs import imports, uploads
    from jobs.past_rows import rows_of_lines

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with path.open("rb") as stream:
        if not stores:
            begun = time.perf_counter()
            count = sum(1 for _ in rows_of_lines(stream, {}, 0))
            told = {"imported": count, "known": 0}
        else:
            upload = uploads.draft(Project.objects.get(slug=slug), File(stream, path.name))
            imports.start(upload)
            begun = time.perf_counter()
            while not upload.is_finished:
                imports.advance(upload.pk)
                upload.refresh_from_db()
            told = {"imported": upload.imported_count, "known": upload.known_count}
    told |= {"seconds": time.perf_counter() - begun}
    told |= {"before_mb": before / 1024, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    print(json.dumps(told))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        path, slug, what = options.one
        one(Path(path), slug, what == "store")
        return
    import django

    django.setup()
    from curation.projects import create_project

    slug = f"bench-{time.time_ns()}"
    create_project(slug)
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder, "n.jsonl"), Path(folder, "4n.jsonl")
        write(small, options.rows, "a")
        write(large, 4 * options.rows, "b")
        runs = {
            "reading n": measure(small, slug, stores=False),
            "reading 4n": measure(large, slug, stores=False),
            "importing n": measure(small, slug, stores=True),
            "importing 4n": measure(large, slug, stores=True),
            "n again": measure(small, slug, stores=True),
        }
    print(f"n = {options.rows}, load {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores")
    for name, run in runs.items():
        rows = run["imported"] + run["known"]
        print(
            f"{name:13} {rows:8.0f} rows {rows / run['seconds']:9.0f} rows/s   "
            f"peak {run['peak_mb']:6.1f} MB, of which {run['peak_mb'] - run['before_mb']:6.1f} MB while at work"
        )
    growth = (runs["importing 4n"]["peak_mb"]) / (runs["importing n"]["peak_mb"])
    print(f"memory for 4n / n: {growth:.2f}")


if __name__ == "__main__":
    main()
