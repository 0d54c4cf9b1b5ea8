"""What several browser tests start from: a person at the queue."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import Page

from curation.models import Project, User
from tests.browser import chromium, page
from tests.reviewing import ana, ben, give, json_project, ticket

__all__ = ["ana", "ben", "chromium", "give", "json_project", "page", "ticket"]


@pytest.fixture
def reviewing(page: Page, live_server, project: Project, ana: User):
    """Logs in through the page and opens the queue."""

    def begin(where: Project = project) -> Page:
        queue = live_server.url + reverse("review", args=[where.slug])
        page.goto(queue)
        page.get_by_label("Username").fill("ana")
        page.get_by_label("Password").fill("long enough to pass")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r"/review/\d+/$"))
        return page

    return begin
