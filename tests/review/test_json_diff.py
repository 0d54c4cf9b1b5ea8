"""JSON answers compared key by key: what was added, removed and changed, each with its path."""

import json

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from curation.json_diff import MOST_CHANGES, KeyChange, keys_changed
from tests.asking import ask

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
        ({"a": 1}, {"a": 2}, [("changed", "a", "1", "2")]),
        ({"a": 1}, {}, [("removed", "a", "1", "")]),
        ({}, {"a": None}, [("added", "a", "", "null")]),
        ({"a": {"b": [1, {"c": "x"}]}}, {"a": {"b": [1, {"c": "y"}]}}, [("changed", "a.b[1].c", '"x"', '"y"')]),
        ([1, 2, 3], [2, 3], [("removed", "[0]", "1", "")]),
        ([2, 3], [1, 2, 3], [("added", "[0]", "", "1")]),
        ([{"a": 1}, 5], [{"a": 2}], [("changed", "[0].a", "1", "2"), ("removed", "[1]", "5", "")]),
        ({"first name": 1, "é": 1}, {"é": 2}, [("removed", '["first name"]', "1", ""), ("changed", "é", "1", "2")]),
        ({"a": 1}, [1], [("changed", "", '{"a": 1}', "[1]")]),
        ({"a": 1, "b": False}, {"a": True, "b": 0}, [("changed", "a", "1", "true"), ("changed", "b", "false", "0")]),
    ],
)
def test_each_change_has_its_kind_path_and_values(before, after, changes):
    assert keys_changed(before, after) == [KeyChange(*change) for change in changes]


def test_many_changes_and_long_values_are_bounded():
    assert len(keys_changed({}, {str(n): n for n in range(5000)})) == MOST_CHANGES + 1
    [change] = keys_changed({"a": "x" * 5000}, {"a": list(range(5000))})
    assert max(len(change.before), len(change.after)) <= 200
    assert len(keys_changed(list(range(3000)), list(range(1, 3001)))) == MOST_CHANGES + 1


@given(values, values)
def test_there_is_a_change_exactly_where_the_values_differ(before, after):
    spelled = [json.dumps(value, sort_keys=True) for value in (before, after)]
    assert bool(keys_changed(before, after)) == (spelled[0] != spelled[1])
    assert keys_changed(before, before) == []


def test_the_keys_stand_on_the_page_also_where_no_words_are_compared(json_project, ana, browser_of, give):
    row = ask(json_project, "Batumi?", '{"city":"Tbilisi","days":[1,2],"note":"x"}')
    give(row, ana, "included", target='{"days":[1,2,3],"city":"Batumi","<b>":true}')
    ana.diff_mode = "off"
    ana.save()
    page = browser_of(ana).get(reverse("review_exchange", args=[json_project.slug, row.pk])).content.decode()
    found = page[page.index('id="changed"') : page.index('id="faults"')]
    for words in ("city", "&quot;Tbilisi&quot;", "&quot;Batumi&quot;", "days[2]", "note", "removed", "&lt;b&gt;"):
        assert words in found
    assert found.count("<li>") == 4


def test_text_is_not_compared_by_keys(project, ana, browser_of, give):
    row = ask(project, "When?", '{"a": 1}')
    give(row, ana, "included", target='{"a": 2}')
    page = browser_of(ana).get(reverse("review_exchange", args=[project.slug, row.pk])).content.decode()
    assert '<div id="changed"></div>' in page
    assert "<ins>" in page
