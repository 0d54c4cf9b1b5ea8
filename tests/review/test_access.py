"""Every review page without a violation that axe finds, in light and dark, wide and as narrow as a phone."""

import re
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page

from curation.claims import hold
from curation.models import Draft, Exchange, Membership, MustPass, Review
from curation.pairs import refresh
from jobs.models import Repair, RepairPolicy
from jobs.repairs import request_repair
from tests.asking import ask, ask_many

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
AXE = Path(__file__).parents[1] / "vendor" / "axe.min.js"
TOOLS = [{"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"q": "hours"}'}}]


@pytest.fixture
def places(live_server, project, ana, ben, person, give):
    """Address by name, of pages in every mode."""
    Membership.objects.filter(user=ana).update(role=Membership.Role.OWNER)
    project.instructions = "Be brief.\nBe right."
    project.save()
    called = [
        {"role": "user", "content": "Look it up."},
        {"role": "assistant", "content": None, "tool_calls": TOOLS},
        {"role": "tool", "tool_call_id": "c1", "content": "nine"},
        {"role": "user", "content": "So when do you open?"},
    ]
    rows = {
        "plain": ask(project, "When do you open?", "At nine."),
        "chat": ask(project, "", "At nine.", messages=called),
        "edited": ask(project, "And when do you close?", "At nine."),
        "draft": ask(project, "Is it far?", "It is far."),
        "held": ask(project, "Who is there?", "Ana."),
        "disputed": ask(project, "Why?", "Because."),
        "proposed": ask(project, "Where do I park?", "Behind the house."),
    }
    give(rows["edited"], ana, "included", target="At ten.", reasons=["format"])
    contradict(project, ana, give)
    propose(rows["proposed"], ana)
    MustPass.objects.create(exchange=rows["plain"], project=project, marked_by=ana, note="Said ten once.")
    Draft.objects.create(exchange=rows["draft"], reviewer=ana, text="It is near.", exchange_version=1)
    hold(rows["held"], ben)
    project.second_share = 100
    project.save()
    give(Exchange.objects.get(pk=rows["disputed"].pk), ben, "included")
    give(Exchange.objects.get(pk=rows["disputed"].pk), person("eva", Membership.Role.REVIEWER), "excluded")
    pages = {name: reverse("review_exchange", args=[project.slug, row.pk]) for name, row in rows.items()}
    pages["similar"] = reverse("review_similar", args=[project.slug, rows["plain"].pk])
    rooms = (
        "review_activity",
        "review_keys",
        "review_settings",
        "review_agreement",
        "review_rows",
        "pairs",
        "coverage",
    )
    rooms = (*rooms, "repairs", "attention")
    pages |= {name: reverse(name, args=[project.slug]) for name in rooms}
    return {name: live_server.url + path for name, path in pages.items()}


def contradict(project, ana, give) -> None:
    """Two near-identical prompts that teach different answers, as a pair to be settled."""
    long = (
        "I want to know whether my baggage allowance changes when I fly with a partner on the second leg of my trip to"
    )
    for ending, answer in (("Batumi?", "It does."), ("Batumi, please", "It does not.")):
        give(ask(project, f"{long} {ending}", answer), ana, "included")
    assert refresh(project) == 1


def propose(row: Exchange, ana) -> None:
    """A model's proposal that waits on the row's page."""
    RepairPolicy.objects.create(project=row.project, provider=row.project.default_provider, model="strong")
    repair = request_repair(row, ana, "It is in front of it.", "Behind the house.")
    Repair.objects.filter(pk=repair.pk).update(status="succeeded", proposal="In front of the house.")


def log_in(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_label("Username").fill("ana")
    page.get_by_label("Password").fill("long enough to pass")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"^[^?]*/review/"))


def violations(page: Page) -> list[str]:
    page.evaluate(AXE.read_text())
    found = page.evaluate("async () => (await axe.run()).violations")
    return [f"{page.url} {rule['id']}: {node['html'][:160]}" for rule in found for node in rule["nodes"]]


@pytest.mark.parametrize("width", [1280, 380])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page, places, width, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    log_in(page, places["plain"])
    found = []
    for name, address in places.items():
        page.goto(address)
        found += violations(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    page.goto(places["plain"])
    page.locator(".asks summary").click()
    found += violations(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(places["plain"])
    page.keyboard.press("?")
    found += violations(page)
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    found += violations(page)
    assert found == [], "\n".join(found)


def test_the_picture_is_the_same_size_before_and_after_a_check(page, places):
    """What is typed is compared in place: nothing below the answer may jump while somebody aims at it."""
    log_in(page, places["plain"])
    bar = page.locator(".verbs").bounding_box()
    page.keyboard.press("e")
    page.keyboard.type(" Or ten.")
    page.locator("#shown ins").wait_for()
    assert page.locator(".verbs").bounding_box() == bar


def test_nothing_is_asked_of_another_host(page, places, live_server):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    log_in(page, places["plain"])
    page.keyboard.press("x")
    page.wait_for_load_state("networkidle")
    assert [url for url in asked if not url.startswith((live_server.url, "data:"))] == []
    assert Review.objects.filter(verb="excluded", via="key").exists()


def test_many_rows_fit_a_phone_too(page, live_server, project, ana):
    ask_many(project, 3, "שלום, 你好 👋 " * 60)
    page.set_viewport_size({"width": 380, "height": 700})
    log_in(page, live_server.url + reverse("review", args=[project.slug]))
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
