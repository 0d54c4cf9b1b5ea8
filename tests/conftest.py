"""What most tests start from: people with each role, and a project."""

import time
from collections.abc import Callable
from functools import wraps

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError
from django.core.management.commands import flush
from django.db import OperationalError
from django.test import Client
from hypothesis import HealthCheck, settings

from curation.models import Membership, Project, User
from curation.projects import create_project

# What they assert shows its values, as in a test's own file.
pytest.register_assert_rewrite("tests.browser", "tests.machines")
Role = Membership.Role
# A busy machine is no fault of the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_configure() -> None:
    """A thousand people are made for one test each: their passwords need not resist anybody for half a second."""
    django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    flush.Command.handle = flushed_again(flush.Command.handle)


def flushed_again(handle: Callable[..., None]) -> Callable[..., None]:
    """A process that is just ending may lock the tables in another order than the flush after its test: then again."""

    @wraps(handle)
    def handled(self: flush.Command, **options: object) -> None:
        for _ in range(2):
            try:
                return handle(self, **options)
            except CommandError as error:
                if not isinstance(error.__cause__, OperationalError):
                    raise
                time.sleep(0.5)
        return handle(self, **options)

    return handled


@pytest.fixture
def project(db: None) -> Project:
    return create_project("support", name="Support", training_prompt="Answer briefly.")


@pytest.fixture
def person(project: Project) -> Callable[..., User]:
    """`person("ana", Role.REVIEWER)`: a user with that role in the project; without a role, a stranger to it."""

    def make(name: str, role: Role | None = None) -> User:
        user = User.objects.create_user(name, password="long enough to pass")
        if role is not None:
            Membership.objects.create(project=project, user=user, role=role)
        return user

    return make


@pytest.fixture
def browser_of() -> Callable[[User | None], Client]:
    """A test client logged in as that person; of None, a visitor who is not logged in."""

    def make(user: User | None) -> Client:
        client = Client()
        if user is not None:
            client.force_login(user)
        return client

    return make
