"""Tables as people bring them, and a provider that remembers what it was asked."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import reverse

from curation.models import Membership, Project, Provider, User
from jobs import generations
from jobs.models import Generation
from tests.machines import media, provider, stub  # noqa: F401  (fixtures)
from tests.provider_stub import Stub


def table(*rows: str, name: str = "table.csv") -> ContentFile:
    return ContentFile("\n".join(rows).encode(), name)


def statuses(generation: Generation) -> list[str]:
    """How its prompts stand, in the table's order."""
    return list(generation.items.values_list("status", flat=True))


@pytest.fixture
def drafted(project: Project, provider: Provider) -> Callable[..., Generation]:  # noqa: F811
    """`drafted("Ask about {{ name }}", "Ada", "Bob")`: a draft whose table has one column and these cells."""

    def make(template: str, *cells: str, column: str = "name", **settings: Any) -> Generation:
        generation = generations.draft(project, table(column, *cells))
        generations.write(generation, template=template, **({"per_second": 1000} | settings))
        return generation

    return make


@pytest.fixture
def asked(stub: Stub) -> Callable[[], Sequence[str]]:  # noqa: F811
    """What the provider was asked, in order: the last message of each request."""
    return lambda: [body["messages"][-1]["content"] for _, path, body in stub.seen if path == "/chat/completions"]


@pytest.fixture
def operator(person: Callable[..., User], browser_of: Callable[[User | None], Client]) -> Client:
    return browser_of(person("ola", Membership.Role.OPERATOR))


@pytest.fixture
def url(project: Project) -> Callable[..., str]:
    """`url("generation", 3)`: the address of a page of the project."""
    return lambda name, *words: reverse(name, args=[project.slug, *words])
