"""A corpus' human labels enter as verdicts that name their source."""

import pytest

from curation.models import Exchange
from curation.review import label
from tests.asking import ask, ask_many


def test_labels_include_rows_and_name_their_source(project):
    right, wrong = ask(project, "Is it open?", "Yes."), ask(project, "Is it late?", "Yes.")
    assert label(project, [(right.pk, "Yes."), (wrong.pk, "No.")], "Desk corpus, human label") == 2
    right.refresh_from_db()
    wrong.refresh_from_db()
    assert (right.state, right.target, right.target_origin) == ("included", None, "label")
    assert (wrong.state, wrong.target, wrong.response) == ("included", "No.", "Yes.")
    review = wrong.reviews.get()
    assert (review.source, review.via, review.reviewer) == ("Desk corpus, human label", "corpus", None)
    assert (review.target_before, review.target_after, review.version_after) == (None, "No.", wrong.version)
    assert wrong.slots.get().done_at is not None


def test_labelling_again_adds_nothing_and_a_persons_verdict_stands(project, ana, give):
    first, second = ask_many(project, 2)
    give(first, ana, "excluded")
    answers = [(first.pk, "Yes."), (second.pk, "Yes.")]
    assert label(project, answers, "Desk corpus") == 1
    assert label(project, answers, "Desk corpus") == 0
    assert Exchange.objects.get(pk=first.pk).state == "excluded"


def test_more_labels_than_a_batch_holds(project):
    rows = ask_many(project, 1203)
    assert label(project, ((row.pk, "Yes.") for row in rows), "Desk corpus") == 1203
    assert project.exchanges.included().filter(target="Yes.", version=2).count() == 1203


def test_another_projects_rows_are_left_alone(project, json_project):
    row = ask(project, "Is it open?")
    assert label(json_project, [(row.pk, "{}")], "Desk corpus") == 0


def test_a_label_that_is_not_json_is_refused_where_json_is_taught(json_project):
    row = ask(json_project, "Batumi?", "{}")
    with pytest.raises(ValueError, match="not JSON"):
        label(json_project, [(row.pk, "Batumi")], "Desk corpus")
    assert Exchange.objects.get(pk=row.pk).state == "pending"
