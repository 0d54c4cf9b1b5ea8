"""What the owner of a project sets, and what is seen of it."""

import uuid

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from curation.models import ApiKey, Feedback
from curation.permissions import Role
from curation.recording import record
from tests.gateway.calls import make_call

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(person, browser_of):
    return browser_of(person("olga", Role.OWNER))


def test_an_owner_says_what_is_masked(project, owner):
    page = owner.get(reverse("project_settings", args=[project.slug])).content.decode()
    assert 'name="redacts_secrets" id="id_redacts_secrets" checked' in page
    assert 'name="redacts_emails" id="id_redacts_emails">' in page
    assert owner.post(reverse("masking", args=[project.slug]), {"redacts_emails": "on"}).status_code == 302
    project.refresh_from_db()
    assert [project.redacts_secrets, project.redacts_cards, project.redacts_emails, project.redacts_phones] == [
        *[False, False, True, False]
    ]


def test_saving_the_other_settings_leaves_the_masks_on(project, owner):
    values = {
        "name": "Other",
        "answer_format": "text",
        "test_share": 20,
        "default_provider": project.default_provider_id,
    }
    assert owner.post(reverse("project_settings", args=[project.slug]), values).status_code == 302
    project.refresh_from_db()
    assert (project.name, project.redacts_secrets, project.redacts_cards) == ("Other", True, True)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.VIEWER, None])
def test_nobody_else_says_what_is_masked(project, person, browser_of, role):
    answer = browser_of(person("ben", role)).post(reverse("masking", args=[project.slug]), {})
    assert answer.status_code == (404 if role is None else 403)
    assert browser_of(None).post(reverse("masking", args=[project.slug]), {}).url.startswith("/login/")
    project.refresh_from_db()
    assert project.redacts_secrets


def test_a_key_is_made_for_what_it_is_needed_for(project, owner):
    address = reverse("key_new", args=[project.slug])
    page = owner.post(address, {"name": "shop", "scopes": ["feedback"], "requests_per_minute": "60"})
    key = page.context["key"]
    row = ApiKey.objects.get(digest=ApiKey.digest_of(key))
    assert (row.name, row.scopes, row.requests_per_minute) == ("shop", ["feedback"], 60)
    assert "good for feedback, 60 requests a minute" in page.content.decode()
    for wrong in (
        {"name": "x"},
        {"name": "x", "scopes": ["all"]},
        {"name": "x", "scopes": ["read"], "requests_per_minute": 0},
    ):
        assert owner.post(address, wrong).status_code == 422
    assert ApiKey.objects.count() == 1


def test_a_key_made_by_command_may_be_narrow(project, capsys):
    call_command("create_api_key", "support", "--scope", "capture", "--scope", "read", "--per-minute", "30")
    row = ApiKey.objects.get(digest=ApiKey.digest_of(capsys.readouterr().out.split()[-1]))
    assert (row.scopes, row.requests_per_minute) == (["capture", "read"], 30)
    call_command("create_api_key", "support")
    row = ApiKey.objects.get(digest=ApiKey.digest_of(capsys.readouterr().out.split()[-1]))
    assert (row.scopes, row.requests_per_minute) == (["capture", "feedback", "read"], None)
    with pytest.raises(CommandError, match="--per-minute"):
        call_command("create_api_key", "support", "--per-minute", "0")


def test_the_page_of_a_call_shows_what_was_masked_and_said(project, person, browser_of):
    call = make_call(project, "Card 4111 1111 1111 1111", own_id="order <17>", tags=["web", "beta"])
    record([call])
    named = {"project": project, "said_at": timezone.now()}
    Feedback.objects.create(id=uuid.uuid4(), call_id=call.id, thumb=-1, comment="<b>no</b>", **named)
    Feedback.objects.create(id=uuid.uuid4(), own_id="order <17>", demonstration="Downstairs.", **named)
    Feedback.objects.create(id=uuid.uuid4(), own_id="order 18", comment="of another", **named)
    client = browser_of(person("vic", Role.VIEWER))
    page = client.get(reverse("call", args=[project.slug, call.id])).content.decode()
    for text in ("order &lt;17&gt;", "web", "beta", "1 secret, before", "&lt;b&gt;no&lt;/b&gt;", "Down", "Downstairs."):
        assert text in page
    assert "4111" not in page
    assert "of another" not in page
