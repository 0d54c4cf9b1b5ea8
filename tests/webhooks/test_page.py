"""An owner has a provider send its messages here, or enters the secret of a webhook made there."""

import pytest
from django.urls import reverse

from curation.permissions import Role
from jobs.models import WebhookEndpoint
from tests.provider_stub import Stub

pytestmark = pytest.mark.django_db


def test_a_provider_that_can_makes_the_webhook_itself(person, browser_of, provider, stub: Stub):
    browser = browser_of(person("olga", Role.OWNER))
    page = browser.get(reverse("webhook_of", args=["support", provider.pk])).content.decode()
    endpoint = WebhookEndpoint.objects.get()
    assert f"http://testserver/webhooks/{endpoint.token}/" in page
    assert "not set up" in page
    for number in (1, 2):
        browser.post(reverse("webhook_register", args=["support", provider.pk]))
        [made] = stub.webhooks.values()
        assert (made["id"], made["url"]) == (f"we_{number}", f"http://testserver/webhooks/{endpoint.token}/")
    endpoint.refresh_from_db()
    assert endpoint.open_secrets() == [f"whsec_c2VjcmV0IG9mIG51bWJlcg{number}=" for number in (2, 1)]
    page = browser.get(reverse("webhook_of", args=["support", provider.pk])).content.decode()
    assert "taken when signed" in page
    assert "whsec_c2V" not in page


def test_a_provider_that_cannot_be_asked_says_so(person, browser_of, provider, stub: Stub):
    stub.webhooks = None
    browser = browser_of(person("olga", Role.OWNER))
    page = browser.post(reverse("webhook_register", args=["support", provider.pk]), follow=True).content.decode()
    assert "Make the webhook in your account there and enter its secret here" in page


def test_a_secret_is_entered_by_hand(person, browser_of, provider):
    browser = browser_of(person("olga", Role.OWNER))
    url = reverse("webhook_secret", args=["support", provider.pk])
    assert browser.post(url, {"secret": "whsec_not base64 at all"}).status_code == 422
    assert browser.post(url, {"secret": "short"}).status_code == 422
    assert browser.post(url, {"secret": "whsec_c2VjcmV0IG9mIG51bWJlcg=="}).status_code == 302
    assert WebhookEndpoint.objects.get().open_secrets() == ["whsec_c2VjcmV0IG9mIG51bWJlcg=="]


@pytest.mark.parametrize("name", ["webhook_of", "webhook_secret", "webhook_register"])
def test_who_may(person, browser_of, provider, name):
    url = reverse(name, args=["support", provider.pk])
    ask = "get" if name == "webhook_of" else "post"
    assert getattr(browser_of(person("right", Role.OWNER)), ask)(url).status_code in (200, 302, 422)
    assert getattr(browser_of(person("below", Role.OPERATOR)), ask)(url).status_code == 403
    assert getattr(browser_of(person("stranger")), ask)(url).status_code == 404
    answer = getattr(browser_of(None), ask)(url)
    assert (answer.status_code, answer.url.split("?")[0]) == (302, "/login/")


def test_another_projects_provider_is_not_found(person, browser_of, provider):
    from curation.projects import create_project

    olga = person("olga", Role.OWNER)
    other = create_project("other", owner=olga)
    assert browser_of(olga).get(reverse("webhook_of", args=[other.slug, provider.pk])).status_code == 404
