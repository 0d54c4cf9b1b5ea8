#!/usr/bin/env python3
"""A real fine-tune through the product: the demo's place names, SmolLM2 tuned on them, beside it the baseline engine.

    .venv/bin/python bench/lora.py [--keep FOLDER]

Starts the whole application in a folder of its own with CURATION_TRAINER=lora (the packages of requirements-trainer.txt
must be installed: `CURATION_TRAINER=lora ./run` once), loads the demo, freezes, fine-tunes both base models and has the
held-out cases answered by each of them before and after. Prints a table, with minutes and memory as the trainer tells
them. On two free cores it takes some twenty minutes, on busy ones longer; a run that was cut off goes on with --keep.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
from tests.stack import running  # noqa: E402 - found through the line above

LANGUAGE_MODEL = "SmolLM2-135M-Instruct"
LAUNCH = f"""
from curation.models import DatasetVersion
from jobs import finetunes
version = DatasetVersion.objects.filter(project__slug="locations").latest("pk")
for base in ("{LANGUAGE_MODEL}", "baseline"):
    if not version.finetunes.filter(base_model=base).exists():
        finetunes.launch(version, version.project.default_provider, base, seed=1)
"""
LOOK = """
import json
from jobs.models import EvaluationRun, FineTune
from jobs.reports import summary
jobs = [
    {
        "base": job.base_model, "status": job.status, "done": job.done_count, "total": job.total_count,
        "error": job.error, "took": (job.finished_at - job.started_at).total_seconds() if job.finished_at else None,
        "examples": [job.version.train_count, job.version.test_count],
        "told": [event.message for event in job.events.all() if event.message.startswith(("Trained", "Stopped"))],
    }
    for job in FineTune.objects.filter(project__slug="locations")
]
runs = [
    {
        "base": run.model_version.base_model, "status": run.status, "done": run.done_count, "total": run.total_count,
        "error": run.error,
        "candidates": [
            {"model": line.candidate.model, "exact": line.exact, "json": line.json_equal, "cases": line.total}
            for line in summary(run)
        ],
    }
    for run in EvaluationRun.objects.filter(project__slug="locations").select_related("model_version")
]
print(json.dumps({"jobs": jobs, "runs": runs}))
"""
ENDED = ("succeeded", "failed", "cancelled")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="the data folder, kept and gone on with")
    options = parser.parse_args()
    if options.keep:
        measure(options.keep.resolve(), is_kept=True)
    else:
        with tempfile.TemporaryDirectory(prefix="curation-lora-") as folder:
            measure(Path(folder), is_kept=False)


def measure(folder: Path, is_kept: bool) -> None:
    """The whole way, and the table."""
    settings = {name: value for name, value in os.environ.items() if name.startswith("CURATION_TRAINER_")}
    # The answers wanted here have some 20 tokens; the untuned model would go on and on.
    settings = {"CURATION_TRAINER": "lora", "CURATION_TRAINER_MAX_TOKENS": "96", **settings}
    with running(folder, settings, keeps=is_kept) as stack:
        print(stack.url, stack.manage("load_demo", "locations"), flush=True)
        stack.manage("freeze", "locations")
        stack.manage("shell", "-c", LAUNCH)
        said = None
        while True:
            seen = json.loads(stack.manage("shell", "-v", "0", "-c", LOOK).splitlines()[-1])
            if (line := _progress(seen)) != said:
                print(time.strftime("%H:%M:%S"), line, flush=True)
                said = line
            if len(seen["runs"]) == 2 and all(run["status"] in ENDED for run in seen["runs"]):
                break
            if any(job["status"] in ("failed", "cancelled") for job in seen["jobs"]):
                sys.exit(f"A fine-tune did not end well: {seen['jobs']}")
            time.sleep(60)
    _show(seen)


def _progress(seen: dict) -> str:
    kinds = (("tuning", seen["jobs"]), ("evaluating", seen["runs"]))
    return "; ".join(
        f"{word} {one['base']}: {one['status']} {one['done']}/{one['total']} {one['error']}".strip()
        for word, several in kinds
        for one in several
    )


def _show(seen: dict) -> None:
    print("\n| model | exact | JSON equal | held-out cases |\n|---|---|---|---|")
    for run in seen["runs"]:
        for line in run["candidates"]:
            cases = line["cases"] or 1
            shares = (f"{line[kind]} ({line[kind] / cases:.0%})" for kind in ("exact", "json"))
            print(f"| {line['model']} | {' | '.join(shares)} | {line['cases']} |")
    for job in seen["jobs"]:
        minutes = f"{job['took'] / 60:.1f} minutes from launch to model, {job['examples'][0]} examples"
        print(f"{job['base']}: {minutes}. {' '.join(job['told'])}")


if __name__ == "__main__":
    main()
