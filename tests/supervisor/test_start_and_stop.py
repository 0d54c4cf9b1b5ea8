"""Somebody starts the application, stops it in one of the ways there are, and starts it again."""

import json
import os
import signal
import socket
import stat
import time
import urllib.request

import pytest

from .conftest import descendants, lives, until


def test_it_says_where_it_runs_and_how_to_log_in(fresh):
    printed = fresh.start()

    assert f"Ready: http://127.0.0.1:{fresh.port}\n" in printed
    assert "Log in as admin with the password of-one-day (shown only now; change it at" in printed
    for name in ("postgres", "valkey", "trainer", "web", "worker"):
        assert sum(line.startswith(name) for line in printed.splitlines()) == 1
    with urllib.request.urlopen(f"http://127.0.0.1:{fresh.port}/health") as answer:
        assert answer.status == 200
    assert "of-one-day" not in "".join(file.read_text() for file in fresh.home.glob("logs/*"))


def test_secrets_are_private_and_stay_the_same(supervisor):
    def secrets():
        return {file.name: file.read_text() for file in supervisor.home.glob("secrets/*")}

    supervisor.start()
    before = secrets()
    assert set(before) == {"secret_key", "sealing_key", "trainer_key"}
    for file in [*supervisor.home.glob("secrets/*"), supervisor.home / "run/state.json"]:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(supervisor.home.stat().st_mode) == 0o700
    state = json.loads((supervisor.home / "run/state.json").read_text())
    assert state["environment"]["CURATION_SEALING_KEY"] == before["sealing_key"]

    supervisor.end()
    supervisor.start()
    assert secrets() == before


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_everything_in_order_and_the_data_stays(supervisor, signum):
    supervisor.start()
    supervisor.run("manage", "add_note", "kept")
    processes = descendants(supervisor.process.pid)

    assert supervisor.end(signum) == 0
    assert not [pid for pid in processes if lives(pid)]
    assert not (supervisor.home / "run/state.json").exists()
    assert "shutting down" in supervisor.log("postgres")
    assert "bye bye" in supervisor.log("valkey")

    supervisor.start()
    assert supervisor.run("manage", "notes").stdout == "kept\n"


def test_a_killed_supervisor_leaves_no_process_and_no_damage(supervisor):
    supervisor.start()
    supervisor.run("manage", "add_note", "kept")
    processes = descendants(supervisor.process.pid)
    assert len(processes) > 5

    supervisor.end(signal.SIGKILL)
    until(lambda: not [pid for pid in processes if lives(pid)], limit=10)

    supervisor.start()
    assert supervisor.run("manage", "notes").stdout == "kept\n"


def test_a_start_right_after_a_kill_waits_for_the_old_servers(supervisor):
    supervisor.start()
    supervisor.run("manage", "add_note", "kept")
    # Stopped, the old servers cannot follow the kernel's signal before the next start meets them.
    for name in ("postgres", "valkey"):
        os.kill(supervisor.pid(name), signal.SIGSTOP)
    old = [supervisor.pid(name) for name in ("postgres", "valkey")]
    supervisor.end(signal.SIGKILL)
    again = supervisor.begin()
    time.sleep(1)
    assert all(lives(pid) for pid in old)
    for pid in old:
        os.kill(pid, signal.SIGCONT)

    for line in again.stdout:
        if line.startswith("Log in"):
            break
    assert not [pid for pid in old if lives(pid)]
    assert supervisor.run("manage", "notes").stdout == "kept\n"
    assert supervisor.end(process=again) == 0


def test_a_second_signal_shortens_the_patience(supervisor):
    supervisor.start(STANDIN_WORKER="stubborn")
    worker = supervisor.pid("worker")

    supervisor.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert lives(worker)
    began = time.monotonic()
    assert supervisor.end(signal.SIGINT) == 0
    assert time.monotonic() - began < 25  # its grace is 30 s
    assert not lives(worker)
    assert "worker did not stop within 1 s and was killed" in supervisor.log()
    assert "shutting down" in supervisor.log("postgres")


def test_a_second_start_is_refused(supervisor):
    supervisor.start()
    second = supervisor.run()

    assert second.returncode == 1
    assert second.stdout == ""
    assert second.stderr.startswith(
        f"run: The application is already running with this data folder (process {supervisor.process.pid}"
    )
    assert supervisor.process.poll() is None


def test_a_taken_port_is_said_before_anything_starts(fresh):
    with socket.create_server(("127.0.0.1", fresh.port)):
        refused = fresh.run()

    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr == (
        f"run: Cannot listen at port {fresh.port} on 127.0.0.1: Address already in use. "
        f"Choose another with CURATION_PORT=8001 ./run\n"
    )
    assert not (fresh.home / "postgres").exists()


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("CURATION_PORT", "eight", "run: CURATION_PORT=eight is not a port. Choose a number from 1 to 65535.\n"),
        ("CURATION_PORT", "70000", "run: CURATION_PORT=70000 is not a port. Choose a number from 1 to 65535.\n"),
        (
            "CURATION_HOST",
            "no.such.host.invalid",
            "run: CURATION_HOST=no.such.host.invalid is not an address of this machine.\n",
        ),
        (
            "CURATION_HOME",
            "/dev/null/x",
            "run: Cannot use /dev/null/x as the data folder: Not a directory. Set CURATION_HOME.\n",
        ),
    ],
)
def test_a_wrong_setting_is_one_sentence(fresh, variable, value, sentence):
    refused = fresh.run(**{variable: value})

    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", sentence)


def test_a_service_that_cannot_start_ends_the_start_with_its_last_words(supervisor):
    failed = supervisor.run(STANDIN_BROKEN="web")

    assert failed.returncode == 1
    assert "run: web ended with exit code 3. The whole story is in" in failed.stderr
    assert "there is no module of that name" in failed.stderr
    assert "database system is shut down" in supervisor.log("postgres")
