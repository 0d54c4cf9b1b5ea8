"""Supervisors as real processes, each with a data folder and a port of its own."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from curation.supervisor import postgres
from curation.supervisor.environment import CHECKOUT, free_port
from curation.supervisor.processes import stop_leftovers

STANDIN = [sys.executable, "-m", "tests.supervisor.standin"]
OURS = ("CURATION_", "DATABASE_URL", "REDIS_URL", "STANDIN_")


def until(condition, limit=30):
    """Poll `condition` until it holds and return what it returned."""
    deadline = time.monotonic() + limit
    while not (result := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)
    return result


def descendants(pid):
    """Every process below `pid` that runs now, as {pid: name}."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                name, fields = (entry / "stat").read_text().partition("(")[2].rsplit(")", 1)
                parents[int(entry.name)] = (name, int(fields.split()[1]))
    found, todo = {}, [pid]
    while todo:
        parent = todo.pop()
        children = {child: name for child, (name, of) in parents.items() if of == parent}
        found |= children
        todo += children
    return found


def lives(pid):
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Supervisor:
    def __init__(self, home: Path, command=STANDIN, settings=None) -> None:
        self.home = home
        self.port = free_port()
        self.command = command
        self.settings = settings or {}
        self.started = []

    def environment(self, **others):
        clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        ours = {"CURATION_HOME": str(self.home), "CURATION_PORT": str(self.port)}
        # Empty counts as not given, and hides what a .env file of this checkout says.
        ours |= dict.fromkeys(("DATABASE_URL", "REDIS_URL", "CURATION_HOST", "CURATION_TRAINER_URL"), "")
        return clean | ours | self.settings | others

    def start(self, **others):
        """Start it and wait until it is ready; returns what it has printed."""
        self.process = self.begin(**others)
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith("Log in"):
                return "".join(lines)
        raise AssertionError("".join(lines))

    def begin(self, *words, **others):
        process = subprocess.Popen(
            [*self.command, *words],
            cwd=CHECKOUT,
            env=self.environment(**others),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, *words, stdin="", **others):
        """Run it to its end, apart from the one that was started."""
        return subprocess.run(
            [*self.command, *words],
            cwd=CHECKOUT,
            env=self.environment(**others),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def end(self, signum=signal.SIGTERM, process=None):
        """Signal it and return its exit code."""
        process = process or self.process
        process.send_signal(signum)
        return process.wait(timeout=30)

    def pid(self, name):
        """The process of a service, started or started again."""
        return int(re.findall(rf"INFO {name} +runs(?: again)? as process (\d+)", self.log())[-1])

    def kill(self, name):
        """Kill a service and return once another process has taken its place."""
        before = self.pid(name)
        os.kill(before, signal.SIGKILL)
        return until(lambda: (after := self.pid(name)) != before and after)

    def log(self, name="supervisor"):
        return (self.home / "logs" / f"{name}.log").read_text()

    def state(self):
        """What the running stack says of itself, its addresses among it."""
        return json.loads((self.home / "run/state.json").read_text())

    def clean_up(self):
        for process in self.started:
            if process.poll() is None:
                process.terminate()
            process.communicate()
        stop_leftovers("postgres", self.home / "postgres/data", signal.SIGINT)
        postgres.remove(self.home / "postgres")


@pytest.fixture
def fresh(tmp_path):
    """A supervisor that has never been started."""
    one = Supervisor(tmp_path / "home")
    yield one
    one.clean_up()


@pytest.fixture(scope="session")
def started_once(tmp_path_factory):
    one = Supervisor(tmp_path_factory.mktemp("started") / "home")
    one.start()
    one.end()
    yield one
    one.clean_up()


@pytest.fixture
def supervisor(fresh, started_once):
    """A supervisor with a copy of an empty database, which saves the seconds to make one."""
    source = (started_once.home / "postgres").resolve()
    fresh.home.mkdir(mode=0o700)
    target = fresh.home / "postgres"
    if os.geteuid() == 0:
        place = source.with_name(secrets.token_hex(6))
        target.symlink_to(place)
        target = place
    subprocess.run(["cp", "-a", source, target], check=True)
    return fresh


@pytest.fixture
def database(supervisor):
    """Connect to the running stack's database."""

    def connect():
        return psycopg.connect(supervisor.state()["environment"]["DATABASE_URL"], autocommit=True)

    return connect
