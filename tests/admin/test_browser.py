"""The admin in a real browser: the content security policy of all pages must not break it."""

import pytest
from django.contrib import admin
from django.urls import reverse

from curation.models import User
from tests.browser import chromium  # noqa: F401  (a fixture)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def ready(transactional_db, rows, live_server) -> str:
    """The server's address, with rows of every kind and an administrator who has a password."""
    User.objects.create_superuser("root", password="long enough to pass")
    return live_server.url


@pytest.fixture
def addresses(rows) -> list[str]:
    """The list and one row's page of every model."""
    found = []
    for model in admin.site._registry:
        if model._meta.app_label in ("curation", "jobs"):
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
            found.append(reverse(f"{name}_changelist"))
            if row := model._base_manager.first():  # a recorder takes what is due for the search
                found.append(reverse(f"{name}_change", args=[row.pk]))
    return found


def test_every_page_runs_under_the_policy_and_its_pickers_work(ready, addresses, chromium):  # noqa: F811
    page = chromium.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(f"{page.url}: {error}"))
    page.on(
        "console", lambda said: "Content Security Policy" in said.text and broken.append(f"{page.url}: {said.text}")
    )
    page.goto(f"{ready}/admin/login/")
    page.fill("[name=username]", "root")
    page.fill("[name=password]", "long enough to pass")
    page.click("[type=submit]")
    for address in addresses:
        answer = page.goto(ready + address)
        assert answer.status == 200
        assert "script-src 'self'" in answer.headers["content-security-policy"]
    page.goto(f"{ready}/admin/curation/membership/add/")
    page.click("#id_project + .select2")
    page.click(".select2-results__option >> text=support")
    assert page.locator("#id_project option:checked").text_content() == "support"
    assert broken == []
