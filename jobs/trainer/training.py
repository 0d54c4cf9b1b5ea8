"""The queue: one thread has files checked, one has models trained, each one job at a time in a process of its own.

What there is to do stands in the database; the threads only look for it. A server that was killed finds its unfinished
jobs there at the next start and runs them again under the same ids, from where their engine saved its state.
"""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from jobs.trainer import ledger
from jobs.trainer.engines import engine_of
from jobs.trainer.shelf import Shelf
from jobs.trainer.store import Facts, Store, now

logger = logging.getLogger(__name__)

PROJECT = Path(__file__).parents[2]
LOOK_EVERY = 10.0  # seconds; nudges make it immediate, this is for the ones that get lost


class Queue:
    """Works off the jobs in the store."""

    def __init__(self, store: Store, shelf: Shelf) -> None:
        self.store, self.shelf = store, shelf
        self._stopping = threading.Event()
        self._mutex = threading.Lock()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._nudges = {"validate": threading.Event(), "train": threading.Event()}
        work: dict[str, tuple[Sequence[str], Callable[[Facts], None]]] = {
            "validate": (("validating_files",), self._validate),
            "train": (("running", "queued"), self._train),
        }
        self._threads = [
            threading.Thread(target=self._lane, args=(name, *what), name=name) for name, what in work.items()
        ]

    def start(self) -> None:
        """Begin working."""
        ledger.put_all_down(self.store)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the running processes, leave their jobs for the next start, and wait for the threads."""
        self._stopping.set()
        for job_id in list(self._children):
            self._kill(job_id)
        self.nudge()
        for thread in self._threads:
            thread.join()

    def nudge(self) -> None:
        """There may be something to do."""
        for event in self._nudges.values():
            event.set()

    def cancel(self, job_id: str) -> bool:
        """End a job that waits or runs; says whether it was still open."""
        is_cancelled = ledger.cancel(self.store, job_id)
        if is_cancelled:
            self._kill(job_id)
            if job_id not in self._children:
                shutil.rmtree(self.store.work / job_id, ignore_errors=True)
        return is_cancelled

    def pause(self, job_id: str) -> bool:
        """Put down a job that waits or runs; says whether it was. An engine of seconds may still finish it."""
        is_paused = ledger.pause(self.store, job_id)
        if is_paused:
            self._ask_to_pause(job_id)
        return is_paused

    def resume(self, job_id: str) -> bool:
        """Let a paused job go on in its turn; says whether it was paused."""
        is_resumed = ledger.resume(self.store, job_id)
        self.nudge()
        return is_resumed

    def _lane(self, name: str, statuses: Sequence[str], work: Callable[[Facts], None]) -> None:
        while not self._stopping.is_set():
            self._nudges[name].clear()
            job = ledger.next_job(self.store, statuses)
            if job is None:
                self._nudges[name].wait(LOOK_EVERY)
                continue
            try:
                work(job)
            except Exception:  # the thread's boundary: a full disk, say, must not end the queue for good
                logger.exception("job %s: %s was disturbed", job["id"], name)
                self._stopping.wait(1)

    def _validate(self, job: Facts) -> None:
        outcome = self._run(job, "validate", lambda facts: None)
        if outcome["kind"] == "done":
            ledger.move(
                self.store, job["id"], ("validating_files",), "queued", "Files validated, moving job to queued state"
            )
            self.nudge()

    def _train(self, job: Facts) -> None:
        if not ledger.start(self.store, job):
            return
        folder = self.store.work / job["id"]
        folder.mkdir(exist_ok=True)
        outcome = self._run(job, "train", self._follow(job))
        if outcome["kind"] == "done":
            self._publish(job, outcome)
        elif outcome["kind"] in ("stopped", "paused"):
            ledger.put_back(self.store, job["id"])
            ledger.put_down(self.store, job["id"])
        if ledger.get(self.store, job["id"])["status"] not in ledger.OPEN:
            shutil.rmtree(folder, ignore_errors=True)

    def _follow(self, job: Facts) -> Callable[[Facts], None]:
        """What writes down the progress of a training that begins now."""
        began, first = time.monotonic(), 0

        def on_progress(facts: Facts) -> None:
            nonlocal first
            if facts["kind"] == "settled":
                ledger.settle_hyperparameters(self.store, job["id"], facts["hyperparameters"])
            elif facts["kind"] == "saved":
                ledger.forgive(self.store, job["id"])
            else:
                number, total = facts["number"], facts["total"]
                first = first or number
                left = (time.monotonic() - began) / (number - first + 1) * (total - number)
                ledger.step(self.store, job["id"], number, total, facts["metrics"], now() + round(left))

        return on_progress

    def _publish(self, job: Facts, outcome: Facts) -> None:
        """Load the model, which proves that it can be loaded and spares its first caller the wait; then show it."""
        folder, name = self.store.work / job["id"], ledger.model_name(job)
        self.shelf.put(name, engine_of(job["model"]).load(folder / "model"))
        try:
            result = (folder / "result.csv").read_bytes()
            (folder / "result.csv").unlink()
            is_public = ledger.publish(self.store, job, outcome["trained_tokens"], outcome["checkpoints"], result)
        except OSError as error:
            is_public = False
            message = f"The model could not be saved: {error.strerror}."
            ledger.fail(self.store, job["id"], "server_error", message, None)
        if not is_public:
            self.shelf.drop(name)
            shutil.rmtree(self.store.models / job["id"], ignore_errors=True)

    def _run(self, job: Facts, task: str, on_progress: Callable[[Facts], None]) -> Facts:
        """Have a worker do `task`; returns its last word, {"kind": "done" | "failed" | "paused" | "stopped" | ...}.

        "stopped": the server is stopping; "gone": the job was cancelled. A failure is already on the job."""
        order = self._order(job, task)
        if order is None:
            return {"kind": "failed"}
        outcome: Facts = {"kind": "gone"}
        with self._child(job, order) as child:
            assert child.stdout
            for line in child.stdout:
                facts = json.loads(line)
                if facts["kind"] == "message":
                    ledger.note(self.store, job["id"], facts["text"], facts["level"])
                elif facts["kind"] in ("done", "failed", "paused"):
                    outcome = facts
                else:
                    on_progress(facts)
        return self._judged(job, task, outcome, child.returncode)

    def _judged(self, job: Facts, task: str, outcome: Facts, returncode: int) -> Facts:
        if self._stopping.is_set() and outcome["kind"] == "gone":
            return {"kind": "stopped"}
        if outcome["kind"] == "gone":
            message = f"The process ended early ({_reason(returncode)}) while it was to {task}; memory may be short."
            outcome = {"kind": "failed", "code": "server_error", "message": message, "param": None}
        if outcome["kind"] == "failed":
            # A cancelled job stays cancelled: only an open one can fail.
            ledger.fail(self.store, job["id"], outcome["code"], outcome["message"], outcome["param"])
        return outcome

    def _order(self, job: Facts, task: str) -> Facts | None:
        """What the worker is told; None, and a failed job, when a file has been deleted meanwhile."""
        order: dict[str, Any] = {"task": task, "base_model": job["model"], "folder": str(self.store.work / job["id"])}
        for param in ("training_file", "validation_file"):
            path = self.store.files / job[param] if job[param] else None
            if path and not path.exists():
                message = f"The file {job[param]} was deleted before the job had read it."
                ledger.fail(self.store, job["id"], f"invalid_{param}", message, param)
                return None
            order[param] = str(path) if path else None
        chosen = {
            name: None if value == "auto" else value for name, value in json.loads(job["hyperparameters"]).items()
        }
        order["settings"] = {"seed": job["seed"], "method": job["method"], **chosen}
        return order

    @contextmanager
    def _child(self, job: Facts, order: Facts) -> Iterator[subprocess.Popen[bytes]]:
        """A worker process with its order, known to `cancel`, `pause` and `stop` while it lives, and surely dead
        afterwards."""
        child = subprocess.Popen(
            [sys.executable, "-m", "jobs.trainer.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=PROJECT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )
        assert child.stdin
        # The order is the first it reads; only then may anybody else write to it.
        with suppress(BrokenPipeError):  # it has ended already; its silence says so
            child.stdin.write(json.dumps(order).encode() + b"\n")
            child.stdin.flush()
        with self._mutex:
            self._children[job["id"]] = child
        # A cancel, a pause or a stop that came before the line above did not see this child.
        status = ledger.get(self.store, job["id"])["status"]
        if self._stopping.is_set() or status not in ledger.OPEN:
            self._kill(job["id"])
        elif status == "pausing":
            self._ask_to_pause(job["id"])
        try:
            with child:
                yield child
        finally:
            with self._mutex:
                del self._children[job["id"]]

    def _ask_to_pause(self, job_id: str) -> None:
        with self._mutex:
            child = self._children.get(job_id)
            if child and child.stdin:
                with suppress(OSError, ValueError):  # it has ended already
                    child.stdin.write(b"p")
                    child.stdin.flush()

    def _kill(self, job_id: str) -> None:
        with self._mutex:
            child = self._children.get(job_id)
            if child and child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)


def _reason(returncode: int) -> str:
    return f"signal {-returncode}" if returncode < 0 else f"exit status {returncode}"
