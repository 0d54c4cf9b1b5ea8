"""Everything that runs, in order: started stage by stage, kept alive, stopped in reverse."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

from .errors import StartError, Stopped
from .logs import log, open_log, tail
from .processes import signal_group, spawn
from .service import Child, Service

_POLL = 0.05  # seconds
_READY_WITHIN = 120  # seconds; a database that recovers from a crash takes its time


class Stack:
    """The services of one supervisor. Signals only count; every wait looks at the count."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._stages: list[list[Child]] = []
        self._ready: list[Child] = []
        self.stop_requests: list[int] = []
        # `./run &` in a script starts us deaf to INT, which is not meant; `nohup ./run` deaf to HUP, which is.
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._request_stop)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._request_stop)

    def _request_stop(self, signum: int, _frame: FrameType | None) -> None:
        self.stop_requests.append(signum)

    def start(self, services: Sequence[Service]) -> None:
        """Start one stage without waiting for it. A later stage is stopped before an earlier one."""
        stage: list[Child] = []
        self._stages.append(stage)
        for service in services:
            self._check_not_stopped()
            child = Child(service, self._logs / f"{service.name}.log")
            stage.append(child)
            try:
                child.start()
            except OSError as error:
                raise StartError(f"{service.name} could not be started: {error}.") from error

    def wait_until_ready(self) -> None:
        """Returns when all that was started is ready. Raises StartError when one ends before or takes too long."""
        deadline = time.monotonic() + _READY_WITHIN
        waiting = [child for stage in self._stages for child in stage if child not in self._ready]
        for child in waiting:
            while not child.is_ready():
                if child.exit_code is not None:
                    raise _failure(child.service.name, f"ended with exit code {child.exit_code}", child.log_file)
                if time.monotonic() > deadline:
                    raise _failure(child.service.name, f"was not ready after {_READY_WITHIN} s", child.log_file)
                self._pause()
            self._ready.append(child)
            log.info("%-9s runs as process %d, log in %s", child.service.name, child.pid, child.log_file)

    def run_to_end(
        self,
        name: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        stdout: IO[bytes] | None = None,
    ) -> None:
        """Run one step of the start. What it prints goes to its log unless `stdout` takes it.

        Raises StartError when it fails.
        """
        log_file = self._logs / f"{name}.log"
        with open_log(log_file) as output:
            process = spawn(argv, environment=environment, folder=folder, stdout=stdout or output, stderr=output)
            try:
                while process.poll() is None:
                    self._pause()
            finally:
                signal_group(process, signal.SIGKILL)
                process.wait()
        if process.returncode != 0:
            raise _failure(name, f"failed with exit code {process.returncode}", log_file)

    def run_command(self, argv: Sequence[str], environment: Mapping[str, str], folder: Path) -> int:
        """Run somebody's command on our terminal while the services live; returns its exit code as a shell would."""
        self._check_not_stopped()
        command = spawn(argv, environment=environment, folder=folder, own_group=False, stdin=None)
        forwarded = 0
        while command.poll() is None:
            self._tend()
            for signum in self.stop_requests[forwarded:]:
                forwarded += 1
                if signum != signal.SIGINT or not _terminal_signals_it():
                    command.send_signal(signum)
            time.sleep(_POLL)
        return command.returncode if command.returncode >= 0 else 128 - command.returncode

    def tend_until_stopped(self) -> None:
        while not self.stop_requests:
            self._tend()
            time.sleep(2 * _POLL)

    def stop(self) -> None:
        """Stop the stages in reverse. Another signal meanwhile shortens the patience, except with the databases."""
        asked = len(self.stop_requests)
        while self._stages:
            stage = self._stages.pop()
            for child in stage:
                child.ask_to_stop()
            while stage:
                stage = [child for child in stage if not child.has_stopped(hurry=len(self.stop_requests) > asked)]
                if stage:
                    time.sleep(_POLL)

    def _tend(self) -> None:
        for stage in self._stages:
            for child in stage:
                child.tend()

    def _pause(self) -> None:
        time.sleep(_POLL)
        self._check_not_stopped()

    def _check_not_stopped(self) -> None:
        if self.stop_requests:
            raise Stopped(self.stop_requests[0])


def _terminal_signals_it() -> bool:
    """Ctrl-C reaches all that runs in the terminal's foreground by itself; INT sent to us alone does not."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)


def _failure(name: str, what: str, log_file: Path) -> StartError:
    return StartError(f"{name} {what}. The whole story is in {log_file}, which ends:\n{tail(log_file)}")
