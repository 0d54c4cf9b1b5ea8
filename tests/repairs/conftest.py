"""A project whose repairs are asked of a provider that remembers what it was asked."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from curation.models import Exchange, Project, Provider
from jobs.models import RepairPolicy
from tests.asking import ask
from tests.browser import chromium, page  # noqa: F401  (fixtures)
from tests.machines import media, provider, stub  # noqa: F401  (fixtures)
from tests.provider_stub import Stub
from tests.reviewing import ana, ben, give, json_project, ticket  # noqa: F401  (fixtures)


@pytest.fixture
def policy(project: Project, provider: Provider) -> RepairPolicy:  # noqa: F811
    return RepairPolicy.objects.create(project=project, provider=provider, model="strong")


@pytest.fixture
def row(project: Project, policy: RepairPolicy) -> Exchange:
    return ask(project, "When do you open?", "We open at nine.")


@pytest.fixture
def tasks(stub: Stub) -> Callable[[], list[dict[str, Any]]]:  # noqa: F811
    """What the model was given to work on, in order."""
    bodies = lambda: [body for _, path, body in stub.seen if path == "/chat/completions"]  # noqa: E731
    return lambda: [json.loads(body["messages"][-1]["content"]) for body in bodies()]
