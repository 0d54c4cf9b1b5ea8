"""The what-if page: begins with what was measured, computes without JavaScript, keeps forecasts, tells what came."""

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from curation.models import LoggedCall, Membership, Review
from curation.prices import keep_price
from jobs import payback, registry
from jobs.models import PaybackForecast
from tests.machines import passed

pytestmark = pytest.mark.django_db
Role = Membership.Role
URL = reverse("payback", args=["support"])
SUM = {
    "calls_per_day": "100000", "long_tokens": "139", "short_tokens": "100", "completion_tokens": "0",
    "input_before": "10", "output_before": "0", "input_after": "10", "output_after": "0", "training": "39",
    "reviewer_minutes": "60", "hourly": "39",
}  # fmt: skip


def call(project, model: str, prompt: int, completion: int, days_ago: float) -> None:
    LoggedCall.objects.create(
        id=uuid.uuid4(), project=project, source="gateway", outcome="completed", endpoint="/v1/chat/completions",
        requested_model="support", served_model=model, request_body="{}", prompt_tokens=prompt,
        completion_tokens=completion, started_at=timezone.now() - timedelta(days=days_ago),
    )  # fmt: skip


def test_the_form_begins_with_what_was_measured(project, provider, person, browser_of):
    keep_price(provider, "base", None, input=Decimal("0.8"), output=Decimal(3))
    for number in range(40):
        call(project, "base", 500, 20, 10 - number / 10)
    row = project.exchanges.create(
        user_prompt="?", messages=[], split="train", first_seen_at=timezone.now(), last_seen_at=timezone.now()
    )
    for seconds in (90, 90_000):
        Review.objects.create(
            project=project, exchange=row, reviewer=person(f"ana{seconds}"), verb="later", state_before="pending",
            state_after="later", origin_before="captured", origin_after="captured", version_after=2,
            seconds_open=seconds,
        )  # fmt: skip
    found = payback.measured(project)
    assert found.calls_per_day == pytest.approx(4, rel=0.01)
    assert (found.long_tokens, found.completion_tokens, found.after.input) == (500, 20, 0.8)
    assert found.reviewer_minutes == pytest.approx(11.5)
    page = browser_of(person("vera", Role.VIEWER)).get(URL).text
    assert 'value="500' in page
    assert 'value="11.5"' in page
    assert "Keep as forecast" not in page


def test_a_sum_is_computed_kept_and_never_rewritten(person, browser_of, provider):
    olga = browser_of(person("olga", Role.OPERATOR))
    page = olga.get(URL, SUM).text
    assert "Saves <b>$39.00</b> a day, <b>$14,235</b> a year" in page
    assert "is paid back in 2 days" in page
    assert "does not add up" in page
    fragment = olga.get(URL, SUM, headers={"HX-Request": "true"}).text
    assert fragment.strip().startswith('<div id="sum"')
    assert "Kept as forecast" in olga.post(reverse("payback_keep", args=["support"]), SUM, follow=True).text
    kept = PaybackForecast.objects.get()
    assert (kept.saving_per_day, kept.outlay) == (pytest.approx(39), pytest.approx(78))
    with pytest.raises(IntegrityError), transaction.atomic():
        PaybackForecast.objects.update(outlay=1)


@pytest.mark.parametrize("wrong", ["-1", "nan", "inf", "1e308", "1,5", "", "ten"])
def test_nonsense_is_refused(person, browser_of, provider, wrong):
    olga = browser_of(person("olga", Role.OPERATOR))
    answer = olga.get(URL, SUM | {"long_tokens": wrong})
    assert answer.status_code == 422
    assert "has to be a number" in answer.text
    olga.post(reverse("payback_keep", args=["support"]), SUM | {"long_tokens": wrong})
    assert not PaybackForecast.objects.exists()


def test_after_a_promotion_the_calls_say_what_was_saved(project, provider, version, make_model, person, browser_of):
    for _ in range(5):
        call(project, "base", 1000, 50, 3)
    registry.promote(passed(make_model("ft:1", version)))
    for _ in range(10):
        call(project, "ft:1", 100, 50, -0.001)
    page = browser_of(person("olga", Role.OPERATOR)).get(URL, SUM).text
    assert "10 calls to “support” saved $0.09 so far" in page
    assert "A prompt had 1,000 tokens" in page


@pytest.mark.parametrize(
    ("method", "name", "least"), [("get", "payback", Role.VIEWER), ("post", "payback_keep", Role.OPERATOR)]
)
def test_who_may(person, browser_of, provider, method, name, least):
    url = reverse(name, args=["support"])
    assert getattr(browser_of(person("right", least)), method)(url).status_code in (200, 302)
    if least > Role.VIEWER:
        assert getattr(browser_of(person("below", Role.REVIEWER)), method)(url).status_code == 403
    assert getattr(browser_of(person("stranger")), method)(url).status_code == 404
    assert getattr(browser_of(None), method)(url).url.startswith("/login/")
