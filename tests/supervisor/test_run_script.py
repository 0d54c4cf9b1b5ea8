"""`./run` on machines that lack something, and what it does with its words."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clone(tmp_path):
    """A folder with the script and lock files alone, and a PATH with nothing but the usual tools."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in ("run", "requirements.txt", "requirements-dev.txt"):
        shutil.copy(ROOT / name, folder)
    (tmp_path / "bin").mkdir()
    return folder


def program(clone, name, text):
    file = clone.parent / "bin" / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def run(clone, *words, path="/usr/bin:/bin", **environment):
    return subprocess.run(
        [clone / "run", *words],
        env={"PATH": f"{clone.parent / 'bin'}:{path}"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_python(clone):
    refused = run(clone, PYTHON="python-of-nowhere")

    assert refused.returncode == 1
    assert refused.stderr == (
        "run: there is no python-of-nowhere here. "
        "Install Python 3.11 or newer, or name one: PYTHON=/path/to/python3 ./run\n"
    )


def test_an_old_python(clone):
    program(clone, "python3", 'case "$1" in -V) echo Python 3.9.2;; *) exit 1;; esac')
    refused = run(clone)

    assert refused.returncode == 1
    assert refused.stderr == (
        "run: Python 3.9.2 is too old. Install Python 3.11 or newer, or name one: PYTHON=/path/to/python3 ./run\n"
    )


def test_no_venv_module(clone):
    program(clone, "python3", 'case "$2" in *ensurepip*) exit 1;; *) exit 0;; esac')
    refused = run(clone)

    assert refused.returncode == 1
    assert refused.stderr == (
        "run: python3 lacks the venv module. On Debian and Ubuntu: apt-get install python3-venv\n"
    )


PYTHON = """
case "$*" in
  *"-m venv"*) rm -rf .venv; mkdir -p .venv/bin; cp "$0" .venv/bin/python; echo venv >> calls;;
  *"-m pip"*) echo "pip ${*##* }" >> calls; [ ! -e no-network ] || { echo "no such host"; exit 1; };;
  *curation.supervisor*) echo "started $*";;
esac
"""


def test_it_installs_once_and_again_only_when_a_lock_file_changes(clone):
    """The interpreter is a shell script here that notes what it was asked for."""
    program(clone, "python3", PYTHON)

    def calls(*words):
        (clone / "calls").write_text("")
        done = run(clone, *words)
        assert done.returncode == 0
        assert done.stdout == f"started -m curation.supervisor{''.join(' ' + word for word in words)}\n"
        return (clone / "calls").read_text().split("\n")[:-1]

    assert calls() == ["venv", "pip requirements.txt"]
    assert calls("manage", "help") == []
    assert calls("test", "-x") == ["pip requirements-dev.txt"]
    assert calls("test") == []
    assert calls() == []
    (clone / "requirements.txt").write_text("changed")
    assert calls() == ["venv", "pip requirements.txt"]
    assert calls("test") == ["pip requirements-dev.txt"]


def test_a_failed_installation_is_said_and_repeated(clone):
    program(clone, "python3", PYTHON)
    (clone / "no-network").touch()
    refused = run(clone)
    assert refused.returncode == 1
    assert refused.stderr == (
        "Installing requirements.txt into .venv ...\nno such host\n"
        "run: installing requirements.txt failed; the whole output is in .venv/install.log.\n"
    )

    (clone / "no-network").unlink()
    assert run(clone).returncode == 0


def test_uv_is_used_when_it_is_there(clone):
    program(clone, "python3", PYTHON)
    program(clone, "uv", 'echo "uv $1 $2" >> calls; case "$1" in venv) python3 -m venv;; esac')

    assert run(clone).returncode == 0
    assert (clone / "calls").read_text() == "uv venv --quiet\nvenv\nuv pip install\n"


def test_it_can_be_called_from_anywhere(clone, tmp_path):
    program(clone, "python3", PYTHON + 'echo "called from $CURATION_CALLED_FROM in $PWD"')
    done = subprocess.run(
        [clone / "run"],
        cwd="/",
        env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert f"called from / in {clone}" in done.stdout


def test_dash_accepts_it():
    dash = shutil.which("dash")
    if dash is None:
        pytest.skip("There is no dash on this machine.")
    subprocess.run([dash, "-n", ROOT / "run"], check=True)


@pytest.mark.parametrize(
    ("words", "code", "text"), [(["--help"], 0, "./run manage COMMAND"), (["strat"], 2, "there is no `strat`")]
)
def test_help(words, code, text):
    done = subprocess.run(
        [ROOT / ".venv/bin/python", "-m", "curation.supervisor", *words],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == code
    assert text in done.stdout + done.stderr


def test_the_test_command_leaves_nothing_behind():
    temporary = Path(tempfile.mkdtemp())
    done = subprocess.run(
        [ROOT / ".venv/bin/python", "-m", "curation.supervisor", "test", "--version"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0
    assert "pytest" in done.stdout + done.stderr
    temporary.rmdir()  # fails unless it is empty
