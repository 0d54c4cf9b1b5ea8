"""Ticking rows and deciding all that a search finds, with and without JavaScript."""

import pytest
from django.urls import reverse

from curation.bulk import advance, due
from curation.models import BulkChange, Exchange, Membership
from jobs.tasks import change_many_rows
from tests.asking import ask, ask_many

Role = Membership.Role


@pytest.fixture
def operator(person, browser_of):
    return browser_of(person("olga", Role.OPERATOR))


def send(client, project, name="bulk_begin", *args, **form):
    return client.post(reverse(name, args=[project.slug, *args]), form, follow=True)


def test_ticked_rows_are_decided_at_once_and_taken_back_by_one_button(project, ana, browser_of):
    client, rows = browser_of(ana), ask_many(project, 3)
    ticked = [f"{row.pk}:{row.version}" for row in rows[:2]]
    shown = send(client, project, verb="excluded", row=ticked, query="state=pending").content.decode()
    assert "2 changed" in shown
    assert "state=pending" in shown
    assert [row.state for row in Exchange.objects.order_by("pk")] == ["excluded", "excluded", "pending"]
    bulk = BulkChange.objects.get()
    send(client, project, "bulk_undo", bulk.pk)
    assert set(Exchange.objects.values_list("state", flat=True)) == {"pending"}


@pytest.mark.parametrize("row", [[], ["x"], ["1:²"], ["1"], ["99999999999999999999:1"]])
def test_no_tick_or_nonsense_says_so(project, ana, browser_of, row):
    ask(project, "When?")
    assert "No row is ticked." in send(browser_of(ana), project, verb="excluded", row=row).content.decode()


def test_all_that_a_search_finds_is_counted_first(project, operator):
    ask_many(project, 3)
    ask(project, "Where are you?")
    shown = send(operator, project, verb="included", all_found="on", query="q=Question").content.decode()
    assert "Included: 3 rows" in shown
    assert Exchange.objects.included().count() == 0
    send(operator, project, "bulk_go", BulkChange.objects.get().pk)
    assert Exchange.objects.included().count() == 3


def test_above_a_hundred_the_number_is_typed(project, operator):
    ask_many(project, 101)
    send(operator, project, verb="excluded", all_found="on")
    bulk = BulkChange.objects.get()
    assert "Nothing was changed" in send(operator, project, "bulk_go", bulk.pk, typed="100").content.decode()
    assert set(Exchange.objects.values_list("state", flat=True)) == {"pending"}
    send(operator, project, "bulk_go", bulk.pk, typed="101")
    assert set(Exchange.objects.values_list("state", flat=True)) == {"excluded"}


def test_a_large_change_is_a_workers_and_shows_how_far_it_is(project, operator, monkeypatch):
    monkeypatch.setattr("curation.views.bulk.CHUNK", 2)
    ask_many(project, 3)
    shown = send(operator, project, verb="excluded", all_found="on").content.decode()
    assert "<progress" in shown
    advance(BulkChange.objects.get().pk)
    shown = operator.get(reverse("bulk", args=[project.slug, BulkChange.objects.get().pk])).content.decode()
    assert "<progress" not in shown
    assert "Waits for a word" in shown


def test_a_reviewer_ticks_but_does_not_decide_whole_searches(project, ana, browser_of):
    ask(project, "When?")
    assert send(browser_of(ana), project, verb="excluded", all_found="on").status_code == 403
    assert not BulkChange.objects.exists()


def test_another_persons_change_is_not_mine(project, ana, ben, browser_of, operator):
    row = ask(project, "When?")
    send(browser_of(ana), project, verb="excluded", row=[f"{row.pk}:{row.version}"])
    pk = BulkChange.objects.get().pk
    assert send(browser_of(ben), project, "bulk_undo", pk).status_code == 403
    assert send(operator, project, "bulk_undo", pk).status_code == 200
    assert Exchange.objects.get().state == "pending"


def test_a_worker_takes_up_what_lies_about(project, operator, monkeypatch):
    monkeypatch.setattr("curation.views.bulk.CHUNK", 0)
    ask_many(project, 3)
    send(operator, project, verb="excluded", all_found="on")
    BulkChange.objects.update(moved_at="2020-01-01T00:00Z")
    for change in due():
        change_many_rows(change.pk)
    assert BulkChange.objects.get().status == "ready"
