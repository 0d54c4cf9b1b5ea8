"""Somebody runs a management command while the application runs, and while it does not."""

import signal

import pytest

from .conftest import descendants, lives, until


@pytest.fixture(params=["running", "stopped"])
def either_way(supervisor, request):
    if request.param == "running":
        supervisor.start()
    return supervisor


def test_only_the_command_speaks_and_its_exit_code_is_ours(either_way, tmp_path):
    added = either_way.run("manage", "add_note", "kept")
    assert (added.returncode, added.stdout, added.stderr) == (0, "", "")

    notes = either_way.run("manage", "notes")
    assert (notes.returncode, notes.stdout, notes.stderr) == (0, "kept\n", "")

    failed = either_way.run("manage", "fail")
    assert (failed.returncode, failed.stdout, failed.stderr) == (7, "", "as asked\n")

    copied = either_way.run("manage", "copy", "here.txt", stdin="through\n", CURATION_CALLED_FROM=str(tmp_path))
    assert copied.returncode == 0
    assert (tmp_path / "here.txt").read_text() == "through\n"


def test_a_start_meanwhile_is_refused_and_a_signal_ends_both(supervisor):
    command = supervisor.begin("manage", "sleep")
    assert command.stdout.readline() == "sleeping\n"
    refused = supervisor.run()
    assert refused.returncode == 1
    assert f"already running with this data folder (process {command.pid}, lock on" in refused.stderr

    processes = descendants(command.pid)
    assert supervisor.end(signal.SIGTERM, command) == 128 + signal.SIGTERM
    assert not [pid for pid in processes if lives(pid)]


def test_a_second_command_waits_for_the_first(supervisor):
    first = supervisor.begin("manage", "sleep")
    assert first.stdout.readline() == "sleeping\n"
    second = supervisor.begin("manage", "notes")
    assert second.stdout.readline().startswith("Waiting until the data folder is free")
    supervisor.end(signal.SIGINT, first)

    assert second.wait(timeout=30) == 0


def test_the_state_of_a_killed_supervisor_is_not_believed(supervisor):
    supervisor.start()
    supervisor.end(signal.SIGKILL)
    assert (supervisor.home / "run/state.json").exists()

    notes = supervisor.run("manage", "notes")
    assert (notes.returncode, notes.stdout) == (0, "\n")
    until(lambda: not (supervisor.home / "run/state.json").exists())
