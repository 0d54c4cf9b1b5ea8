"""Pairs settled by keyboard, in a real browser."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from curation.models import Exchange, Pair
from curation.pairs import refresh
from tests.asking import ask
from tests.pairs.test_pairs import LONG

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def settling(page: Page, live_server, project, ana, give) -> Page:
    """The page with one open pair, logged in as its reviewer."""
    for ending, answer in (("Batumi?", "It does."), ("Batumi, please", "It does not.")):
        give(ask(project, f"{LONG} {ending}", answer), ana, "included")
    refresh(project)
    page.goto(live_server.url + reverse("pairs", args=[project.slug]))
    page.get_by_label("Username").fill("ana")
    page.get_by_label("Password").fill("long enough to pass")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"^[^?]*/pairs/$"))
    return page


def test_e_writes_a_third_answer_for_both(settling):
    settling.keyboard.press("e")
    expect(settling.locator("#third")).to_be_focused()
    settling.keyboard.press("Control+a")
    settling.keyboard.type("On 0 of 2 legs, except by request.")  # 0, 2, e and x are letters here
    settling.keyboard.press("Control+Enter")
    expect(settling.locator("main")).to_contain_text("No contradictions")
    assert set(Exchange.objects.values_list("target", flat=True)) == {"On 0 of 2 legs, except by request."}


def test_escape_leaves_the_text_and_0_lets_the_pair_pass(settling):
    settling.keyboard.press("e")
    settling.keyboard.press("Escape")
    settling.keyboard.press("0")
    expect(settling.locator("main")).to_contain_text("No contradictions")
    assert Pair.objects.get().state == "waived"
    assert not Exchange.objects.exclude(target=None).exists()
