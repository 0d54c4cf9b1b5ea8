"""When an answer is right."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.graders import exact, is_right, json_equal

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("expected", "answer", "same"),
    [
        ("Upstairs.", "Upstairs.", True),
        ("Upstairs.", " Upstairs.\n", True),
        ("Upstairs.", "upstairs.", False),
        ("Up stairs", "Up  stairs", False),
        ("", "", True),
    ],
)
def test_exact(expected, answer, same):
    assert exact(expected, answer) is same


@pytest.mark.parametrize(
    ("expected", "answer", "same"),
    [
        ('{"a": 1, "b": [2]}', '{"b":[2],"a":1}', True),
        ('{"spam": 1}', '{"spam": 1.0}', True),
        ('{"spam": 100}', '{"spam": 1e2}', True),
        ('{"a": 0.1}', '{"a": 0.10}', True),
        ('{"a": 0.1}', '{"a": 0.1000000000000000001}', False),
        ('{"a": 9007199254740993}', '{"a": 9007199254740992}', False),
        ('{"a": 1}', '{"a": true}', False),
        ('{"a": 0}', '{"a": false}', False),
        ('{"a": 1}', '{"a": "1"}', False),
        ("[1, 2]", "[2, 1]", False),
        ('{"a": null}', "{}", False),
        ('{"a": 1}', '{"a": 1, "a": 1}', False),
        ('{"a": 1}', '```json\n{"a": 1}\n```', False),
        ('{"a": 1}', 'Here: {"a": 1}', False),
        ('{"a": 1}', "", False),
        ('{"a": 1}', '{"a": NaN}', False),
        ('{"a": 1}', "[" * 100_000, False),
        ('{"a": 1}', '{"a": 1e99999999999999999999}', False),
        ('{"a": "\\u00e9"}', '{"a": "é"}', True),
        ("Upstairs.", '{"a": 1}', None),
        ('{"a": 1, "a": 2}', '{"a": 2}', None),
    ],
)
def test_json_equal(expected, answer, same):
    assert json_equal(expected, answer) is same


@given(VALUES)
def test_a_value_equals_itself_however_it_is_written(value):
    assert json_equal(json.dumps(value), json.dumps(value, indent=2, ensure_ascii=False)) is True


@given(VALUES, VALUES)
def test_equality_goes_both_ways(one, other):
    one, other = json.dumps(one), json.dumps(other)
    assert json_equal(one, other) is json_equal(other, one)


def test_what_is_right_depends_on_the_projects_answers():
    assert is_right('{"a": 1}', '{"a":1.0}', "json")
    assert not is_right('{"a": 1}', '{"a":1.0}', "text")
    assert is_right("not JSON after all", "not JSON after all", "json")
    assert not is_right("", None, "text")
