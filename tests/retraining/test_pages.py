"""The page of retraining."""

import pytest
from django.urls import reverse

from curation.datasets import freeze
from curation.models import Membership
from jobs import finetunes
from jobs.models import RetrainingPolicy, RetrainingRun
from tests.machines import drive
from tests.provider_stub import Stub

pytestmark = pytest.mark.django_db
Role = Membership.Role
URL = "/projects/support/retraining/"
RULE = {"is_enabled": "on", "schedule": "", "time_zone": "UTC", "minimum_hours": "24", "when_better": "promote"}


def test_an_owner_sets_the_rule_and_is_told_what_it_means(person, browser_of, version, provider):
    browser = browser_of(person("otto", Role.OWNER))
    sent = RULE | {"minimum_new_count": "20"}
    page = browser.post(reverse("retraining_save", args=["support"]), sent, follow=True).content.decode()
    assert "Saved. Not today: 0 of 20 new rows." in page
    policy = RetrainingPolicy.objects.get()
    assert (policy.is_enabled, policy.minimum_new_count, policy.when_better) == (True, 20, "promote")


@pytest.mark.parametrize("count", ["0", "-1", "", "many", "99999999999"])
def test_a_rule_that_makes_no_sense_is_refused(person, browser_of, version, count):
    browser = browser_of(person("otto", Role.OWNER))
    sent = RULE | {"minimum_new_count": count}
    answer = browser.post(reverse("retraining_save", args=["support"]), sent)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()
    assert not RetrainingPolicy.objects.get().is_enabled


def test_an_operator_starts_a_round_once(person, browser_of, version, provider, stub: Stub):
    browser = browser_of(person("olga", Role.OPERATOR))
    start = reverse("retraining_start", args=["support"])
    browser.post(start)
    assert "is under way already" in browser.post(start, follow=True).content.decode()
    run = RetrainingRun.objects.get()
    assert run.created_by.username == "olga"
    page = browser.get(URL).content.decode()
    assert 'hx-trigger="every 2s"' in page
    assert "Start now" not in page
    assert "HX-Refresh" not in browser.get(URL, headers={"HX-Request": "true"})
    drive(run)
    answer = browser.get(URL, headers={"HX-Request": "true"})
    assert answer["HX-Refresh"] == "true"
    fragment = answer.content.decode()
    assert "Tuned answers" in fragment
    assert "hx-trigger" not in fragment
    assert f"evaluation {run.evaluation_id}" in fragment


def test_whoever_starts_with_nothing_new_is_told_before(person, browser_of, project, version, provider):
    drive(finetunes.launch(freeze(project).version, provider))
    page = browser_of(person("olga", Role.OPERATOR)).get(URL).content.decode()
    assert "Nothing is new since v1" in page
    assert "Train v1 once more" in page


def test_a_round_is_cancelled_by_button(person, browser_of, version, provider):
    browser = browser_of(person("olga", Role.OPERATOR))
    browser.post(reverse("retraining_start", args=["support"]))
    run = RetrainingRun.objects.get()
    browser.post(reverse("retraining_cancel", args=["support", run.pk]))
    assert drive(run).status == "cancelled"


@pytest.mark.parametrize(
    ("method", "name", "least", "below"),
    [
        ("get", "retraining", Role.VIEWER, None),
        ("get", "retraining_dry_run", Role.VIEWER, None),
        ("post", "retraining_pause", Role.OPERATOR, Role.REVIEWER),
        ("post", "retraining_start", Role.OPERATOR, Role.REVIEWER),
        ("post", "retraining_save", Role.OWNER, Role.OPERATOR),
        ("post", "retraining_cancel", Role.OPERATOR, Role.REVIEWER),
    ],
)
def test_who_may(person, browser_of, project, method, name, least, below):
    policy = RetrainingPolicy.objects.create(project=project)
    run = RetrainingRun.objects.create(policy=policy, trigger="person", status="succeeded")
    url = reverse(name, args=["support", run.pk] if name == "retraining_cancel" else ["support"])
    assert getattr(browser_of(person("right", least)), method)(url).status_code in (200, 302, 422)
    if below:
        assert getattr(browser_of(person("below", below)), method)(url).status_code == 403
    assert getattr(browser_of(person("stranger")), method)(url).status_code == 404
    assert getattr(browser_of(None), method)(url).url.startswith("/login/")
