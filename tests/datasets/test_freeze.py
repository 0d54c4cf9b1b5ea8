"""Freezing: the same content is the same version, and nothing in it ever changes."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from curation.chat import digest
from curation.datasets import (
    Blocked,
    NothingToFreeze,
    freeze,
    new_rows,
    new_rows_count,
    version_of,
)
from curation.freezing import BATCH
from curation.models import DatasetVersion, Example, Exchange, Project
from curation.review import label
from tests.asking import SYSTEM, ask


def test_included_rows_become_examples_with_the_short_prompt(project, included, olga):
    rows = included(30)
    frozen = freeze(project, user=olga, note="the first")
    version = frozen.version
    assert frozen.is_new
    assert (version.number, version.note, version.created_by) == (1, "the first", olga)
    assert version.train_count + version.test_count == 30
    for example in version.examples.all():
        row = Exchange.objects.get(pk=example.exchange_id)
        assert json.loads(example.body)["messages"] == [
            {"role": "system", "content": "Answer briefly."},
            {"role": "user", "content": row.user_prompt},
            {"role": "assistant", "content": "Yes."},
        ]
        assert (example.split, example.exchange_version) == (row.split, row.version)
        assert example.content_hash == digest(example.body)
    assert {example.exchange_id for example in version.examples.all()} == {row.pk for row in rows}


def test_without_a_training_prompt_the_captured_one_stays(project, included):
    Project.objects.update(training_prompt="")
    included(1)
    example = freeze(project).version.examples.get()
    assert json.loads(example.body)["messages"][0] == {"role": "system", "content": SYSTEM}


def test_lines_are_numbered_from_one_in_the_order_of_the_rows(project, included):
    included(40)
    version = freeze(project).version
    for split, count in (("train", version.train_count), ("test", version.test_count)):
        lines = list(version.examples.filter(split=split).order_by("position").values_list("position", "exchange"))
        assert [position for position, _ in lines] == list(range(1, count + 1))
        assert [row for _, row in lines] == sorted(row for _, row in lines)


def test_the_same_content_is_the_same_version(project, included, ben, give):
    rows = included(3)
    first = freeze(project)
    again = freeze(project)
    assert (again.is_new, again.version) == (False, first.version)
    give(rows[0], ben, "excluded")
    second = freeze(project)
    assert (second.is_new, second.version.number) == (True, 2)
    give(rows[0], ben, "included")
    assert freeze(project).version == first.version
    assert DatasetVersion.objects.count() == 2


def test_another_training_prompt_is_other_content(project, included):
    included(2)
    freeze(project)
    Project.objects.filter(pk=project.pk).update(training_prompt="Answer in a word.")
    assert freeze(project).version.number == 2


def test_frozen_examples_stay_when_the_row_changes(project, included, ben, give):
    (row,) = included(1)
    before = freeze(project).version.examples.get().body
    give(row, ben, "included", target="No.")
    assert Example.objects.get().body == before
    assert "No." in freeze(project).version.examples.get().body


def test_more_rows_than_a_batch_holds(project, included):
    included(BATCH + 7)
    version = freeze(project).version
    assert version.train_count + version.test_count == version.examples.count() == BATCH + 7
    assert 0 < version.test_count < version.train_count


def test_the_rows_are_read_in_batches_and_not_one_by_one(project, included, django_assert_max_num_queries):
    included(200)
    with django_assert_max_num_queries(27):
        freeze(project)


def test_there_must_be_something_to_freeze(project):
    ask(project, "When do you open?")
    with pytest.raises(NothingToFreeze, match="Review some rows"):
        freeze(project)
    assert DatasetVersion.objects.count() == 0


def test_an_included_row_without_an_answer_is_named_and_nothing_is_frozen(project, included):
    row, _ = included(2)
    Exchange.objects.filter(pk=row.pk).update(target=" ")
    with pytest.raises(Blocked) as refused:
        freeze(project)
    assert refused.value.exchange_id == row.pk
    assert DatasetVersion.objects.count() == 0


def test_another_projects_rows_stay_out(project, included, json_project):
    included(2)
    row = ask(json_project, "Batumi?", "{}")
    label(json_project, [(row.pk, "{}")], "A corpus")
    assert freeze(json_project).version.examples.count() == 1


def test_what_is_new_since_the_last_version(project, included, ben, give):
    rows = included(3)
    assert new_rows_count(project) == 3
    freeze(project)
    assert new_rows_count(project) == 0
    give(rows[0], ben, "included", target="No.")
    give(rows[1], ben, "excluded")
    give(ask(project, "One more"), ben, "included")
    latest = version_of(project)
    assert [row.target for row in new_rows(project, latest).order_by("pk")] == ["No.", None]
    freeze(project)
    assert new_rows_count(project) == 0
    assert version_of(project).number == 2
    assert version_of(project, 1) == latest
    with pytest.raises(DatasetVersion.DoesNotExist):
        version_of(project, 9)


@pytest.mark.django_db(transaction=True)
def test_freezing_five_times_at_once_makes_one_version(project, included):
    included(60)

    def press(_: int) -> tuple[int, bool]:
        try:
            frozen = freeze(Project.objects.get(pk=project.pk))
            return frozen.version.pk, frozen.is_new
        finally:
            connection.close()

    with ThreadPoolExecutor(5) as pool:
        results = list(pool.map(press, range(5)))
    assert len({pk for pk, _ in results}) == 1
    assert sorted(is_new for _, is_new in results) == [False] * 4 + [True]
    assert DatasetVersion.objects.get().number == 1
