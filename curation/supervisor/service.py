"""A service: what to start, how to know that it is ready, how it ends; and keeping one alive."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .logs import log, open_log, rotate
from .processes import Account, signal_group, spawn

_LONG_LIFE = 30.0  # seconds after which an end counts as an accident, not as one of a series
_LONGEST_DELAY = 30.0


@dataclass(frozen=True, kw_only=True)
class Service:
    """One row of the table of services; times in seconds."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: Path | str
    account: Account | None = None
    before: Callable[[], None] | None = None  # runs before each start
    ready: Callable[[], bool] | None = None  # None: it counts as ready once it runs
    stop_signal: int = signal.SIGTERM
    death_signal: int = signal.SIGTERM  # what the kernel sends it when we are killed
    grace: float = 30
    holds_data: bool = False  # a hurry does not shorten its grace


class Child:
    """A service's process, started again whenever it ends."""

    def __init__(self, service: Service, log_file: Path) -> None:
        self.service = service
        self.log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._start_again_at = 0.0
        self._short_lives = 0
        self._asked_to_stop_at: float | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Raises OSError when the program cannot be run."""
        if self.service.before:
            self.service.before()
        self._started_at = time.monotonic()
        with open_log(self.log_file) as output:
            self._process = spawn(
                self.service.argv,
                environment=self.service.environment,
                folder=self.service.folder,
                account=self.service.account,
                death_signal=self.service.death_signal,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def is_ready(self) -> bool:
        return self.exit_code is None and (self.service.ready is None or self.service.ready())

    def tend(self) -> None:
        """Notice an end, start again when its time has come, keep the log small. Call it often."""
        if self._process is None:
            if time.monotonic() >= self._start_again_at:
                self._start_again()
        elif (code := self._process.poll()) is not None:
            # What it started may live on and hold its port or its queue.
            signal_group(self._process, signal.SIGKILL)
            self._process = None
            self._wait_before_next_start(f"ended with {_exit_in_words(code)}")
        rotate(self.log_file)

    def _start_again(self) -> None:
        try:
            self.start()
        except OSError as error:
            self._wait_before_next_start(f"could not be started: {error}")
        else:
            log.info("%s runs again as process %d", self.service.name, self.pid)

    def _wait_before_next_start(self, reason: str) -> None:
        if time.monotonic() - self._started_at > _LONG_LIFE:
            self._short_lives, delay = 0, 1.0
        else:
            self._short_lives += 1
            delay = min(2.0**self._short_lives, _LONGEST_DELAY)
        self._start_again_at = time.monotonic() + delay
        log.warning("%s %s; starting it again in %.0f s (%s)", self.service.name, reason, delay, self.log_file)

    def ask_to_stop(self) -> None:
        self._asked_to_stop_at = time.monotonic()
        # The process itself, not its group: a worker lets the processes it started finish their tasks.
        if self._process and self._process.poll() is None:
            os.kill(self._process.pid, self.service.stop_signal)

    def has_stopped(self, *, hurry: bool) -> bool:
        """After `ask_to_stop`: whether all of it has ended. It is killed once its grace is over."""
        if self._process is None:
            return True
        assert self._asked_to_stop_at is not None
        grace = 1.0 if hurry and not self.service.holds_data else self.service.grace
        late = time.monotonic() - self._asked_to_stop_at > grace
        if self._process.poll() is None and not late:
            return False
        if late:
            log.warning("%s did not stop within %.0f s and was killed", self.service.name, grace)
        signal_group(self._process, signal.SIGKILL)
        self._process.wait()
        self._process = None
        return True


def _exit_in_words(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
