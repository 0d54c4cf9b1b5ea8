"""Rows come into the search a moment after they were stored."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.urls import reverse

from curation import indexing
from curation.erasure import erase
from curation.models import Exchange, Project, SearchDue, SearchText
from curation.projects import create_project
from curation.recording import record
from curation.search import Filters, find
from tests.asking import ask, ask_many, call_of


def found(project: Project, words: str) -> list[str]:
    return [str(text) for text in find(project, Filters(q=words)).values_list("user_prompt", flat=True)]


def test_a_new_row_is_due_and_then_found(project):
    record([call_of(project, "Where is gate nine?", "Upstairs.")])
    assert indexing.is_behind(project)
    assert found(project, "gate") == []
    assert indexing.catch_up() == 1
    assert not indexing.is_behind(project)
    assert found(project, "gate") == found(project, "upstairs") == ["Where is gate nine?"]
    assert indexing.catch_up() == 0


def test_the_same_prompt_again_and_a_verdict_that_changes_no_words_cost_the_search_nothing(project, ana, give):
    row = ask(project, "Where is gate nine?", "Upstairs.")
    record([call_of(project, "where is GATE nine?", "On the first floor.")])
    give(row, ana, "included")
    assert not indexing.is_behind(project)


def test_an_answer_put_right_is_due_again(project, ana, give):
    row = ask(project, "Where is gate nine?", "Upstairs.")
    give(row, ana, "included", target="Downstairs.")
    assert indexing.is_behind(project)
    indexing.catch_up()
    assert found(project, "downstairs") == ["Where is gate nine?"]
    assert found(project, "upstairs") == []


def test_a_batch_at_a_time_the_longest_waiting_first(project, monkeypatch):
    monkeypatch.setattr(indexing, "BATCH", 2)
    calls = [call_of(project, f"Question {number}", "Yes.") for number in range(5)]
    ids = record(calls)
    assert [indexing.catch_up() for _ in range(4)] == [2, 2, 1, 0]
    assert sorted(SearchText.objects.values_list("exchange", flat=True)) == sorted(ids.values())


def test_what_is_erased_is_out_of_the_search_at_once(project):
    row = ask(project, "My name is Ada Lovelace.", "Hello Ada.")
    erase(project, [row.pk])
    assert not SearchText.objects.exists()
    indexing.catch_up()
    assert found(project, "Lovelace") == found(project, "Ada") == []
    assert found(project, "erased") == [f"Erased {row.pk}"]


def test_the_page_says_when_rows_are_still_on_their_way(project, browser_of, ana):
    address = reverse("review_rows", args=[project.slug])
    words = "not in the search yet"
    record([call_of(project, "Where is gate nine?", "Upstairs.")])
    assert words in browser_of(ana).get(address + "?q=gate").content.decode()
    assert words not in browser_of(ana).get(address).content.decode()
    indexing.catch_up()
    assert words not in browser_of(ana).get(address + "?q=gate").content.decode()


def test_a_search_is_never_shared_out_among_processes(project):
    """Walking through all rows for words that few have looks cheap to the planner that way, and takes seconds."""
    ask_many(project, 20)
    cheap = ("parallel_setup_cost = 0", "parallel_tuple_cost = 0", "min_parallel_table_scan_size = 0")
    with connection.cursor() as cursor:
        for setting in cheap:
            cursor.execute(f"SET LOCAL {setting}")
        cursor.execute("EXPLAIN SELECT count(*) FROM curation_searchtext")
        assert "Gather" in str(cursor.fetchall())  # so those settings do what they are to do
        sql, values = find(project, Filters(q="question yes")).query.sql_with_params()
        cursor.execute(f"EXPLAIN {sql}", values)
        plan = str(cursor.fetchall())
    assert "curation_words" in plan
    assert "Gather" not in plan


@pytest.mark.django_db(transaction=True)
def test_words_that_are_not_committed_yet_are_waited_for():
    project = create_project("waiting")
    row = ask(project, "Where is gate nine?", "Upstairs.")
    Exchange.objects.filter(pk=row.pk).update(target="Downstairs.")  # it is due, and then changes once more
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        Exchange.objects.filter(pk=row.pk).update(target="In the cellar.")
        assert pool.submit(_catch_up).result(20) == 0
    settle(project)
    assert found(project, "cellar") == ["Where is gate nine?"]


@pytest.mark.django_db(transaction=True)
def test_a_row_that_another_has_is_passed_over_and_not_waited_for():
    project = create_project("shared")
    ids = record([call_of(project, f"Question {number}", "Yes.") for number in range(3)])
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        list(SearchDue.objects.filter(pk=min(ids.values())).select_for_update())
        assert pool.submit(_catch_up).result(20) <= 2
    settle(project)
    assert SearchText.objects.filter(project=project).count() == 3


def settle(project: Project) -> None:
    """Until all is in the search. A recorder may be at it too: what it took and has not committed is due still."""
    while indexing.is_behind(project):
        indexing.catch_up()


def _catch_up() -> int:
    try:
        return indexing.catch_up()
    finally:
        connection.close()
