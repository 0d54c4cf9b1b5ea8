"""The process that does one job's heavy work: checks its files, or trains its model. The queue starts it.

Its order comes as one JSON line on standard input; what it has to say goes as JSON lines to standard output. It writes
into its own folder only and never into the database. A byte more on its input asks it to put training down; when its
input closes, the server is gone, and it ends at once: no process trains on for nobody.
"""

import os
import resource
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

import orjson

from jobs.trainer import validation
from jobs.trainer.engines import engine_of
from jobs.trainer.engines.base import EngineMissing, Paused, Settings, TrainingFailed
from jobs.trainer.errors import places
from jobs.trainer.preferences import check_pair
from jobs.trainer.progress import Report
from jobs.trainer.validation import check_example


def validate(order: dict[str, Any], report: Report) -> None:
    """Check the job's files; the first problem fails the job, the others are reported too."""
    check = check_pair if order["settings"]["method"] == "dpo" else check_example
    for param in ("training_file", "validation_file"):
        if order[param]:
            found = list(validation.problems(Path(order[param]), param, check))
            for problem in found[1:]:
                report.message(problem.message, "error")
            if found:
                report.say("failed", code=found[0].code, message=found[0].message, param=param)
                return
    report.say("done")


def train(order: dict[str, Any], report: Report) -> None:
    """Train the model into the folder `model`, with checkpoints and result.csv beside it."""
    began = time.monotonic()
    os.nice(5)  # whoever waits for an answer goes first
    examples = validation.read(Path(order["training_file"]))
    held_out = validation.read(Path(order["validation_file"])) if order["validation_file"] else []
    settings = Settings(**order["settings"])
    shutil.rmtree(report.folder / "model", ignore_errors=True)  # what a killed process may have begun to write
    trained_tokens = engine_of(order["base_model"]).train(examples, held_out, settings, report, report.folder / "model")
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 * (1024 if sys.platform == "darwin" else 1))
    minutes = (time.monotonic() - began) / 60
    report.message(f"Trained in {minutes:.1f} minutes with at most {megabytes} MB of memory")
    report.say("done", trained_tokens=trained_tokens, checkpoints=report.finish())


def main() -> None:
    """Take the order, watch the line to the server, work, and say how it ended."""
    # Libraries may print; only our own lines may reach the server.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    order = orjson.loads(_first_line())
    report = Report(output, Path(order["folder"]))
    threading.Thread(target=_heed_the_server, args=[report], daemon=True).start()
    try:
        {"validate": validate, "train": train}[order["task"]](order, report)
    except Paused:
        report.say("paused")
    except TrainingFailed as failed:
        report.say("failed", code=failed.code, message=str(failed), param=failed.param)
    except EngineMissing as missing:
        report.say("failed", code="model_not_available", message=str(missing), param="model")
    except MemoryError:
        report.say("failed", code="server_error", message="Training ran out of memory; use a smaller file.", param=None)
    except Exception as error:  # noqa: BLE001 - the process boundary: whatever went wrong must end the job, with no silence
        sys.stderr.write(f"{order['task']} failed with {places(error)}")
        message = f"The trainer failed with an internal error ({type(error).__name__}); its log says where."
        report.say("failed", code="server_error", message=message, param=None)


def _first_line() -> bytes:
    """Byte by byte: what follows the line is for the thread below, and must not stay in a buffer."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line


def _heed_the_server(report: Report) -> None:
    while os.read(0, 1):
        report.pause.set()
    os._exit(1)  # the server closed its end, or died


if __name__ == "__main__":
    main()
