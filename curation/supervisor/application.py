"""The application's own processes, as a table: what runs besides the two servers."""

import http.client
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .environment import CHECKOUT, Settings, free_port
from .service import Service

Stages = list[list[Service]]


@dataclass(frozen=True)
class Application:
    """How to run a management command, and what the table says. Tests bring their own."""

    manage: list[str]
    trainer: Callable[[Mapping[str, str]], Service]
    stages: Callable[[Settings, Mapping[str, str]], Stages]


def trainer(environment: Mapping[str, str]) -> Service:
    """The local trainer at $CURATION_TRAINER_URL, which we chose."""
    url = environment["CURATION_TRAINER_URL"]
    home = str(Path(environment["CURATION_HOME"], "trainer"))
    words = ["-m", "jobs.trainer", "--home", home, "--port", str(urlsplit(url).port)]
    return _python("trainer", words, environment, ready_at=url)


def stages(settings: Settings, environment: Mapping[str, str]) -> Stages:
    """In the order of their start; stopped in reverse, so that the recorder takes over what the web server wrote last.

    The last stage is what works in the background, started once the others are ready.
    """
    web = ["-m", "uvicorn", "curation.asgi:application", "--host", settings.host, "--port", str(settings.port)]
    web += ["--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "20"]
    celery = ["-m", "celery", "-A", "jobs.celery"]
    worker = [*celery, "worker", "--concurrency", "2", "--loglevel", "WARNING", "--without-gossip", "--without-mingle"]
    beat = [*celery, "beat", "--scheduler", "django_celery_beat.schedulers:DatabaseScheduler", "--pidfile="]
    return [
        [_python("recorder", [str(CHECKOUT / "manage.py"), "recorder"], environment)],
        # When we are killed, the web server still finishes its answers and writes them to the spool.
        [_python("web", web, environment, ready_at=settings.url, death_signal=signal.SIGTERM)],
        [_python("worker", worker, environment), _python("beat", beat, environment, grace=10)],
    ]


def local_trainer_url() -> str:
    return f"http://127.0.0.1:{free_port()}/v1"


def _python(
    name: str,
    words: list[str],
    environment: Mapping[str, str],
    *,
    ready_at: str | None = None,
    death_signal: int = signal.SIGKILL,
    grace: float = 30,
) -> Service:
    """A Python process of the checkout. When we are killed its databases go too, so there is nothing to finish."""
    return Service(
        name=name,
        argv=[sys.executable, *words],
        environment=environment,
        folder=CHECKOUT,
        ready=None if ready_at is None else lambda: answers(ready_at),
        death_signal=death_signal,
        grace=grace,
    )


def answers(url: str) -> bool:
    """Whether GET /health at the server of `url` is answered with 200."""
    server = urlsplit(url)
    connection = http.client.HTTPConnection(server.hostname or "", server.port, timeout=5)
    try:
        connection.request("GET", "/health", headers={"Host": "localhost"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


DEFAULT = Application([sys.executable, str(CHECKOUT / "manage.py")], trainer, stages)
