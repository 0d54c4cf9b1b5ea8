"""One process of ours: how it is started, that it dies with us, and how leftovers of an earlier start are found."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: what runs between fork and exec must not load anything.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Account(NamedTuple):
    """Whose rights a process gets. Only root can give a process other rights than its own."""

    uid: int
    gid: int


def spawn(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path | str,
    account: Account | None = None,
    own_group: bool = True,
    death_signal: int = signal.SIGTERM,
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `argv` in `folder`. The kernel sends it `death_signal` when we end without having stopped it (Linux).

    A process group of its own keeps Ctrl-C for us alone, and we decide the order in which things end. The kernel
    watches the thread that forked: call this from the main thread only.
    """
    return subprocess.Popen(
        argv,
        env=environment,
        cwd=folder,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        user=account and account.uid,
        group=account and account.gid,
        extra_groups=[] if account else None,
        start_new_session=own_group,
        preexec_fn=_die_with_parent(death_signal),
    )


def _die_with_parent(death_signal: int) -> Callable[[], None] | None:
    libc, parent = _LIBC, os.getpid()
    if libc is None:
        return None

    def before_exec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:  # we ended between fork and prctl
            os._exit(1)

    return before_exec


def signal_group(process: subprocess.Popen[bytes], signum: int) -> None:
    """Reach what the process started too. Its group may be gone already."""
    try:
        os.killpg(process.pid, signum)
    except ProcessLookupError:
        return


def stop_leftovers(program: str, folder: Path, signum: int, limit: float = 20) -> None:
    """End servers that an earlier, killed supervisor left working in `folder`; after `limit` seconds by force.

    Two servers on one data folder would destroy it, and a pid in a file may belong to anybody by now. A server works
    inside its data folder, so the working folder says what is really left.
    """
    if not (pids := list(_working_in(program, folder))):
        return
    _signal_all(pids, signum)
    deadline = time.monotonic() + limit
    while pids := list(_working_in(program, folder)):
        if time.monotonic() > deadline:
            _signal_all(pids, signal.SIGKILL)
        time.sleep(0.1)


def _signal_all(pids: list[int], signum: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, signum)
        except ProcessLookupError:
            continue


def _working_in(program: str, folder: Path) -> Iterator[int]:
    """The processes called `program` whose working folder is `folder`. Zombies have none."""
    if sys.platform != "linux":  # pragma: no cover
        command = ["lsof", "-t", "-a", "-c", program, "-d", "cwd", str(folder)]
        yield from map(int, subprocess.run(command, capture_output=True, check=False).stdout.split())
        return
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if (entry / "comm").read_text().strip() == program and (entry / "cwd").samefile(folder):
                yield int(entry.name)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended while we looked, or belongs to somebody else
