"""Near-identical prompts with different included answers come up as pairs before anybody trains on them."""

import pytest
from django.urls import reverse

from curation.datasets import freeze
from curation.models import Exchange, Pair
from curation.pairs import refresh, settle
from curation.review import Stale
from tests.asking import ask, ask_many

LONG = "I want to know whether my baggage allowance changes when I fly with a partner on the second leg of my trip to"


@pytest.fixture
def pair(project, ana, give) -> Pair:
    for ending, answer in (("Batumi?", "It does."), ("Batumi, please", "It does not.")):
        give(ask(project, f"{LONG} {ending}", answer), ana, "included")
    refresh(project)
    return Pair.objects.select_related("first", "second", "project").get()


def answers() -> list[str]:
    return [row.teaches for row in Exchange.objects.order_by("pk")]


def test_two_answers_to_nearly_one_question_are_a_pair_once(pair, project):
    assert refresh(project) == 1
    assert Pair.objects.count() == 1
    assert pair.first_id < pair.second_id


def test_the_same_answer_or_the_same_json_is_no_contradiction(json_project, ana, give):
    for ending, answer in (("Batumi?", '{"a": 1, "b": 2}'), ("Batumi, please", '{"b": 2,"a": 1}')):
        give(ask(json_project, f"{LONG} {ending}", answer), ana, "included")
    assert refresh(json_project) == 0


def test_only_what_is_included_counts(project, ana, give):
    give(ask(project, f"{LONG} Batumi?", "It does."), ana, "included")
    give(ask(project, f"{LONG} Batumi, please", "It does not."), ana, "excluded")
    assert refresh(project) == 0


@pytest.mark.parametrize(
    ("choice", "taught", "state"),
    [
        ("first", ["It does."] * 2, "settled"),
        ("second", ["It does not."] * 2, "settled"),
        ("same", ["It does.", "It does not."], "waived"),
    ],
)
def test_a_pair_is_settled_and_stays_so(pair, project, ben, choice, taught, state):
    settle(pair, ben, choice)
    assert answers() == taught
    assert refresh(project) == 0
    pair.refresh_from_db()
    assert (pair.state, pair.settled_by) == (state, ben)
    assert set(Exchange.objects.values_list("response", flat=True)) == {"It does.", "It does not."}


def test_a_third_answer_is_taught_for_both(pair, project, ben, browser_of):
    address = reverse("pair_decide", args=[project.slug, pair.pk])
    browser_of(ben).post(address, {"choice": "edited", "text": "Only on the first leg."})
    assert answers() == ["Only on the first leg."] * 2
    assert set(Exchange.objects.values_list("target_origin", flat=True)) == {"edited"}
    assert Pair.objects.get().state == "settled"


def test_an_empty_third_answer_is_refused_and_nothing_changes(pair, project, ben, browser_of):
    address = reverse("pair_decide", args=[project.slug, pair.pk])
    page = browser_of(ben).post(address, {"choice": "edited", "text": " "}, follow=True).content.decode()
    assert "There is no answer to teach" in page
    assert answers() == ["It does.", "It does not."]
    assert Pair.objects.get().state == "open"


def test_neither_excludes_both(pair, project, ben):
    settle(pair, ben, "neither")
    assert set(Exchange.objects.values_list("state", flat=True)) == {"excluded"}


def test_what_a_person_did_elsewhere_settles_it_too(pair, project, ana, give):
    give(pair.first, ana, "excluded")
    assert refresh(project) == 0
    assert Pair.objects.get().state == "settled"


def test_a_waived_pair_is_open_again_once_a_row_has_changed(pair, project, ana, ben, give):
    settle(pair, ben, "same")
    give(pair.first, ana, "included", target="Perhaps.")
    assert refresh(project) == 1


def test_a_row_that_was_changed_meanwhile_is_not_overwritten(pair, ana, ben, give):
    give(pair.second, ana, "included", target="Perhaps.")
    with pytest.raises(Stale):
        settle(pair, ben, "first")
    assert answers() == ["It does.", "Perhaps."]
    assert Pair.objects.get().state == "open"


def test_an_open_pair_is_named_by_the_freeze(pair, project, ana, ben, give):
    for row in ask_many(project, 12):
        give(row, ana, "included")
    version = freeze(project).version
    found = version.findings.get(code="near-contradiction")
    assert {found.exchange_id, found.other_id} == {pair.first_id, pair.second_id}
    settle(pair, ben, "same")
    give(Exchange.objects.get(user_prompt="Question 1"), ana, "excluded")
    assert not freeze(project).version.findings.filter(code="near-contradiction").exists()


def test_the_page_that_freezes_leads_to_what_is_open(pair, project, ben, browser_of):
    address = reverse("datasets", args=[project.slug])
    page = browser_of(ben).get(address).content.decode()
    assert "1 contradiction</a>" in page
    settle(pair, ben, "same")
    assert "contradiction" not in browser_of(ben).get(address).content.decode()


def test_the_page_shows_both_without_names_and_settles_by_a_button(pair, project, ben, browser_of):
    client, path = browser_of(ben), reverse("pairs", args=[project.slug])
    page = client.get(path).content.decode()
    assert "It does." in page
    assert "It does not." in page
    assert "ana" not in page.split("<main")[1]
    done = client.post(reverse("pair_decide", args=[project.slug, pair.pk]), {"choice": "first"}, follow=True)
    assert "No contradictions" in done.content.decode()
    assert answers() == ["It does."] * 2


def test_the_page_says_when_a_row_is_in_other_hands_now(pair, project, ana, ben, give, browser_of):
    give(pair.second, ana, "included", target="Perhaps.")
    address = reverse("pair_decide", args=[project.slug, pair.pk])
    page = browser_of(ben).post(address, {"choice": "first"}, follow=True).content.decode()
    assert "Nothing was changed." in page
    assert browser_of(ben).get(reverse("pairs", args=[project.slug]) + "?after=x").status_code == 200
