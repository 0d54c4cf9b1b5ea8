"""People who review, and verdicts given as by a page: fixtures for the folders that need them."""

from collections.abc import Callable
from typing import Any

import pytest

from curation.claims import first_slot, hold
from curation.models import Exchange, Membership, Project, Review, User
from curation.projects import create_project
from curation.review import Ticket, decide

Role = Membership.Role


@pytest.fixture
def ana(person: Callable[..., User]) -> User:
    return person("ana", Role.REVIEWER)


@pytest.fixture
def ben(person: Callable[..., User]) -> User:
    return person("ben", Role.REVIEWER)


@pytest.fixture
def json_project(db: None, ana: User) -> Project:
    project = create_project("places", name="Places", answer_format=Project.AnswerFormat.JSON)
    Membership.objects.create(project=project, user=ana, role=Role.REVIEWER)
    return project


@pytest.fixture
def ticket() -> Callable[..., Ticket]:
    """`ticket(row, ana)`: what the form of the row's page carries after that person opened it."""

    def opened(row: Exchange, user: User, **fields: Any) -> Ticket:
        row = Exchange.objects.get(pk=row.pk)
        slot = hold(row, user) or first_slot(row)
        return Ticket(row.pk, row.version, slot.pk, slot.claim_token, **fields)

    return opened


@pytest.fixture
def give(ticket: Callable[..., Ticket]) -> Callable[..., Review]:
    """`give(row, ana, "included", target="…")`: that person opens the row and decides."""

    def verdict(row: Exchange, user: User, verb: str, **fields: Any) -> Review:
        return decide(row.project, user, verb, ticket(row, user), **fields)

    return verdict
