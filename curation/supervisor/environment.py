"""What the supervisor reads from the environment and what it hands to the processes it starts."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import StartError
from .home import Home, fernet_key, token

CHECKOUT = Path(__file__).resolve().parents[2]
_SECRETS = {
    "CURATION_SECRET_KEY": ("secret_key", token),
    "CURATION_SEALING_KEY": ("sealing_key", fernet_key),
    "CURATION_TRAINER_KEY": ("trainer_key", token),
}


@dataclass(frozen=True)
class Settings:
    """The variables of .env.example that decide what is started; an empty one counts as not given."""

    home: Path
    host: str
    port: int
    database_url: str | None
    broker_url: str | None
    trainer_url: str | None

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Settings":
        return cls(
            home=CHECKOUT / os.path.expanduser(environ.get("CURATION_HOME") or "var"),
            host=(environ.get("CURATION_HOST") or "127.0.0.1").strip("[]"),
            port=_port(environ.get("CURATION_PORT") or "8000"),
            database_url=environ.get("DATABASE_URL") or None,
            broker_url=environ.get("CURATION_BROKER_URL") or environ.get("REDIS_URL") or None,
            trainer_url=environ.get("CURATION_TRAINER_URL") or None,
        )

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the application."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise StartError(f"CURATION_PORT={text} is not a port. Choose a number from 1 to 65535.")


def read_env_file(file: Path) -> dict[str, str]:
    """NAME=VALUE lines, as in .env.example; quotes around a value are dropped. A missing file is an empty one."""
    if not file.exists():
        return {}
    pairs = (line.partition("=") for line in file.read_text().splitlines() if not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, equals, value in pairs if equals}


def for_children(settings: Settings, home: Home, environ: Mapping[str, str]) -> dict[str, str]:
    """Our own environment, the generated secrets where it has none, and what Django needs to start."""
    environment = dict(environ)
    for variable, (name, make) in _SECRETS.items():
        if not environment.get(variable):
            environment[variable] = home.secret(name, make)
    return environment | {
        "CURATION_HOME": str(home.path),
        "CURATION_HOST": settings.host,
        "CURATION_PORT": str(settings.port),
        "DJANGO_SETTINGS_MODULE": "curation.settings",
        "PYTHONUNBUFFERED": "1",
    }


def of_the_stack(environment: Mapping[str, str]) -> dict[str, str]:
    """What another command needs to reach the running stack, without the rest of our environment."""
    others = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "PYTHONUNBUFFERED"}
    return {name: value for name, value in environment.items() if name.startswith("CURATION_") or name in others}


def insist_on_free_port(settings: Settings) -> None:
    """Raises StartError when the web server could not listen there."""
    address = f"port {settings.port} on {settings.host}"
    another = "Choose another with CURATION_PORT=8001 ./run"
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, place = found[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
            listener.listen()
    except PermissionError as error:
        raise StartError(f"This account may not use {address}. {another}, or any above 1023.") from error
    except socket.gaierror as error:
        raise StartError(f"CURATION_HOST={settings.host} is not an address of this machine.") from error
    except OSError as error:
        raise StartError(f"Cannot listen at {address}: {error.strerror}. {another}") from error


def free_port() -> int:
    """A port of the loopback interface that nobody uses at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
