"""Two browsers race, one has no JavaScript, and a server is started anew: nothing is lost and nothing decided twice."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from curation.claims import hold
from curation.models import Draft, Exchange, Project, Review, ReviewSlot, Tag, Takeover
from tests.asking import ask, ask_many

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ROWS = 24


def log_in(browser: Browser, url: str, name: str, project: Project, **options) -> Page:
    page = browser.new_context(**options).new_page()
    page.set_default_timeout(10_000)
    page.goto(url + reverse("review", args=[project.slug]))
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill("long enough to pass")
    page.get_by_role("button", name=re.compile("Log in", re.I)).click()
    page.wait_for_url(re.compile(r"^[^?]*/review/"))
    return page


def number(page: Page) -> str:
    return page.url.rstrip("/").rsplit("/", 1)[1]


def test_two_people_race_through_the_queue_and_never_meet(chromium, live_server, project, ana, ben):
    ask_many(project, ROWS)
    pages = [log_in(chromium, live_server.url, name, project) for name in ("ana", "ben")]
    shown: list[str] = []
    for turn in range(ROWS):
        rows = [number(page) for page in pages]
        if "review" in rows:
            break
        assert rows[0] != rows[1]
        shown += rows
        for page, key in zip(pages, ("i", "x") if turn % 2 else ("x", "i"), strict=True):
            page.keyboard.press(key)
        for page, row in zip(pages, rows, strict=True):
            page.wait_for_url(lambda url, row=row: f"/{row}/" not in url)
    assert len(shown) == len(set(shown)) == ROWS
    assert Review.objects.count() == ROWS
    assert not project.exchanges.pending().exists()
    assert {str(review.exchange_id) for review in Review.objects.filter(reviewer=ana)} == set(shown[::2])
    for page in pages:
        page.context.close()


def test_an_undo_works_on_a_server_started_anew(chromium, project, ana):
    row = ask(project, "When do you open?")
    first = LiveServer("localhost")
    page = log_in(chromium, first.url, "ana", project)
    page.keyboard.press("i")
    expect(page.locator("h1")).to_have_text("All rows are decided")
    first.stop()
    second = LiveServer("localhost")
    page.goto(second.url + reverse("review", args=[project.slug]))
    page.keyboard.press("u")
    expect(page.locator(".asked pre")).to_have_text("When do you open?")
    assert Exchange.objects.get(pk=row.pk).state == "pending"
    page.context.close()
    second.stop()


def test_every_verb_without_javascript(chromium, live_server, project, ana, ben):
    rows = ask_many(project, 6, "At nine.")
    page = log_in(chromium, live_server.url, "ana", project, java_script_enabled=False)
    asked = page.locator(".asked pre")

    def press(name: str | re.Pattern[str]) -> None:
        page.get_by_role("button", name=name).first.click()

    expect(asked).to_have_text("Question 6")
    press(re.compile("^Include"))
    expect(asked).to_have_text("Question 5")
    page.get_by_label("format").check()
    press(re.compile("^Exclude"))
    expect(asked).to_have_text("Question 4")
    press(re.compile("^Undo"))
    expect(asked).to_have_text("Question 5")
    press(re.compile("^Redo"))
    expect(asked).to_have_text("Question 4")
    press(re.compile("^Skip"))
    expect(asked).to_have_text("Question 3")
    press(re.compile("^Back"))
    expect(asked).to_have_text("Question 4")
    page.get_by_label("New tag").fill("opening")
    press(re.compile("^Tag"))
    expect(page.get_by_role("button", name="Take the tag opening off")).to_be_visible()
    page.locator("summary", has_text="Edit the answer").click()
    page.locator("#target").fill("At ten.")
    press("Save draft")
    expect(page.locator("#saved")).to_contain_text("Saved")
    assert Draft.objects.get().text == "At ten."
    expect(page.locator("#shown ins")).to_contain_text("ten")
    press(re.compile("^Diff"))
    expect(page.locator("#shown h3").first).to_have_text("As captured")
    press("Restore original")
    expect(page.locator("#target")).to_have_value("At nine.")
    press(re.compile("^Later"))
    expect(asked).to_have_text("Question 3")
    page.locator("summary", has_text="Second opinion").click()
    press(re.compile("^Pass it on"))
    expect(asked).to_have_text("Question 2")
    hold(rows[0], ben)
    page.goto(live_server.url + reverse("review_exchange", args=[project.slug, rows[0].pk]))
    page.locator("summary", has_text="Take over").click()
    press("Take it over")
    expect(page.locator("#hold")).to_contain_text("yours")
    states = [Exchange.objects.get(pk=row.pk).state for row in rows]
    assert states == ["pending", "pending", "pending", "later", "excluded", "included"]
    assert Review.objects.get(verb="excluded", reversed_by=None).reasons == ["format"]
    assert (Tag.objects.count(), Takeover.objects.count()) == (1, 1)
    assert ReviewSlot.objects.filter(exchange=rows[2]).count() == 2
    page.context.close()
