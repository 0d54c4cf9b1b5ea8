"""The repair on the row's page, without JavaScript and with it; who may ask, and who sees what."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, expect

from curation.claims import take_over
from curation.datasets import freeze
from curation.drafts import save_draft
from curation.models import Draft, Exchange, Membership, MustPass, Project, Review
from curation.recording import record
from curation.review import undo
from curation.tagging import tag
from jobs import repairs
from jobs.models import Repair, RepairPolicy
from tests.asking import ask, call_of
from tests.machines import drive
from tests.provider_stub import Stub, refusal

Role = Membership.Role


def hidden(page: str, name: str) -> dict[str, str]:
    """The hidden fields of the form that leads to that address."""
    inside = re.search(rf'<form[^>]+/{name}/"[^>]*>(.*?)</form>', page, re.S).group(1)
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', inside))


class Reviewer:
    def __init__(self, client: Client, row: Exchange) -> None:
        self.client, self.row = client, row
        self.page = ""

    def open(self) -> str:
        return self._take(self.client.get(self._at("review_exchange", self.row.pk)))

    def say(self, note: str, **typed: str) -> str:
        form = hidden(self.page, "include") | {"note": note, "target": self.row.teaches or ""} | typed
        return self._take(self.client.post(self._at("repair_new", self.row.pk), form, follow=True))

    def press(self, name: str) -> str:
        form = hidden(self.page, name.removeprefix("repair_"))
        return self._take(self.client.post(self._at(name, Repair.objects.first().pk), form, follow=True))

    def _at(self, name: str, pk: int) -> str:
        return reverse(name, args=[self.row.project.slug, pk])

    def _take(self, answer) -> str:
        self.page = answer.content.decode()
        return self.page


@pytest.fixture
def reviewer(row, ana, browser_of):
    return Reviewer(browser_of(ana), row)


@pytest.mark.django_db
def test_said_proposed_and_accepted_without_javascript(reviewer, row, project, stub: Stub):
    stub.answer = lambda model, messages: "We open at ten <b>sharp</b>."
    assert "say what is wrong" in reviewer.open()
    assert "strong is asked" in reviewer.say("It is ten.")
    drive(Repair.objects.get())
    page = reviewer.open()
    assert "Proposed by strong" in page
    assert re.search(r"<del><span[^>]*>\[removed\] </span>nine</del><ins><span[^>]*>\[added\] </span>ten", page)
    assert "&lt;b&gt;" in page
    assert "<b>sharp" not in page
    assert Exchange.objects.get(pk=row.pk).state == "pending"
    assert "All rows are decided" in reviewer.press("repair_accept")
    after = Exchange.objects.get(pk=row.pk)
    assert (after.state, after.teaches) == ("included", "We open at ten <b>sharp</b>.")
    assert "Repaired by a model" in reviewer.open()


@pytest.mark.django_db
def test_edited_dropped_and_asked_again(reviewer, row, stub: Stub, tasks):
    stub.answer = lambda model, messages: "We open at ten."
    reviewer.open()
    reviewer.say("It is ten.", target="We open at nine, mostly.")
    assert tasks() == []
    assert Draft.objects.get().text == "We open at nine, mostly."  # what was typed is not lost by asking
    drive(Repair.objects.get())
    assert tasks()[0]["answer"] == "We open at nine, mostly."
    reviewer.open()
    stub.answer = lambda model, messages: "We open at 10 a.m."
    assert "strong is asked" in reviewer.say("Write a.m.", target="We open at nine, mostly.")
    assert list(Repair.objects.order_by("pk").values_list("outcome", flat=True)) == ["dropped", ""]
    drive(Repair.objects.first())
    reviewer.open()
    page = reviewer.press("repair_edit")
    assert Draft.objects.get().text == "We open at 10 a.m."
    assert "Proposed by" not in page
    assert not Review.objects.exists()
    reviewer.say("Once more.")
    drive(Repair.objects.first())
    reviewer.open()
    assert "Proposed by" not in reviewer.press("repair_drop")
    assert Exchange.objects.get(pk=row.pk).target is None


@pytest.mark.django_db
def test_errors_stand_on_the_page_in_words(reviewer, policy, stub: Stub):
    reviewer.open()
    assert "Write in a sentence what is wrong" in reviewer.say("  ")
    stub.answer = lambda model, messages: refusal(401, message="bad key")
    reviewer.say("Wrong.")
    drive(Repair.objects.get())
    page = reviewer.open()
    assert Repair.objects.get().error in page.replace("&#x27;", "'").replace("&quot;", '"')
    assert "Try again" in page
    RepairPolicy.objects.update(requests_a_day=1)
    assert "Today&#x27;s 1 repairs are used up" in reviewer.say("Wrong.")


@pytest.mark.django_db
def test_nobody_sees_anothers_repair_and_a_row_decided_meanwhile_shows_both(
    reviewer, row, ben, person, browser_of, give, stub: Stub, url_of
):
    stub.answer = lambda model, messages: "We open at ten."
    reviewer.open()
    reviewer.say("It is ten.")
    repair = drive(Repair.objects.get())
    other = browser_of(ben)
    for name in ("repair_look", "repair_accept", "repair_edit", "repair_drop"):
        method = other.get if name == "repair_look" else other.post
        assert method(url_of(name, repair.pk)).status_code == 404
    assert "It is ten" not in other.get(url_of("repairs")).content.decode()
    reviewer.open()
    form = hidden(reviewer.page, "accept")
    Repair.objects.update(exchange_version=99)  # as if the row had moved on while the page stood open
    answer = reviewer.client.post(url_of("repair_accept", repair.pk), form)
    assert answer.status_code == 409
    assert "We open at ten." in answer.content.decode()
    viewer = browser_of(person("vic", Role.VIEWER))
    assert viewer.get(url_of("repairs")).status_code == 403
    assert viewer.post(url_of("repair_new", row.pk)).status_code == 403
    assert Client().get(url_of("repairs")).status_code == 302


@pytest.fixture
def url_of(project):
    return lambda name, *args: reverse(name, args=[project.slug, *args])


@pytest.mark.django_db
def test_without_a_model_no_row_offers_a_repair_and_only_an_owner_chooses_one(
    project, provider, ana, person, browser_of, url_of
):
    row = ask(project, "When?")
    client, owner = browser_of(ana), browser_of(person("oda", Role.OWNER))
    assert 'id="repair"' not in client.get(url_of("review_exchange", row.pk)).content.decode()
    assert "An owner of the project chooses" in client.get(url_of("repairs")).content.decode()
    wanted = {"provider": provider.pk, "model": "strong", "requests_a_day": 50}
    assert client.post(url_of("repairs_save"), wanted).status_code == 403
    assert owner.post(url_of("repairs_save"), {"model": "strong", "requests_a_day": 50}).status_code == 422
    both = wanted | {"alias": project.aliases.get().pk}
    assert owner.post(url_of("repairs_save"), both).status_code == 422
    assert owner.post(url_of("repairs_save"), wanted).status_code == 302
    assert repairs.policy_of(project).asked == (provider, "strong")
    assert "No proposal waits" in client.get(url_of("repairs")).content.decode()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_by_keyboard_the_proposal_comes_by_itself(page: Page, live_server, row, project, ana, stub: Stub):
    stub.answer = lambda model, messages: "We open at ten."
    page.goto(live_server.url + reverse("review_exchange", args=[project.slug, row.pk]))
    page.get_by_label("Username").fill("ana")
    page.get_by_label("Password").fill("long enough to pass")
    page.keyboard.press("Enter")
    page.locator("#stage").wait_for()
    page.wait_for_load_state()  # its script is there, too
    page.keyboard.press("r")
    expect(page.locator("#note")).to_be_focused()
    page.keyboard.type("It is ten, six or so.")  # i, x, s and r are letters here
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#repair")).to_contain_text("strong is asked")
    drive(Repair.objects.get())
    expect(page.locator("#repair ins").first).to_contain_text("ten")
    assert not Review.objects.exists()
    page.get_by_role("button", name="Accept and include").click()
    expect(page.locator("h1")).to_have_text("All rows are decided")
    assert Exchange.objects.get(pk=row.pk).target == "We open at ten."


@pytest.mark.django_db
def test_a_page_with_all_that_can_stand_on_it_costs_at_most_fifteen_queries(
    reviewer, row, project, ana, ben, give, stub: Stub, django_assert_max_num_queries
):
    record([call_of(project, row.user_prompt, "At ten.")])
    tag(row, "opening hours")
    MustPass.objects.create(exchange=row, project=project, marked_by=ben, note="again")
    give(row, ben, "included", target="At nine.")
    Project.objects.filter(pk=project.pk).update(training_prompt="Answer.")
    freeze(project, ben)
    undo(project, ben)
    for taker in (ana, ben, ana):  # who undid it holds it
        assert take_over(row, taker)
    stub.answer = lambda model, messages: "We open at eleven."
    reviewer.open()
    reviewer.say("It is eleven.")
    drive(Repair.objects.get())
    save_draft(project, ana, row, "At eight.", row.version)
    with django_assert_max_num_queries(15):
        page = reviewer.open()
    for shown in ("At ten.", "opening hours", "must pass", "we open at nine", "At eight.", "eleven", "took"):
        assert shown.casefold() in page.casefold(), shown
    assert take_over(row, ben)
    with django_assert_max_num_queries(15):
        assert "They took it over from you" in reviewer.open()
