"""The day on which a model's base goes is read again and again, and the page of models counts down to it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from curation.egress import Reach
from curation.models import Membership, Provider
from jobs import notices, retirement
from jobs.models import ModelVersion, Notice
from jobs.providers.openai import Service
from jobs.tasks import look_at_retirements
from tests.provider_stub import Stub, refusal

pytestmark = pytest.mark.django_db
Role = Membership.Role
ASKED = "GET /models/base"


@pytest.fixture
def model(make_model, version) -> ModelVersion:
    return make_model("ft:1", version)


def test_each_base_is_asked_for_once_and_its_models_get_the_day(model, make_model, version, stub: Stub):
    make_model("ft:2", version)
    look_at_retirements()
    assert set(map(str, ModelVersion.objects.values_list("retires_on", flat=True))) == {"2031-05-06"}
    assert stub.count(ASKED) == 1
    assert retirement.look() == 0


def test_a_provider_that_does_not_say_changes_nothing(model, stub: Stub):
    retirement.look()
    stub.refuse[ASKED] = [refusal(500), refusal(404)]
    assert (retirement.look(), retirement.look()) == (0, 0)
    model.refresh_from_db()
    assert str(model.retires_on) == "2031-05-06"


@pytest.mark.parametrize(
    ("base_model", "day"), [("gpt-4.1-mini-2025-04-14", "2027-01-14"), ("nobody-knows-this", "None")]
)
def test_the_profile_says_it_where_the_provider_does_not(stub: Stub, base_model, day):
    stub.refuse[f"GET /models/{base_model}"] = [refusal(404)]
    openai = Provider(base_url="https://api.openai.com/v1", base_model=base_model)
    with Service(stub.url, "sk-canary-4711", Reach.of(["127.0.0.0/8"])) as service:
        assert str(retirement.day_of(openai, base_model, service)) == day
    assert stub.count(f"GET /models/{base_model}") == 1


def test_a_key_that_cannot_be_read_does_not_stop_the_others(model, provider):
    type(provider).objects.update(sealed_key=b"nonsense")
    assert retirement.look() == 0


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (41, "its base goes in 41 days,"),
        (1, "its base goes in 1 day,"),
        (0, "its base goes today,"),
        (-3, "is gone since"),
    ],
)
def test_the_page_counts_down_and_leads_to_training_the_version_elsewhere(person, browser_of, model, days, words):
    ModelVersion.objects.update(retires_on=timezone.now().date() + timedelta(days=days))
    page = browser_of(person("olga", Role.OPERATOR)).get("/projects/support/registry/").content.decode()
    assert words in page
    assert 'href="/projects/support/finetunes/new/?version=1"' in page
    assert (
        "elsewhere" not in browser_of(person("vera", Role.VIEWER)).get("/projects/support/registry/").content.decode()
    )


def test_another_provider_of_the_project_is_proposed(person, browser_of, model, project):
    other = project.providers.create(name="other", base_url="https://example.com/v1")
    ModelVersion.objects.update(retires_on=timezone.now().date())
    olga = browser_of(person("olga", Role.OPERATOR))
    page = olga.get("/projects/support/registry/").content.decode()
    address = f"/projects/support/finetunes/new/?version=1&amp;provider={other.pk}"
    assert address in page
    form = olga.get(address.replace("&amp;", "&")).content.decode()
    assert f'<option value="{other.pk}" selected>' in form


def test_a_base_that_nothing_was_tuned_on_is_watched_too(project, provider, stub: Stub, person, browser_of):
    project.aliases.update(model="another")
    assert retirement.look() == 0
    assert {(each.model, str(each.day)) for each in provider.retirements.all()} == {
        ("base", "2031-05-06"),
        ("another", "2031-05-06"),
    }
    provider.retirements.filter(model="another").update(day=timezone.now().date() + timedelta(days=8))
    page = browser_of(person("vera", Role.VIEWER)).get("/projects/support/registry/").content.decode()
    assert "goes in 8 days," in page
    assert "6 May 2031" in page


def test_the_end_of_a_base_is_told_once_for_each_warning(project, provider):
    policy = notices.policy_of(project)
    policy.emails, policy.kinds = ["olga@example.org"], [Notice.Kind.RETIRING]
    policy.save()
    today = timezone.now()
    provider.retirements.create(model="base", day=today.date() + timedelta(days=31))
    told = [notices.gather(today + timedelta(days=days)) for days in (0, 0, 1, 2, 24, 25)]
    assert told == [1, 0, 1, 0, 1, 0]
    assert "base at Local trainer retires on" in Notice.objects.latest("pk").words
