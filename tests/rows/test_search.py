"""Finding rows by what they say and by what is known of them."""

from datetime import date, timedelta

import pytest

from curation import indexing
from curation.attention import catch_up
from curation.models import Project
from curation.search import Filters, count, find, find_alike
from curation.tagging import tag
from tests.asking import ask, ask_many


def prompts(project: Project, **wanted) -> list[str]:
    return [str(text) for text in find(project, Filters(**wanted)).values_list("user_prompt", flat=True)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("refund", True),
        ("REFUND crates", True),
        ('"of twelve"', True),
        ('"twelve of"', False),
        ("refund -crates", False),
        ("invoice OR refund", True),
        ("efun", True),
        ("tomorrow", True),
        ("nothing", False),
        ("100%", True),
        ("c_ates", False),
        ("%", False),
        ("\\", False),
        ("café", True),
        ("'; DROP TABLE curation_exchange; --", False),
        ("é", False),
    ],
)
def test_words_and_parts_of_them_in_prompt_and_answer(project, query, found):
    ask(project, "I want a refund of twelve crates, 100% of it. Café!", "You will have it tomorrow.")
    ask(project, "When do you open?", "At nine.")
    assert ("I want a refund of twelve crates, 100% of it. Café!" in prompts(project, q=query)) is found


def test_what_a_person_wrote_is_searched_instead_of_what_was_captured(project, ana, give):
    row = ask(project, "When do you open?", "At nine.")
    give(row, ana, "included", target="At quarter past eight.")
    indexing.catch_up()
    assert prompts(project, q="quarter") == ["When do you open?"]
    assert prompts(project, q="nine") == []


def test_a_misspelt_word_is_found_as_alike(project):
    ask(project, "I want a refund of twelve crates.")
    assert prompts(project, q="refnud") == []
    assert len(find_alike(project, Filters(q="refund of twelfe"))) == 1


def test_each_filter(project, ana, give):
    first = ask(project, "One?", "a", served_model="old-model")
    second = ask(project, "Two?", "b")
    ask(project, "Two?", "c")
    give(first, ana, "included")
    tag(first, "Odd")
    catch_up(project)
    today = date.today()
    assert prompts(project, state="included") == ["One?"]
    assert prompts(project, seen=2) == ["Two?"]
    assert prompts(project, differs=True) == ["Two?"]
    assert prompts(project, reason="different") == ["Two?"]
    assert prompts(project, model="old-model") == ["One?"]
    assert prompts(project, tag="odd") == ["One?"]
    assert prompts(project, split=second.split, q="two") == ["Two?"]
    assert prompts(project, since=today + timedelta(days=2)) == []
    assert prompts(project, since=today - timedelta(days=1), until=today + timedelta(days=1)) == ["Two?", "One?"]


def test_another_projects_rows_are_never_found(project, json_project):
    ask(json_project, "Batumi?", "{}")
    assert prompts(project, q="Batumi") == []


def test_a_count_stops_at_its_limit(project, monkeypatch):
    ask_many(project, 5)
    assert count(find(project, Filters())) == 5
    monkeypatch.setattr("curation.search.COUNTED", 3)
    assert count(find(project, Filters())) == 4


def test_a_very_long_text_is_indexed_by_its_beginning(project):
    ask(project, "begin " + "word " * 300_000 + "finish")
    assert len(find(project, Filters(q="begin"))) == 1
    assert len(find(project, Filters(q="finish"))) == 0


def test_filters_are_a_query_string_and_back():
    filters = Filters(q="a b&c", state="pending", seen=3, differs=True, since=date(2026, 1, 2))
    assert filters.query == "q=a+b%26c&state=pending&seen=3&differs=on&since=2026-01-02"
    assert Filters().query == ""
    assert not Filters().narrows
