"""A provider's moderation looks at what is included before anybody pays; what it flags is a finding like any other."""

import pytest
from django.urls import reverse

from curation.datasets import Blocked, check_row, check_version, freeze
from curation.models import Exchange, Membership, Moderation
from jobs.models import ModerationRun
from jobs.moderating import request_moderation
from tests.machines import drive, step
from tests.provider_stub import refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows(project, include, provider, stub):
    stub.flagged = "hateful"
    for number in range(12):
        include(f"Question {number}?", "Something hateful." if number == 7 else f"Answer {number}.")
    return list(Exchange.objects.order_by("pk"))


def test_what_is_flagged_stands_in_the_way_until_it_is_mended(project, rows, provider, stub):
    run = drive(request_moderation(project, provider))
    assert (run.status, run.asked_count, run.flagged_count, run.done_count) == ("succeeded", 12, 1, 12)
    with pytest.raises(Blocked) as refused:
        freeze(project)
    assert (refused.value.exchange_id, refused.value.found[0].finding.code) == (rows[7].pk, "moderation")
    assert "hate" in refused.value.found[0].finding.words
    assert [found.code for found in check_row(project, rows[7])] == ["moderation"]
    Exchange.objects.filter(pk=rows[7].pk).update(target="Something kind.", version=2)
    version = freeze(project).version
    assert ["not-moderated", "note", 1] in version.figures["findings"]
    assert list(check_version(version, "base")) == []


def test_the_same_text_is_asked_once_and_the_system_prompt_is_no_part_of_it(project, rows, provider, stub):
    drive(request_moderation(project, provider))
    asked = stub.count("POST /moderations")
    project.training_prompt = "Another one."
    project.save()
    run = drive(request_moderation(project, provider))
    assert (stub.count("POST /moderations"), run.asked_count, Moderation.objects.count()) == (asked, 0, 12)


def test_a_worker_finds_what_was_flagged_since_the_freeze(project, rows, provider):
    version = freeze(project).version
    drive(request_moderation(project, provider))
    assert [(example.exchange_id, found.code) for example, found in check_version(version, "base")] == [
        (rows[7].pk, "moderation")
    ]


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (refusal(404), "failed", "offers no moderation"),
        (refusal(401, message="Who are you?"), "failed", ""),
        (refusal(500), "running", ""),
        ((200, {"results": []}), "running", ""),
    ],
)
def test_a_provider_that_cannot_is_said_and_one_that_stumbles_is_asked_again(
    project, rows, provider, stub, answer, status, words
):
    stub.refuse["POST /moderations"] = [answer]
    run = step(request_moderation(project, provider))
    assert (run.status, words in run.error, bool(run.error)) == (status, True, True)
    assert request_moderation(project, provider) == run or run.is_finished


def test_an_operator_begins_it_from_the_page(project, rows, provider, person, browser_of):
    browser = browser_of(person("otto", Membership.Role.OPERATOR))
    page = browser.get(reverse("datasets", args=["support"])).content.decode()
    assert "Have the included texts looked at" in page
    browser.post(reverse("moderation_start", args=["support"]), {"provider": provider.pk})
    run = ModerationRun.objects.get()
    assert "0 of 12 rows" in browser.get(reverse("datasets", args=["support"])).content.decode()
    browser.post(reverse("moderation_cancel", args=["support", run.pk]))
    assert step(run).status == "cancelled"
    reader = browser_of(person("vera", Membership.Role.VIEWER))
    assert reader.post(reverse("moderation_start", args=["support"]), {"provider": provider.pk}).status_code == 403
    assert browser_of(None).post(reverse("moderation_start", args=["support"])).status_code == 302
