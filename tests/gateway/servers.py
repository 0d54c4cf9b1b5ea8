"""The real processes: the web server with the gateway in it, and the recorder."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.db import connection

ROOT = Path(__file__).parents[2]


def environment(home: Path, **more: str) -> dict[str, str]:
    """As the supervisor gives it, with the test's database."""
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    return os.environ | {"DATABASE_URL": database, "CURATION_HOME": str(home), "PYTHONUNBUFFERED": "1"} | more


@dataclass
class Server:
    url: str
    home: Path
    process: subprocess.Popen[bytes]

    @property
    def spool(self) -> Path:
        return self.home / "spool"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def terminate(self) -> int:
        self.process.terminate()
        return self.process.wait(20)


@contextmanager
def running_web(home: Path, *, app: str = "curation.asgi:application", **env: str) -> Iterator[Server]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--log-level", "warning"]
    command += ["--no-access-log", "--timeout-graceful-shutdown", "3"]
    home.mkdir(parents=True, exist_ok=True)
    with (home / "web.log").open("ab") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(home, **env), stdout=output, stderr=output)
    server = Server(f"http://127.0.0.1:{port}/v1", home, process)
    try:
        eventually(lambda: answers(server.url) or process.poll() is not None, 30)
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


@contextmanager
def running_recorder(home: Path, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    with (home / "recorder.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "recorder"],
            cwd=ROOT,
            env=environment(home, **env),
            stdout=output,
            stderr=output,
        )
    try:
        eventually(lambda: is_locked(home / "spool" / "recorder.flock"), 30)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            assert process.wait(20) == 0, "the recorder did not end cleanly"


def record_once(home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Merge what lies in the spool, in a process of its own."""
    return subprocess.run(
        [sys.executable, "manage.py", "recorder", "--once"],
        cwd=ROOT,
        env=environment(home, **env),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(url: str) -> bool:
    """Whether the gateway says anything over HTTP. That a connection can be had would not do: the kernel may connect a
    socket to itself while it looks for a free port of that number.
    """
    try:
        with urllib.request.urlopen(f"{url}/models", timeout=20):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def is_locked(path: Path) -> bool:
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def eventually(condition: Callable[[], Any], seconds: float = 10) -> Any:
    """The first true value of the condition. It comes late rather than never on a busy machine."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return value
