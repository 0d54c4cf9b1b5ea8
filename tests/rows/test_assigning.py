"""Rows given to one person: nobody else gets them from the queue."""

import pytest
from django.urls import reverse

from curation.assigning import TooMany, assign, given_to
from curation.claims import hold, next_slot
from curation.models import Membership
from curation.review import Ticket, decide
from tests.asking import ask_many

Role = Membership.Role


def test_only_the_person_gets_them_until_they_are_anybodys_again(project, ana, ben):
    rows = ask_many(project, 2)
    assert assign(project, project.exchanges.all(), ben) == 2
    assert next_slot(project, ana) is None
    assert next_slot(project, ben).exchange_id == rows[1].pk
    assert given_to(project, ben) == 2
    assert assign(project, project.exchanges.filter(pk=rows[0].pk), None) == 1
    assert next_slot(project, ana).exchange_id == rows[0].pk


def test_what_is_held_decided_or_decided_by_several_stays(project, ana, ben, give):
    held, decided, several, free = ask_many(project, 4)
    hold(held, ana)
    give(decided, ana, "included")
    several.slots.create(project=project, position=2)
    assert assign(project, project.exchanges.all(), ben) == 1
    assert free.slots.get().meant_for == ben
    assert held.slots.get().meant_for is None
    slot = held.slots.get()
    decide(project, ana, "included", Ticket(held.pk, held.version, slot.pk, slot.claim_token))


def test_too_many_are_refused(project, ana, monkeypatch):
    monkeypatch.setattr("curation.assigning.MOST", 2)
    ask_many(project, 3)
    with pytest.raises(TooMany, match="At most 2 rows"):
        assign(project, project.exchanges.all(), ana)


def test_an_operator_gives_ticked_rows_or_all_that_a_search_finds(project, ana, ben, person, browser_of):
    rows = ask_many(project, 3)
    operator = browser_of(person("ola", Role.OPERATOR))
    address = reverse("rows_assign", args=[project.slug])
    ticks = [f"{row.pk}:{row.version}" for row in rows[:1]]
    page = operator.post(address, {"row": ticks, "person": "ben"}, follow=True).content.decode()
    assert "1 waiting row given to ben." in page
    assert "given to ben" in page
    wanted = {"all_found": "on", "query": "q=question&state=pending", "person": "ana"}
    assert "3 waiting rows given to ana." in operator.post(address, wanted, follow=True).content.decode()
    assert given_to(project, ana) == 3
    person("eve")
    page = operator.post(address, {"row": ticks, "person": "eve"}, follow=True).content.decode()
    assert "reviewers of this project" in page
    assert browser_of(ben).post(address, wanted).status_code == 403
    page = browser_of(ben).get(reverse("review", args=[project.slug])).content.decode()
    assert "3 rows wait for the people they were given to" in page
