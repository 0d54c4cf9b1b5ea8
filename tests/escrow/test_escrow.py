"""A model's answers are kept before it goes, each prompt asked once, and a successor is held against them."""

import pytest
from django.urls import reverse

from curation.models import Membership
from jobs import escrow
from jobs.models import Escrow, EscrowAnswer
from tests.machines import step
from tests.provider_stub import Stub, refusal

pytestmark = pytest.mark.django_db
Role = Membership.Role


def ask_all(kept: Escrow) -> Escrow:
    for _ in range(5):
        step(kept)
    return kept


def test_every_prompt_is_asked_once_and_a_successor_is_held_against_it(version, provider, stub: Stub):
    other = ("new", "Question 3?")
    stub.answer = lambda model, messages: "Other." if (model, messages[-1]["content"]) == other else "Same."
    assert escrow.estimate(version, provider, "old").count == 16
    old = ask_all(escrow.start(version, provider, "old"))
    assert (old.status, old.done_count, EscrowAnswer.objects.count()) == ("succeeded", 16, 16)
    assert escrow.estimate(version, provider, "old").count == 0
    ask_all(escrow.start(version, provider, "old"))
    assert stub.count("POST /chat/completions") == 16
    new = ask_all(escrow.start(version, provider, "new"))
    found = escrow.likeness(old, new)
    assert (found.same, found.total, found.percent) == (15, 16, 94)
    assert [(kept, answer) for _, kept, answer in found.others] == [("Same.", "Other.")]


def test_a_busy_provider_is_waited_for_and_nothing_is_asked_twice(version, provider, stub: Stub):
    stub.refuse["POST /chat/completions"] = [refusal(429, "rate_limit_exceeded"), refusal(500)]
    kept = escrow.start(version, provider, "old")
    step(kept)
    assert (kept.is_finished, EscrowAnswer.objects.count()) == (False, 14)
    ask_all(kept)
    assert (kept.status, EscrowAnswer.objects.count(), stub.count("POST /chat/completions")) == ("succeeded", 16, 18)


def test_a_model_that_is_gone_already_is_said(version, provider, stub: Stub):
    stub.answer = lambda model, messages: refusal(404, "model_not_found")
    kept = step(escrow.start(version, provider, "gone"))
    assert kept.status == "failed"
    assert not EscrowAnswer.objects.exists()


def test_the_page_counts_before_it_asks(version, provider, person, browser_of, stub: Stub):
    olga = browser_of(person("olga", Role.OPERATOR))
    wanted = {"version": "1", "provider": provider.pk, "model": "old"}
    page = olga.get(reverse("escrow", args=["support"]), wanted).text
    assert "16 prompts to ask" in page
    assert not Escrow.objects.exists()
    start = reverse("escrow_start", args=["support"])
    assert "The answers of old are being kept." in olga.post(start, wanted, follow=True).text
    assert "being kept already" in olga.post(start, wanted, follow=True).text
    old = ask_all(Escrow.objects.get())
    new = ask_all(escrow.start(version, provider, "new"))
    page = olga.get(reverse("escrow_show", args=["support", old.pk]), {"against": new.pk}).text
    assert "on 16 of 16 prompts" in page
    assert "Choose a version" in olga.post(start, {"version": "9"}, follow=True).text


@pytest.mark.parametrize(
    ("method", "name", "least"),
    [
        ("get", "escrow", Role.VIEWER),
        ("get", "escrow_show", Role.VIEWER),
        ("post", "escrow_start", Role.OPERATOR),
        ("post", "escrow_stop", Role.OPERATOR),
    ],
)
def test_who_may(person, browser_of, version, provider, method, name, least):
    kept = escrow.start(version, provider, "old")
    url = reverse(name, args=["support", kept.pk] if name in ("escrow_show", "escrow_stop") else ["support"])
    assert getattr(browser_of(person("right", least)), method)(url).status_code in (200, 302)
    if least > Role.VIEWER:
        assert getattr(browser_of(person("below", Role.REVIEWER)), method)(url).status_code == 403
    assert getattr(browser_of(person("stranger")), method)(url).status_code == 404
    assert getattr(browser_of(None), method)(url).url.startswith("/login/")
