from collections.abc import Callable

import pytest

from curation.models import Exchange, Project, User
from curation.review import label
from tests.asking import ask_many
from tests.reviewing import ana, ben, give, json_project, ticket

__all__ = ["ana", "ben", "give", "included", "json_project", "olga", "ticket"]


@pytest.fixture
def included(project: Project) -> Callable[..., list[Exchange]]:
    """`included(5)`: that many new rows, included with the answer "Yes."."""

    def make(count: int, answer: str = "Yes.") -> list[Exchange]:
        rows = ask_many(project, count)
        label(project, [(row.pk, answer) for row in rows], "A corpus")
        return rows

    return make


@pytest.fixture
def olga(person: Callable[..., User]) -> User:
    return person("olga", 30)
