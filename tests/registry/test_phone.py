"""The page of models on a phone: everything that can be pressed is within reach."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page

from curation.models import Membership
from tests.browser import chromium, page

__all__ = ["chromium", "page"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WIDTH = 380


def test_no_button_lies_beyond_the_edge(page: Page, live_server, person, version, make_model, make_evaluation):
    person("olga", Membership.Role.OPERATOR)
    for name in ("ft:gpt-4.1-mini-2025-04-14:airport:help-desk:CkT3mYqA", "ft:2"):
        make_evaluation(make_model(name, version), base=0, tuned=4)
    page.set_viewport_size({"width": WIDTH, "height": 800})
    page.goto(live_server.url + reverse("registry", args=["support"]))
    page.get_by_label("Username").fill("olga")
    page.get_by_label("Password").fill("long enough to pass")
    page.keyboard.press("Enter")
    promote = page.get_by_role("button", name="Promote")
    promote.first.wait_for()
    assert promote.count() == 2
    for button in page.locator("main .btn:visible").all():
        place = button.bounding_box()
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= WIDTH, button.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTH
