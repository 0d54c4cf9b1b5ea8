"""The capture client never harms the program: a service that is away, slow or refuses; a full queue; forks; the end."""

import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curation import client as module
from curation.client import Capture

from .door import Door

KEY = "cur-" + "a key of this test, 40 characters and more"


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    with door.running():
        yield door


def say(capture: Capture, *prompts: str) -> None:
    for prompt in prompts:
        capture.record(request=prompt, response="Yes.")


def test_calls_are_sent_in_batches_with_the_key(door):
    capture = Capture(door.url, KEY)
    door.is_open.clear()
    say(capture, "0")
    door.came.acquire()  # the first is on its way alone; the rest gathers meanwhile
    say(capture, *map(str, range(1, 301)))
    capture.feedback("0b8e5f5e-7d0a-4c5e-8f52-3d8f1d5b7a11", thumb=1)
    door.is_open.set()
    assert capture.flush()
    assert door.batches == [("/v1/calls", 1), ("/v1/calls", 200), ("/v1/calls", 100), ("/v1/feedback", 1)]
    assert door.headers[0]["authorization"] == f"Bearer {KEY}"
    assert capture.sent_count == 302


def test_a_service_that_is_away_gets_everything_when_it_is_back():
    door = Door()
    with door.running():
        pass  # now its port is known, and nobody listens there
    capture = Capture(door.url, KEY)
    say(capture, "one", "two")
    assert not capture.flush(0.3)
    with door.running():
        assert capture.flush(20)
    assert door.prompts == ["one", "two"]
    assert (capture.sent_count, capture.dropped_count) == (2, 0)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_may_be_better_later_is_tried_again(door, status):
    door.statuses = [status, status]
    capture = Capture(door.url, KEY)
    say(capture, "one")
    assert capture.flush(20)
    assert door.prompts == ["one"]
    assert (capture.sent_count, capture.refused_count) == (1, 0)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_will_be_no_better_is_told_once_and_counted(door, status, caplog):
    door.statuses = [status, status]
    capture = Capture(door.url, KEY)
    for prompt in ("one", "two", "three"):
        say(capture, prompt)
        assert capture.flush(20)
    assert door.prompts == ["three"]
    assert (capture.sent_count, capture.refused_count) == (1, 2)
    (message,) = [record.getMessage() for record in caplog.records]
    assert str(status) in message


def test_a_batch_that_is_too_large_is_halved_and_one_call_that_is_too_large_is_counted(door):
    capture = Capture(door.url, KEY)
    door.is_open.clear()
    say(capture, "0")
    door.came.acquire()
    say(capture, "1", "2", "3")
    door.statuses = [200, 413, 413]  # for the first, the three, and the one that is half of it
    door.is_open.set()
    assert capture.flush(20)
    assert door.prompts == ["0", "2", "3"]
    assert (capture.sent_count, capture.refused_count) == (3, 1)


def test_what_the_service_rejects_is_counted(door):
    door.rejected = [{"index": 0, "message": "no"}]
    capture = Capture(door.url, KEY)
    say(capture, "one")
    assert capture.flush(20)
    assert (capture.sent_count, capture.refused_count) == (0, 1)


def test_something_else_at_the_address_loses_nothing(door):
    door.answer = b"<html>"
    capture = Capture(door.url, KEY)
    say(capture, "one")
    assert not capture.flush(0.5)
    door.answer = None
    assert capture.flush(20)
    assert "one" in door.prompts


def test_a_full_queue_drops_the_oldest_and_counts(door):
    capture = Capture(door.url, KEY, queue_items=3)
    door.is_open.clear()
    say(capture, "0")
    door.came.acquire()
    say(capture, *map(str, range(1, 11)))  # the program goes on while the service does nothing
    assert capture.dropped_count == 7
    door.is_open.set()
    assert capture.flush(20)
    assert door.prompts == ["0", "8", "9", "10"]


def test_a_queue_is_full_by_its_bytes_too(door):
    capture = Capture(door.url, KEY, queue_bytes=3000)
    door.is_open.clear()
    say(capture, "0")
    door.came.acquire()
    say(capture, "a" * 1000, "b" * 1000, "c" * 1000)
    assert capture.dropped_count == 1
    say(capture, "d" * 4000)
    assert capture.dropped_count == 4  # larger than the whole queue
    door.is_open.set()
    assert capture.flush(20)
    assert door.prompts == ["0"]


class Hostile:
    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("no")


@pytest.mark.parametrize("what", [Hostile(), {"messages": Hostile()}, object, {1: {2: {3}}}, {("a",): 1}])
def test_whatever_is_given_the_program_goes_on(door, what):
    capture = Capture(door.url, KEY)
    circle: dict[str, Any] = {}
    circle["circle"] = circle
    for value in (what, circle):
        assert capture.record(request=value, response="x")
        assert capture.record(request="x", response=value)
    say(capture, "fine")
    assert capture.flush(20)
    assert door.taken[-1]["request"]["messages"][0]["content"] == "fine"
    assert capture.dropped_count >= 2


def test_many_threads_lose_nothing(door):
    capture = Capture(door.url, KEY)
    threads = [threading.Thread(target=say, args=(capture, *(f"{n}.{m}" for m in range(50)))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert capture.flush(20)
    assert sorted(door.prompts) == sorted(f"{n}.{m}" for n in range(8) for m in range(50))


def test_no_key_and_no_text_is_logged(door, caplog):
    caplog.set_level(logging.DEBUG)
    door.statuses = [500, 401]
    capture = Capture(door.url, KEY)
    say(capture, "a secret question")
    capture.record(request={("secret",): 1}, response="")
    assert capture.flush(20)
    assert caplog.text
    assert KEY not in caplog.text
    assert "secret" not in caplog.text
    assert KEY not in repr(capture)


@pytest.mark.parametrize("url", ["", "example.com/v1", "ftp://example.com/v1", "http:///v1"])
def test_an_address_that_is_none_is_told_at_once(url):
    with pytest.raises(ValueError, match="/v1"):
        Capture(url, KEY)


@pytest.mark.parametrize("key", ["", "cur-ü", "cur-1\nHost: x"])
def test_a_key_that_is_none_is_told_at_once(key):
    with pytest.raises(ValueError, match="key"):
        Capture("http://127.0.0.1/v1", key)


# Programs of their own, with nothing but a copy of the file

PROGRAM = """
import os, sys
from capture_client import Capture
capture = Capture(sys.argv[1], "cur-test", exit_seconds=float(sys.argv[2]))
"""


def run(tmp_path: Path, program: str, url: str, exit_seconds: float = 20) -> subprocess.CompletedProcess[str]:
    shutil.copy(module.__file__, tmp_path / "capture_client.py")
    (tmp_path / "program.py").write_text(PROGRAM + program)
    command = [sys.executable, "-S", str(tmp_path / "program.py"), url, str(exit_seconds)]  # -S: no site-packages
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)


def test_a_program_that_ends_at_once_has_sent_everything(door, tmp_path):
    done = run(tmp_path, "for n in range(500): capture.record(request=str(n), response='x')", door.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert door.prompts == [str(n) for n in range(500)]


def test_a_program_ends_though_the_service_is_away(tmp_path):
    done = run(tmp_path, "capture.record(request='one', response='x')\nsys.exit(3)", "http://127.0.0.1:9/v1", 0.5)
    assert done.returncode == 3
    assert "1 captured items were not sent" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_captured_at_the_very_end_is_sent_or_harmless(door, tmp_path):
    program = "import atexit\natexit.register(lambda: capture.record(request='last', response='x'))"
    done = run(tmp_path, program, door.url)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert door.prompts == ["last"]


def test_a_forked_child_sends_its_own_calls_and_not_its_parents(door, tmp_path):
    program = """
for n in range(100): capture.record(request=f"parent {n}", response="x")
child = os.fork()
if not child:
    capture.record(request="child", response="x")
    assert capture.flush(30), "the child could not send"
    os._exit(0)
capture.record(request="parent again", response="x")
assert os.waitpid(child, 0)[1] == 0
"""
    done = run(tmp_path, program, door.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(door.prompts) == sorted([*(f"parent {n}" for n in range(100)), "child", "parent again"])


def test_a_child_forked_while_others_record_can_send(door, tmp_path):
    program = """
import threading
stop = threading.Event()
def others():
    while not stop.wait(0.001): capture.record(request="noise", response="x")
threads = [threading.Thread(target=others) for _ in range(3)]
for thread in threads: thread.start()
for n in range(10):
    child = os.fork()
    if not child:
        capture.record(request=f"child {n}", response="x")
        os._exit(0 if capture.flush(30) else 1)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
"""
    done = run(tmp_path, program, door.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert {f"child {n}" for n in range(10)} <= set(door.prompts)


def test_a_fork_interrupts_no_import_of_the_thread(door, tmp_path):
    """A codec whose import a fork cut in two is unknown to the child for ever: the thread must import nothing new."""
    program = """
before = set(sys.modules)
capture.record(request="one", response="x")
capture.feedback("0b8e5f5e-7d0a-4c5e-8f52-3d8f1d5b7a11", thumb=1)
assert capture.flush(30)
print(sorted(set(sys.modules) - before))
"""
    done = run(tmp_path, program, door.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_the_file_needs_no_django_and_nothing_of_ours():
    program = (
        "import sys, curation.client; print([m for m in sys.modules if m.startswith(('django', 'orjson', 'openai'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
