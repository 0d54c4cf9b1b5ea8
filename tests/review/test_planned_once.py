"""Which statements the database keeps a plan for: those of a row's page, and none that people filter by."""

from collections.abc import Callable

import pytest
from django.db import ProgrammingError, connection
from django.test import Client

from curation.models import Membership, Project, User
from curation.statements import planned_once, run
from tests.asking import ask

Role = Membership.Role


def kept() -> list[str]:
    """The statements this connection has planned once and for all."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [statement for (statement,) in cursor.fetchall()]


def test_a_row_s_page_is_planned_once(project: Project, person: Callable[..., User], client: Client) -> None:
    client.force_login(person("ana", Role.REVIEWER))
    row = ask(project, "Where is it?")
    assert client.get(f"/projects/{project.slug}/review/{row.pk}/").status_code == 200
    assert any("AS frozen_in" in statement for statement in kept())
    assert any(statement.startswith("UPDATE curation_reviewslot") for statement in map(str.strip, kept()))


def test_a_search_is_planned_for_its_words(project: Project, person: Callable[..., User], client: Client) -> None:
    client.force_login(person("ana", Role.REVIEWER))
    ask(project, "Where is it?")
    for query in ("", "?q=where+is", "?model=m", "?state=pending"):
        assert client.get(f"/projects/{project.slug}/rows/{query}").status_code == 200
    assert not any("curation_words" in statement or "curation_answer" in statement for statement in kept())
    assert any("AS holder" in statement for statement in kept())  # of the list that nothing narrows


@pytest.mark.django_db
def test_several_statements_go_one_way_inside_as_well() -> None:
    with planned_once():
        assert run(("SELECT %s::int", [1]), ("SELECT %s::int", [2])) == (1,)
        with pytest.raises(ProgrammingError, match="nothing_of_this_name"), connection.cursor() as cursor:
            cursor.execute("SELECT %s FROM nothing_of_this_name", [1])
