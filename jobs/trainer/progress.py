"""What a training reports: lines to the server, each step's figures in a file, the last checkpoints in folders."""

import csv
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import orjson

KEPT_CHECKPOINTS = 3
CHECKPOINT = re.compile(r"checkpoint-(\d+)")
COLUMNS = {
    "step": "step",
    "train_loss": "train_loss",
    "train_accuracy": "train_mean_token_accuracy",
    "valid_loss": "valid_loss",
    "valid_mean_token_accuracy": "valid_mean_token_accuracy",
}


class Report:
    """Progress as JSON lines to `output`. Its files in `folder` let another process go on with the job."""

    def __init__(self, output: BinaryIO, folder: Path) -> None:
        self.output, self.folder = output, folder
        self.state = folder / "state"
        self.pause = threading.Event()
        self._steps = folder / "steps.jsonl"

    def say(self, kind: str, **facts: Any) -> None:
        """One line."""
        self.output.write(orjson.dumps({"kind": kind, **facts}) + b"\n")
        self.output.flush()

    def message(self, text: str, level: str = "info") -> None:
        """One sentence for the job's event list."""
        self.say("message", text=text, level=level)

    def settled(self, hyperparameters: dict[str, int | float]) -> None:
        """What "auto" became."""
        self.say("settled", hyperparameters=hyperparameters)

    def step(self, number: int, total: int, metrics: dict[str, float]) -> None:
        """One step is over."""
        with self._steps.open("ab") as file:
            file.write(orjson.dumps({"step": number, **metrics}) + b"\n")
        self.say("step", number=number, total=total, metrics=metrics)

    def checkpoint(self, number: int, save: Callable[[Path], None]) -> None:
        """Keep the model as it stands; of all checkpoints the last three stay."""
        made = self.folder / "checkpoint.new"
        shutil.rmtree(made, ignore_errors=True)
        save(made)
        made.rename(self.folder / f"checkpoint-{number}")
        for old in self._checkpoints()[:-KEPT_CHECKPOINTS]:
            shutil.rmtree(self.folder / f"checkpoint-{old}")

    def saved(self) -> None:
        """A killed process would cost no more than what follows."""
        self.say("saved")

    def resumed(self, number: int) -> None:
        """Forget what was reported beyond step `number`."""
        kept = [step for step in self._read_steps() if step["step"] <= number]
        self._steps.write_bytes(b"".join(orjson.dumps(step) + b"\n" for step in kept))
        for later in (at for at in self._checkpoints() if at > number):
            shutil.rmtree(self.folder / f"checkpoint-{later}")
        if number:
            self.message(f"Going on after step {number}, the last that was saved")

    def is_pause_wanted(self) -> bool:
        """Whether the server asked for a pause."""
        return self.pause.is_set()

    def finish(self) -> list[dict[str, Any]]:
        """Write result.csv, remove what only a resumption needs; returns the checkpoints, {"step", "metrics"}."""
        steps = self._read_steps()
        with (self.folder / "result.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            table.writerows([step.get(name, "") for name in COLUMNS.values()] for step in steps)
        shutil.rmtree(self.state, ignore_errors=True)
        self._steps.unlink(missing_ok=True)
        shutil.rmtree(self.folder / "checkpoint.new", ignore_errors=True)
        by_number = {step["step"]: step for step in steps}
        return [{"step": number, "metrics": by_number[number]} for number in self._checkpoints()]

    def _read_steps(self) -> list[dict[str, Any]]:
        """Whole lines only: a process that was killed may have left half a one."""
        lines = self._steps.read_bytes().splitlines(keepends=True) if self._steps.exists() else []
        return [orjson.loads(line) for line in lines if line.endswith(b"\n")]

    def _checkpoints(self) -> list[int]:
        found = (CHECKPOINT.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted(int(match[1]) for match in found if match)
