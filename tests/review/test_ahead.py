"""The next row is read ahead: on the screen at once, and nobody's until the answer to the verdict is there."""

import pytest
from playwright.sync_api import Page, expect

from curation.claims import hold
from curation.models import ReviewSlot
from tests.asking import ask_many
from tests.review.test_keyboard import asked, verbs

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def ready(page: Page) -> None:
    """Wait until the next row has been read ahead."""
    page.wait_for_function("() => ahead !== null")


def test_the_next_row_is_on_the_screen_before_the_answer_and_cannot_be_decided_yet(page, reviewing, project):
    ask_many(project, 3)
    held = []
    page.route("**/include/", lambda route: held.append(route))
    reviewing()
    ready(page)
    assert ReviewSlot.objects.filter(claimed_until=None).count() == 2  # reading ahead takes nothing
    page.keyboard.press("i")
    expect(page.locator("#stage[aria-busy] .asked pre")).to_have_text("Question 2")
    expect(page.locator("h1")).to_have_text("Row 2 of 3")
    page.keyboard.press("x")
    page.keyboard.press("u")
    assert verbs() == []
    held[0].continue_()
    expect(asked(page)).to_have_text("Question 2")
    page.unroute("**/include/")
    assert verbs() == ["included"]
    page.keyboard.press("x")
    expect(asked(page)).to_have_text("Question 1")
    assert verbs() == ["included", "excluded"]


def test_a_row_shown_ahead_that_another_took_gives_way_to_the_answer(reviewing, project, ben):
    rows = ask_many(project, 3)
    page = reviewing()
    ready(page)
    hold(rows[1], ben)
    page.keyboard.press("i")
    expect(asked(page)).to_have_text("Question 1")
    assert verbs() == ["included"]


def test_without_an_answer_the_row_comes_back_with_what_was_typed(page, reviewing, project):
    ask_many(project, 2)
    page.route("**/include/", lambda route: route.abort())
    reviewing()
    ready(page)
    page.keyboard.press("e")
    page.keyboard.type(" Or so.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#status")).to_contain_text("Not sent")
    expect(asked(page)).to_have_text("Question 2")
    expect(page.locator("#target")).to_have_value("It depends. Or so.")
    assert verbs() == []
