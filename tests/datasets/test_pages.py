"""Versions on pages: what is frozen, what came since, and freezing by a button."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from curation.datasets import freeze
from curation.models import DatasetVersion, Exchange
from tests.asking import ask


@pytest.fixture
def datasets(project):
    return reverse("datasets", args=[project.slug])


def test_an_operator_freezes_by_the_button_and_lands_on_the_version(project, included, olga, browser_of, datasets):
    included(30)
    client = browser_of(olga)
    page = client.get(datasets).content.decode()
    assert "30 rows are included" in page
    assert "Freeze version 1" in page
    assert "Answer briefly." in page
    answer = client.post(reverse("dataset_freeze", args=[project.slug]), {"note": "spring"}, follow=True)
    version = DatasetVersion.objects.get()
    assert answer.redirect_chain[-1][0] == reverse("dataset", args=[project.slug, 1])
    page = answer.content.decode()
    assert f"Version 1 is frozen: {version.train_count} to train, {version.test_count} held out." in page
    assert version.content_hash[:16] in page
    assert (version.note, version.created_by) == ("spring", olga)


def test_freezing_again_says_that_nothing_changed(project, included, olga, browser_of):
    included(3)
    freeze(project)
    answer = browser_of(olga).post(reverse("dataset_freeze", args=[project.slug]), follow=True)
    assert "Nothing has changed: version 1 holds exactly what is included now." in answer.content.decode()


def test_a_version_with_an_empty_side_warns(project, included, olga, browser_of):
    rows = included(1)
    Exchange.objects.filter(pk=rows[0].pk)
    answer = browser_of(olga).post(reverse("dataset_freeze", args=[project.slug]), follow=True)
    assert re.search("cannot be tested|nothing to train on", answer.content.decode())


def test_what_cannot_be_frozen_is_said_with_the_way_out(project, included, olga, browser_of):
    client = browser_of(olga)
    answer = client.post(reverse("dataset_freeze", args=[project.slug]))
    assert answer.status_code == 422
    assert "Nothing is included yet" in answer.content.decode()
    row, _ = included(2)
    Exchange.objects.filter(pk=row.pk).update(target="")
    answer = client.post(reverse("dataset_freeze", args=[project.slug]))
    assert answer.status_code == 422
    assert reverse("review_exchange", args=[project.slug, row.pk]) in answer.content.decode()


def test_what_came_since_the_last_version_is_listed(project, included, olga, give, ben, browser_of, datasets):
    rows = included(4)
    freeze(project)
    give(rows[0], ben, "excluded")
    give(ask(project, "A new question"), ben, "included")
    page = browser_of(olga).get(datasets).content.decode()
    assert "1 row is new or changed, 1 is no longer included" in page
    assert "A new question" in page
    assert "Freeze the next version" in page


def test_a_viewer_sees_the_versions_and_no_button(project, included, person, browser_of, datasets):
    included(12)
    freeze(project)
    client = browser_of(person("vic", 10))
    for page in (client.get(datasets), client.get(reverse("dataset", args=[project.slug, 1]))):
        assert page.status_code == 200
        assert '<button class="btn primary"' not in page.content.decode()


def test_examples_are_paged_without_their_bodies_and_one_is_shown_whole(project, included, olga, browser_of):
    included(120)
    version = freeze(project).version
    client = browser_of(olga)
    address = reverse("dataset", args=[project.slug, 1])
    with CaptureQueriesContext(connection) as captured:
        page = client.get(address).content.decode()
    assert len(captured) <= 10
    assert sum('"curation_example"."body"' in query["sql"] for query in captured) == 1  # the one that is shown
    assert page.count("Question ") == 51  # a page of lines, and the line shown
    assert "Line 1 of train" in page
    after = client.get(address, {"split": "train", "start": 51, "line": 55}).content.decode()
    assert "Line 55 of train" in after
    example = version.examples.get(split="train", position=55)
    assert f"Question {Exchange.objects.get(pk=example.exchange_id).user_prompt.split()[-1]}" in after
    assert "Held out" in client.get(address, {"split": "test"}).content.decode()
    assert client.get(address, {"split": "nonsense", "start": "x"}).status_code == 200


def test_the_fine_tune_form_asks_for_enough_examples(project, included, olga, browser_of):
    included(30)
    freeze(project)
    page = browser_of(olga).get(reverse("dataset", args=[project.slug, 1])).content.decode()
    form = re.search(r"<form[^>]*finetunes/new/.*?</form>", page, re.S).group()
    assert f'<option value="{project.default_provider_id}" selected>' in form
    assert 'name="base_model" id="base_model" list="bases" required value="baseline"' in form
    assert 'name="version" value="1"' in form


def test_too_few_examples_are_told_before_anybody_tries(project, included, olga, browser_of):
    included(3)
    freeze(project)
    page = browser_of(olga).get(reverse("dataset", args=[project.slug, 1])).content.decode()
    assert "needs at least 10 examples" in page
    assert "Prepare the fine-tune" not in page
