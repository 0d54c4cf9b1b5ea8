"""What an administrator may do from the lists, and what the forms accept."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from curation.models import ApiKey, ModelAlias, Provider, User
from curation.projects import create_project


def act(page, row, action: str) -> str:
    """Choose one row of its list and run an action; the words the page answers with."""
    listed = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_changelist")
    answer = page.post(listed, {"action": action, "_selected_action": [row.pk]}, follow=True)
    row.refresh_from_db()
    return " ".join(str(message) for message in answer.context["messages"])


def test_a_key_is_revoked_at_once_and_for_good(page, rows):
    assert act(page, rows.key, "revoke").startswith("1 revoked")
    first = rows.key.revoked_at
    assert not ApiKey.objects.live().exists()
    assert act(page, rows.key, "revoke").startswith("0 revoked")
    assert rows.key.revoked_at == first


def test_a_project_goes_into_the_archive_and_comes_back(page, rows):
    act(page, rows.project, "archive")
    assert rows.project.archived_at
    assert not ApiKey.objects.live().exists()
    act(page, rows.project, "bring_back")
    assert rows.project.archived_at is None


def test_a_held_slot_is_released(page, rows):
    assert act(page, rows.slot, "release") == "1 released."
    assert (rows.slot.reviewer, rows.slot.claim_token, rows.slot.claimed_until) == (None, None, None)


def test_jobs_are_hurried_and_cancelled_through_their_rows(page, rows):
    later = timezone.now() + timezone.timedelta(hours=1)
    for job in (rows.export, rows.finetune, rows.evaluation, rows.run):
        type(job).objects.filter(pk=job.pk).update(next_attempt_at=later)
        act(page, job, "hurry")
        assert type(job).objects.due().filter(pk=job.pk).exists()
        act(page, job, "cancel")
        assert job.cancel_requested_at


def test_a_finished_job_is_left_alone(page, rows):
    type(rows.export).objects.update(status="succeeded", next_attempt_at=timezone.now())
    rows.export.refresh_from_db()
    before = rows.export.next_attempt_at
    act(page, rows.export, "hurry")
    act(page, rows.export, "cancel")
    assert (rows.export.next_attempt_at, rows.export.cancel_requested_at) == (before, None)


def test_a_job_that_waits_for_a_decision_is_not_hurried_past_it(page, rows):
    for job in (rows.generation, rows.finetune):
        type(job).objects.filter(pk=job.pk).update(next_attempt_at=None)
        assert act(page, job, "hurry").startswith("0 due now")
        assert job.next_attempt_at is None


def test_policies_are_enabled_and_paused(page, rows):
    act(page, rows.policy, "enable")
    assert rows.policy.is_enabled
    act(page, rows.policy, "pause")
    assert not rows.policy.is_enabled


def test_who_may_only_look_cannot_act(rows, browser_of):
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    looking = browser_of(clerk)
    for row, action in ((rows.slot, "release"), (rows.export, "cancel"), (rows.key, "revoke")):
        before = type(row).objects.filter(pk=row.pk).values().get()
        act(looking, row, action)
        assert type(row).objects.filter(pk=row.pk).values().get() == before


@pytest.fixture
def provider_form(rows) -> dict[str, object]:
    return {
        "project": rows.project.pk, "name": "Service", "kind": "openai-compatible", "base_model": "m",
        "base_url": "https://host/v1",
    }  # fmt: skip


def test_a_providers_key_is_sealed_kept_and_forgotten_but_never_shown(page, provider_form):
    page.post(reverse("admin:curation_provider_add"), provider_form | {"new_key": "sk-very-secret "})
    provider = Provider.objects.get(name="Service")
    assert provider.open_key() == "sk-very-secret"
    assert b"secret" not in bytes(provider.sealed_key)
    change = reverse("admin:curation_provider_change", args=[provider.pk])
    sealed = bytes(provider.sealed_key).decode()
    assert not any(text in page.get(change).text for text in ("sk-very-secret", sealed))
    page.post(change, provider_form | {"base_model": "n"})
    provider.refresh_from_db()
    assert (provider.base_model, provider.open_key()) == ("n", "sk-very-secret")
    page.post(change, provider_form | {"forget_key": "on"})
    provider.refresh_from_db()
    assert provider.open_key() == ""


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"base_url": ""}, "An OpenAI-compatible service needs its address."),
        ({"base_url": "ftp://host/v1"}, "Give the address that ends in /v1"),
        ({"new_key": "a", "forget_key": "on"}, "Either enter a key or forget it."),
    ],
)
def test_a_provider_that_cannot_work_is_refused_in_words(page, provider_form, change, complaint):
    answer = page.post(reverse("admin:curation_provider_add"), provider_form | change)
    assert complaint in answer.text
    assert not Provider.objects.filter(name="Service").exists()


def test_an_alias_is_not_moved_behind_the_registrys_back(page, rows):
    change = reverse("admin:curation_modelalias_change", args=[rows.alias.pk])
    page.post(change, {"name": "renamed", "model": "other", "provider": rows.provider.pk, "project": rows.project.pk})
    rows.alias.refresh_from_db()
    assert (rows.alias.name, rows.alias.model) == ("renamed", "baseline")


def test_a_new_alias_takes_no_provider_of_another_project(page, rows):
    other = create_project("airport").default_provider
    form = {"project": rows.project.pk, "name": "fast", "provider": other.pk, "model": "m"}
    answer = page.post(reverse("admin:curation_modelalias_add"), form)
    assert "This provider belongs to another project (airport)." in answer.text
    assert not ModelAlias.objects.filter(name="fast").exists()


def test_a_project_is_offered_its_own_providers_only(page, rows):
    other = create_project("airport")
    shown = page.get(reverse("admin:curation_project_change", args=[rows.project.pk]))
    offered = shown.context["adminform"].form.fields["default_provider"].queryset
    assert list(offered) == [rows.provider]
    assert other.default_provider not in offered
