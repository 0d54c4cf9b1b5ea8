"""The list of rows by keyboard, in a real browser against a live server."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from curation.models import Exchange
from tests.asking import ask_many
from tests.browser import chromium, page

__all__ = ["chromium", "page"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def listed(page: Page, live_server, project, ana) -> Page:
    ask_many(project, 4)
    page.goto(live_server.url + reverse("review_rows", args=[project.slug]))
    page.get_by_label("Username").fill("ana")
    page.get_by_label("Password").fill("long enough to pass")
    page.keyboard.press("Enter")
    expect(page.locator("[data-row]")).to_have_count(4)
    page.wait_for_load_state()  # the script comes after the rows
    return page


def states() -> list[str]:
    return list(Exchange.objects.order_by("-pk").values_list("state", flat=True))


def test_rows_are_walked_ticked_decided_and_taken_back(listed):
    for key in ("j", "j", "Space", "j", "Space"):  # the second and the third row
        listed.keyboard.press(key)
    expect(listed.locator(".tick:checked")).to_have_count(2)
    listed.keyboard.press("x")
    expect(listed.get_by_text("2 changed")).to_be_visible()
    assert states() == ["pending", "excluded", "excluded", "pending"]
    listed.keyboard.press("u")
    expect(listed.get_by_text("Taken back", exact=True).first).to_be_visible()
    assert states() == ["pending"] * 4


def test_without_a_tick_the_verb_is_for_the_row_one_stands_on(listed):
    listed.keyboard.press("i")  # nowhere yet: nothing is sent
    listed.keyboard.press("j")
    listed.keyboard.press("j")
    listed.keyboard.press("i")
    expect(listed.get_by_text("1 changed")).to_be_visible()
    assert states() == ["pending", "included", "pending", "pending"]


def test_letters_typed_into_the_search_are_no_verbs(listed):
    listed.keyboard.press("/")
    listed.keyboard.type("xius")
    expect(listed.locator("[name=q]")).to_have_value("xius")
    assert states() == ["pending"] * 4
