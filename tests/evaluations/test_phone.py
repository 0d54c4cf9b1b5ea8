"""The report on a phone."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import Page

from curation.models import Membership
from jobs import evaluations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# As long as providers make them.
NAMES = ("baseline", "ft:baseline:local:airport-help-desk-v1:d9HxbBLf")


def test_long_names_of_models_do_not_make_the_report_wider_than_a_phone(
    page: Page, live_server, version, provider, person
):
    person("vera", Membership.Role.VIEWER)
    run = evaluations.request_comparison(
        evaluations.Wish(
            version,
            [evaluations.Contender(provider, name, prompt) for name in NAMES for prompt in ("captured", "training")],
        )
    )
    page.set_viewport_size({"width": 380, "height": 800})
    page.goto(live_server.url + reverse("evaluation", args=[version.project.slug, run.pk]))
    page.get_by_label("Username").fill("vera")
    page.get_by_label("Password").fill("long enough to pass")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"^[^?]*/evaluations/"))
    page.locator("#paired select").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
