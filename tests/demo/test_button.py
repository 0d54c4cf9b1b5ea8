"""The button on the empty first page."""

import pytest
from django.urls import reverse

from curation.models import Membership, Project
from jobs.demo import SLUGS
from jobs.tasks import load_demo

pytestmark = pytest.mark.django_db


def press(browser) -> str:
    answer = browser.post(reverse("demo_load"), follow=True)
    assert answer.redirect_chain[0] == (reverse("home"), 302)
    return " ".join(str(message) for message in answer.context["messages"])


def test_it_has_a_worker_load_the_demo_for_who_pressed_it(
    trainer, person, browser_of, django_capture_on_commit_callbacks
):
    ana = person("ana")
    with django_capture_on_commit_callbacks() as asked:
        assert "being made" in press(browser_of(ana))
    assert len(asked) == 1
    assert not Project.objects.filter(slug="airport").exists()


def test_it_says_so_when_the_trainer_does_not_answer(settings, person, browser_of, django_capture_on_commit_callbacks):
    settings.TRAINER_URL = "http://127.0.0.1:9/v1"
    with django_capture_on_commit_callbacks() as asked:
        assert "./run" in press(browser_of(person("ana")))
    assert asked == []


def test_the_worker_gives_the_projects_to_that_person(trainer, person):
    ana = person("ana")
    load_demo(ana.pk)
    owned = Membership.objects.filter(user=ana, role=Membership.Role.OWNER)
    assert set(owned.values_list("project__slug", flat=True)) == set(SLUGS)


def test_a_visitor_is_sent_to_log_in(browser_of):
    answer = browser_of(None).post(reverse("demo_load"))
    assert answer.url.startswith(reverse("login"))
