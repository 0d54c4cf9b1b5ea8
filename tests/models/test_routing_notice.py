"""The gateway hears of a change of keys and routes when it is committed, and of nothing else."""

import os
from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from curation.models import ApiKey, ModelAlias, Project, Provider

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def heard(project) -> Iterator[Callable[[], list[str]]]:
    """`heard()`: the tables announced since it was last asked."""
    database = connection.settings_dict["NAME"]
    with psycopg.connect(os.environ["DATABASE_URL"], dbname=database, autocommit=True) as listener:
        listener.execute("LISTEN curation_routing")

        yield lambda: list(notes_of(listener))


def notes_of(listener: psycopg.Connection) -> Iterator[str]:
    listener.execute("NOTIFY curation_routing, 'end'")
    for note in listener.notifies(timeout=5):
        if note.payload == "end":
            return
        yield note.payload
    raise AssertionError("the listener was not even sent its own note")


def test_moving_an_alias_is_announced_when_committed(project, heard):
    with transaction.atomic():
        ModelAlias.objects.filter(project=project).update(model="tuned")
        assert heard() == []
    assert heard() == ["curation_modelalias"]


def test_a_rolled_back_move_is_not_announced(project, heard):
    with transaction.atomic():
        ModelAlias.objects.filter(project=project).update(model="tuned")
        transaction.set_rollback(True)
    assert heard() == []


def test_each_change_of_a_route_is_announced(project, heard):
    key, _secret = ApiKey.issue(project, "shop")
    assert heard() == ["curation_apikey"]
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=Now())
    assert heard() == ["curation_apikey"]
    Provider.objects.filter(project=project).update(base_model="other")
    assert heard() == ["curation_provider"]
    Project.objects.filter(pk=project.pk).update(archived_at=Now())
    assert heard() == ["curation_project"]


def test_using_a_key_is_not_a_change(project, heard):
    key, _secret = ApiKey.issue(project, "shop")
    heard()
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=Now())
    assert heard() == []
