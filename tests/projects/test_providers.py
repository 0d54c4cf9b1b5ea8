"""What is known of a service, what a person types of its prices, and what training may cost a project."""

from datetime import date
from decimal import Decimal

import pytest
from django.urls import reverse

from curation import profiles
from curation.models import Membership, Provider
from curation.prices import price_for

pytestmark = pytest.mark.django_db
Role = Membership.Role


@pytest.fixture
def owner(person, browser_of):
    return browser_of(person("olga", Role.OWNER))


@pytest.fixture
def hosted(project) -> Provider:
    return Provider.objects.create(
        project=project, name="Hosted", base_url="https://api.openai.com/v1", base_model="gpt-4.1-mini-2025-04-14"
    )


def test_every_profile_says_when_and_where_it_was_read():
    for profile in profiles.profiles().values():
        assert profile.read_on >= date(2026, 11, 1)
        assert profile.source
        assert profile.remark
        assert set(profile.pauses) <= {"supervised", "dpo", "reinforcement"}
        for model in profile.models:
            assert set(model.methods) <= set(profile.methods), (profile.key, model.pattern)
            # A model that can be tuned is found by a name that its pattern fits.
            assert profile.model(model.pattern.replace("*", "-2026-01-01")) is not None


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://api.openai.com/v1", "OpenAI"),
        ("https://contoso.OpenAI.azure.com/openai/v1/", "Microsoft Foundry"),
        ("https://api.tokenfactory.nebius.com/v1", "Nebius Token Factory"),
        ("https://bedrock-mantle.eu-west-1.api.aws/v1", "AWS Bedrock Mantle"),
        ("https://api.openai.com.evil.test/v1", "Another service"),
        ("http://box:9/v1", "Another service"),
    ],
)
def test_a_service_is_told_by_its_address(project, address, name):
    assert Provider(project=project, base_url=address).profile.name == name


def test_a_provider_may_be_said_to_be_of_a_kind(project):
    assert Provider(project=project, base_url="https://proxy.test/v1", profile_key="openai").profile.name == "OpenAI"
    # Somebody took the file away.
    assert Provider(project=project, base_url="https://p.test/v1", profile_key="gone").profile.key == "generic"
    assert project.default_provider.profile.key == "local-trainer"


def test_a_tuned_model_costs_and_ends_with_its_base(hosted):
    tuned = "ft:gpt-4.1-mini-2025-04-14:acme::abc"
    assert price_for(hosted, tuned).answering(1_000_000, 1_000_000) == pytest.approx(4.0)
    assert hosted.profile.ends_on(tuned) == date(2027, 1, 14)


def test_a_provider_page_shows_what_is_known(owner, project, hosted):
    page = owner.get(reverse("provider", args=[project.slug, hosted.pk])).content.decode()
    assert "no new fine-tunes from 6 January 2027" in page
    assert "14 Jan 2027" in page
    assert "read 21 November 2026" in page
    form = {"name": "Hosted", "kind": "openai-compatible", "base_url": "https://proxy.test/v1", "base_model": "m"}
    address = reverse("provider", args=[project.slug, hosted.pk])
    assert owner.post(address, form | {"profile_key": "nebius"}).status_code == 302
    assert "What is known of it: Nebius" in owner.get(address).content.decode()
    assert owner.post(address, form | {"profile_key": "local-trainer"}).status_code == 422


def test_a_typed_price_goes_before_the_list_and_can_be_forgotten(owner, project, hosted):
    address = reverse("provider_price", args=[project.slug, hosted.pk])
    owner.post(address, {"model": hosted.base_model, "train": "4.25"})
    price = price_for(hosted, hosted.base_model)
    assert (price.train, price.input, price.source) == (4.25, 0.8, "typed by olga")
    assert "4.25" in owner.get(reverse("provider", args=[project.slug, hosted.pk])).content.decode()
    owner.post(address, {"model": hosted.base_model})
    assert price_for(hosted, hosted.base_model).train == 5.0


@pytest.mark.parametrize("wrong", ["-1", "1e308", "NaN", "1,5", "Infinity"])
def test_a_sum_of_money_is_a_decimal_within_limits(owner, project, hosted, wrong):
    prices = reverse("provider_price", args=[project.slug, hosted.pk])
    assert owner.post(prices, {"model": "m", "train": wrong}).status_code == 422
    answer = owner.post(reverse("spending", args=[project.slug]), {"monthly_budget": wrong})
    assert answer.status_code == 422
    project.refresh_from_db()
    assert project.monthly_budget is None


def test_an_owner_sets_what_training_may_cost(owner, project):
    owner.post(reverse("spending", args=[project.slug]), {"monthly_budget": "25.50", "launches_need_approval": "on"})
    project.refresh_from_db()
    assert (project.monthly_budget, project.launches_need_approval) == (Decimal("25.50"), True)


@pytest.mark.parametrize("page", ["spending", "provider_price"])
def test_only_an_owner_may(project, person, browser_of, hosted, page):
    address = reverse(page, args=[project.slug, *([hosted.pk] if page == "provider_price" else [])])
    assert browser_of(person("oskar", Role.OPERATOR)).post(address).status_code == 403
    assert browser_of(person("stranger")).post(address).status_code == 404
    assert browser_of(None).post(address).url.startswith("/login/")
