"""The state folder: who holds it, its secrets, and what a running stack tells the other commands."""

import fcntl
import json
import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .errors import StartError


class Home:
    """`path` holds logs/, run/, secrets/ and the servers' data; one supervisor at a time holds it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = path / "logs"
        self._run = path / "run"
        self._lock_file = self._run / "lock"
        self._state_file = self._run / "state.json"
        self._lock: int | None = None
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.logs, self._run, path / "secrets"):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StartError(f"Cannot use {path} as the data folder: {error.strerror}. Set CURATION_HOME.") from error

    def try_lock(self) -> bool:
        """Hold the folder until this process ends. The kernel lets go of it, so no stale lock can remain."""
        try:
            descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError as error:
            raise StartError(f"{self._lock_file} belongs to another user. Set CURATION_HOME to your own.") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        os.truncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._lock = descriptor
        self.forget_state()
        return True

    def holder(self) -> str:
        """The process that holds the lock, in words."""
        return f"process {self._lock_file.read_text() or 'unknown'}, lock on {self._lock_file}"

    def secret(self, name: str, make: Callable[[], str]) -> str:
        """What secrets/`name` holds; made and kept there the first time."""
        file = self.path / "secrets" / name
        if not file.exists():
            _write_privately(file, make())
        return file.read_text()

    def write_state(self, url: str, environment: Mapping[str, str]) -> None:
        state = {"pid": os.getpid(), "url": url, "environment": dict(environment)}
        _write_privately(self._state_file, json.dumps(state, indent=1))

    def read_state(self) -> dict[str, Any] | None:
        """The running stack's state, or None when none runs or it is not ready yet."""
        try:
            state = json.loads(self._state_file.read_text())
        except FileNotFoundError:
            return None
        # A killed supervisor leaves its state behind; the next holder removes it a moment after it got the lock.
        return state if str(state["pid"]) == self._lock_file.read_text() else None

    def forget_state(self) -> None:
        self._state_file.unlink(missing_ok=True)


def token() -> str:
    return secrets.token_urlsafe(48)


def fernet_key() -> str:
    return urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _write_privately(file: Path, text: str) -> None:
    """Readable by us alone, and whole or not there at all."""
    new = file.with_name(file.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
