"""The what-if page in a real browser: a slider changes the sum without a reload."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from curation.models import Membership
from tests.browser import chromium, page

__all__ = ["chromium", "page"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_slider_changes_the_sum_at_once(page: Page, live_server, project, person):
    person("olga", Membership.Role.OPERATOR)
    query = "calls_per_day=100000&long_tokens=139&short_tokens=100&completion_tokens=0&input_before=10&input_after=10"
    page.goto(f"{live_server.url}{reverse('payback', args=['support'])}?{query}")
    page.get_by_label("Username").fill("olga")
    page.get_by_label("Password").fill("long enough to pass")
    page.keyboard.press("Enter")
    expect(page.locator("#sum")).to_contain_text("$14,235 a year")
    page.get_by_role("slider", name="Calls, a day").press("End")
    expect(page.locator("#sum")).to_contain_text("$1,423,500 a year")
    assert page.get_by_role("spinbutton", name="Calls, a day").input_value() == "10000000"
