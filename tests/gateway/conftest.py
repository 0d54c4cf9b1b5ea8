from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import openai
import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import setup_databases, teardown_databases

from curation.models import ApiKey, Exchange, LoggedCall, Project
from curation.projects import create_project

from .servers import Server, eventually, running_recorder, running_web
from .stub import Stub


@pytest.fixture(scope="session")
def provider_stub() -> Iterator[Stub]:
    stub = Stub()
    stub.start()
    yield stub
    stub.stop()


@pytest.fixture
def stub(provider_stub: Stub) -> Stub:
    provider_stub.seen.clear()
    return provider_stub


_REAL_DATABASE = connection.settings_dict["NAME"]


@pytest.fixture(scope="session")
def committed_database(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The test database, also where no test of the session asks for it in pytest-django's own way."""
    if connection.settings_dict["NAME"] != _REAL_DATABASE:
        yield
        return
    with django_db_blocker.unblock():
        databases = setup_databases(verbosity=0, interactive=False, aliases={"default"})
    yield
    with django_db_blocker.unblock():
        teardown_databases(databases, verbosity=0)


@pytest.fixture(scope="session")
def shared_gateway(committed_database: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One web server and one recorder for all tests that do not harm them."""
    home = tmp_path_factory.mktemp("gateway")
    with running_web(home) as server, running_recorder(home):
        yield server


@pytest.fixture(scope="module")
def committed_db(committed_database: None, django_db_blocker: Any) -> Iterator[None]:
    """What tests write is committed, since other processes have to see it; emptied after the last test of a module."""
    assert connection.settings_dict["NAME"] != _REAL_DATABASE
    with django_db_blocker.unblock():
        yield
        call_command("flush", interactive=False, verbosity=0)
        connection.close()


@dataclass
class Wired:
    """A project of its own for each test, whose provider is the stub, and a key to call it with."""

    project: Project
    key: str
    url: str

    @property
    def exchanges(self) -> QuerySet[Exchange]:
        return Exchange.objects.filter(project=self.project)

    def client(self, **options: Any) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.url, api_key=self.key, **{"max_retries": 0, "timeout": 20} | options)

    def calls(self, count: int = 1) -> list[LoggedCall]:
        """The project's calls in the order they came in, once there are so many."""
        query = LoggedCall.objects.filter(project=self.project).order_by("started_at")
        eventually(lambda: query.count() >= count)
        return list(query)


def wire(stub: Stub, server: Server) -> Wired:
    """A new project with the alias `support`."""
    project = create_project(f"p-{uuid4()}", provider_url=stub.url, provider_key="sk-provider", base_model="base-1")
    project.aliases.update(name="support")
    return Wired(project, ApiKey.issue(project, "test")[1], server.url)


@pytest.fixture
def wired(committed_db: None, stub: Stub, shared_gateway: Server) -> Wired:
    return wire(stub, shared_gateway)


@pytest.fixture
def own_home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def ask() -> Callable[..., Any]:
    """Sends one chat message; returns the completion."""

    def send(
        client: openai.OpenAI, text: str = "Hello?", model: str = "support", stub: str = "ok", **options: Any
    ) -> Any:
        return client.chat.completions.create(
            model=model,
            messages=[{"role": "system", "content": "Long rules."}, {"role": "user", "content": text}],
            extra_headers={"x-stub": stub},
            **options,
        )

    return send
