"""The whole application as a user starts it, in a folder of its own, reached only from outside: HTTP and commands."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from curation.supervisor import postgres

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "a password for this test only"
Found = TypeVar("Found")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(what: str, look: Callable[[], Found | None], seconds: float = 90) -> Found:
    """Look until something is there; the time limit only ends a wait that would never end."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (found := look()) is not None:
            return found
        time.sleep(0.5)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")


class Stack:
    """A running `./run`. `url` is its address, `manage` runs a command against it and returns what it printed."""

    def __init__(self, home: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # Empty means not given, and wins over a developer's .env.
        unset = dict.fromkeys(("DATABASE_URL", "REDIS_URL", "CURATION_TRAINER_URL"), "")
        own = {name: value for name, value in os.environ.items() if not name.startswith("CURATION_")} | unset
        self.environment = own | {
            "CURATION_HOME": str(home),
            "CURATION_PORT": str(self.port),
            "CURATION_ADMIN_PASSWORD": PASSWORD,
        }
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "curation.supervisor"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if line.startswith("Log in"):
                return
        raise AssertionError("not ready:\n" + "".join(said))

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def manage(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "curation.supervisor", "manage", *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def running(home: Path, settings: Mapping[str, str] | None = None, *, keeps: bool = False) -> Iterator[Stack]:
    """Started, and stopped in the end; `keeps` leaves the database for another time."""
    stack = Stack(home)
    stack.environment |= settings or {}
    stack.start()
    try:
        yield stack
    finally:
        stack.stop()
        if not keeps:
            # For root the database lies elsewhere, and pytest would not clear it away.
            postgres.remove(home / "postgres")


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self._area: str | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.forms.append({"action": given.get("action", ""), "fields": {}, "buttons": []})
        elif not self.forms:
            return
        elif tag == "input" and given.get("name"):
            if given.get("type") not in ("checkbox", "radio") or "checked" in given:
                self.forms[-1]["fields"][given["name"]] = given.get("value", "")
        elif tag == "textarea" and given.get("name"):
            self._area = given["name"]
            self.forms[-1]["fields"][self._area] = ""
        elif tag == "select" and given.get("name"):
            self.forms[-1]["select"] = given["name"]
        elif tag == "option" and self.forms[-1].get("select"):
            name = self.forms[-1]["select"]
            if "selected" in given or name not in self.forms[-1]["fields"]:
                self.forms[-1]["fields"][name] = given.get("value", "")
        elif tag == "button":
            self.forms[-1]["buttons"].append(given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self.forms[-1]["fields"][self._area] += data


class Person:
    """Somebody with a browser that has no JavaScript: opens pages, fills in forms."""

    def __init__(self, url: str) -> None:
        self.http = httpx2.Client(base_url=url, follow_redirects=True, timeout=60)
        self.page = ""
        self.path = ""

    def open(self, path: str) -> str:
        return self._seen(self.http.get(path))

    def submit(self, action: str, /, **values: str) -> str:
        """Send the form on this page whose action (or a button's formaction) ends so, with these values filled in."""
        form, target = self._form(action)
        # A text area begins after the first line break, as in a browser.
        fields = {name: re.sub(r"^\r?\n", "", value) for name, value in form["fields"].items()} | values
        return self._seen(self.http.post(target, data=fields, headers={"Referer": str(self.http.base_url)}))

    def fields(self, action: str) -> dict[str, str]:
        return dict(self._form(action)[0]["fields"])

    def log_in(self, name: str, password: str) -> None:
        self.open("/login/")
        self.submit("", username=name, password=password)

    def _form(self, action: str) -> tuple[dict[str, Any], str]:
        parser = _Forms()
        parser.feed(self.page)
        for form in parser.forms:
            if form["action"].endswith(action):
                return form, form["action"] or self.path
            for button in form["buttons"]:
                if button.get("formaction", "").endswith(action) and action:
                    return form, button["formaction"]
        raise AssertionError(f"no form to {action!r} on {self.path}; there are {[f['action'] for f in parser.forms]}")

    def _seen(self, response: httpx2.Response) -> str:
        assert response.status_code < 400, f"{response.status_code} at {response.url}: {response.text[:2000]}"
        self.page, self.path = response.text, response.url.path
        return self.page
