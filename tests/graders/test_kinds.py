"""Graders as JSON objects: what each kind says, and what is no grader."""

import json
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.graders import KINDS, Grade, fault_in_definition, grade

MULTI = {"type": "multi", "graders": {"a": {"type": "json_equal"}}, "calculate_output": "a"}
# All but the one that asks a model.
COMPUTED = [kind for name, kind in KINDS.items() if name != "score_model"]
PLACE = '{"city": "Rome", "state": null, "country": "Italy"}'


@pytest.mark.parametrize(
    ("definition", "expected", "answer", "score"),
    [
        ({"type": "string_check", "operation": "eq"}, "Yes.", " Yes.\n", 1),
        ({"type": "string_check", "operation": "eq"}, "Yes.", "yes.", 0),
        ({"type": "string_check", "operation": "ieq"}, "Yes,  sir.", "yes, SIR.", 1),
        ({"type": "string_check", "operation": "ne"}, "Yes.", "No.", 1),
        ({"type": "string_check", "operation": "like"}, "gate 4", "Go to gate 4.", 1),
        ({"type": "string_check", "operation": "like"}, "Gate 4", "Go to gate 4.", 0),
        ({"type": "string_check", "operation": "ilike"}, "Gate 4", "Go to gate 4.", 1),
        ({"type": "text_similarity", "pass_threshold": 0.5}, "abcd", "abxd", 0.75),
        ({"type": "text_similarity", "pass_threshold": 0.5}, "", "", 1),
        ({"type": "regex", "pattern": r"^\d{4}$"}, "anything", "2031", 1),
        ({"type": "regex", "pattern": r"^\d{4}$"}, "anything", "in 2031", 0),
        ({"type": "json_equal"}, '{"a": 1}', '{"a": 1.0}', 1),
        ({"type": "json_equal"}, '{"a": 1}', 'Sure: {"a": 1}', 0),
        ({"type": "json_equal"}, "no JSON", "no JSON", 0),
        ({"type": "json_schema", "schema": {"required": ["a"]}}, "", '{"a": 1}', 1),
        ({"type": "json_schema", "schema": {"required": ["a"]}}, "", "{}", 0),
        ({"type": "json_schema", "schema": {"required": ["a"]}}, "", "", 0),
        ({"type": "json_fields"}, PLACE, '{"city": "Rome", "country": "Italy"}', 1),
        ({"type": "json_fields"}, PLACE, '{"city": "Rome", "country": "Spain"}', 0.5),
        ({"type": "json_fields"}, PLACE, '{"city": "Rome"}', 2 / 3),
        ({"type": "json_fields"}, PLACE, "{}", 0),
        ({"type": "json_fields"}, PLACE, "Rome", 0),
        ({"type": "json_fields"}, '{"city": null}', "{}", 1),
        ({"type": "json_fields", "fields": ["city"]}, PLACE, '{"city": "Rome", "country": "Spain"}', 1),
        ({"type": "number", "tolerance": 0.1}, "1.0", "1.05", 1),
        ({"type": "number", "tolerance": 0.1}, "1.0", "1.2", 0),
        ({"type": "number", "tolerance": 0.1}, "1.0", "about 1", 0),
        ({"type": "number", "tolerance": 0.1}, "1.0", "true", 0),
        ({"type": "number", "tolerance": 1, "field": "n"}, '{"n": 3}', '{"n": 4}', 1),
        ({"type": "scores"}, '{"spam": 1, "toxic": 0}', '{"spam": 0.7, "toxic": 0.2}', 1),
        ({"type": "scores"}, '{"spam": 1, "toxic": 0}', '{"spam": 0.4, "toxic": 0.2}', 0.5),
        ({"type": "scores", "threshold": 0.3}, '{"spam": 1, "toxic": 0}', '{"spam": 0.4, "toxic": 0.2}', 1),
        ({"type": "scores"}, '{"spam": 1, "toxic": 0}', '{"spam": 0.9}', 0.5),
        ({"type": "scores"}, "spam", "spam", 0),
        ({"type": "labels"}, "a, b", "B,a", 1),
        ({"type": "labels"}, "a, b", "a", 2 / 3),
        ({"type": "labels"}, '["a", "b"]', "a, c", 0.5),
        ({"type": "labels"}, '{"a": true, "b": false}', "a", 1),
        ({"type": "labels", "separator": ";"}, "a; b", "b ;a", 1),
    ],
)
def test_a_grader_says(definition, expected, answer, score):
    assert fault_in_definition(definition) == ""
    given_ = grade(definition, expected, answer)
    assert isclose(given_.score, score)
    assert given_.passes == (score >= definition.get("pass_threshold", 1))


def test_no_answer_is_wrong_whoever_judges():
    for kind in COMPUTED:
        assert not grade(kind.example, "x", None).passes


def test_graders_are_put_together_by_a_formula():
    both = {
        "type": "multi",
        "graders": {"shape": {"type": "json_schema", "schema": {"type": "object"}}, "fields": {"type": "json_fields"}},
        "calculate_output": "0.25 * shape + 0.75 * fields ^ 2",
        "pass_threshold": 0.4,
    }
    assert fault_in_definition(both) == ""
    found = grade(both, PLACE, '{"city": "Rome", "country": "Spain"}')
    assert found == Grade(0.4375, True, "shape 1.00, fields 0.50")
    assert not grade(both, PLACE, "Rome").passes
    smallest = both | {"calculate_output": "min(shape, fields)"}
    assert grade(smallest, PLACE, '{"city": "Rome", "country": "Spain"}').score == 0.5
    # What cannot be computed is 0, what goes beyond 1 is 1.
    assert (
        grade(both | {"calculate_output": "shape / (fields - 0.5)"}, PLACE, '{"city": "Rome", "country": "X"}').score
        == 0
    )
    assert grade(both | {"calculate_output": "shape + 100"}, PLACE, "{}").score == 1


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind in COMPUTED])
def test_the_example_of_each_kind_is_one(kind):
    assert fault_in_definition(KINDS[kind].example) == ""
    assert fault_in_definition(json.loads(json.dumps(KINDS[kind].example))) == ""


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        (None, "is a JSON object"),
        ([], "is a JSON object"),
        ({}, "“type” is one of string_check,"),
        ({"type": "python", "source": "import os"}, "“type” is one of"),
        ({"type": ["x"]}, "“type” is one of"),
        ({"type": "string_check"}, "“operation” is one of eq,"),
        ({"type": "string_check", "operation": "eq", "colour": 1}, "knows no “colour”"),
        ({"type": "string_check", "operation": "eq", "input": "{{item.secret}}"}, "“input” can only be"),
        ({"type": "text_similarity"}, "“pass_threshold” is missing"),
        ({"type": "text_similarity", "pass_threshold": 2}, "from 0 to 1"),
        ({"type": "text_similarity", "pass_threshold": True}, "from 0 to 1"),
        ({"type": "text_similarity", "evaluation_metric": "bleu", "pass_threshold": 1}, "only be fuzzy_match"),
        ({"type": "regex", "pattern": "("}, "no regular expression: missing )"),
        ({"type": "regex", "pattern": r"(a)\1"}, "no regular expression"),
        ({"type": "regex"}, "“pattern” is"),
        ({"type": "json_schema", "schema": {"type": "nothing"}}, "“schema” is a JSON Schema"),
        ({"type": "json_fields", "fields": "city"}, "“fields” is a list"),
        ({"type": "number"}, "“tolerance” is a number"),
        ({"type": "number", "tolerance": -1}, "“tolerance” is a number"),
        ({"type": "number", "tolerance": 1, "field": 3}, "“field” is a name"),
        ({"type": "labels", "separator": ""}, "“separator” is"),
        ({"type": "multi", "graders": {}, "calculate_output": "1"}, "names up to 10"),
        (MULTI | {"graders": {"a b": {"type": "json_equal"}}}, "cannot stand in a formula"),
        ({"type": "multi", "graders": {"a": {"type": "x"}}, "calculate_output": "a"}, "a: “type” is one of"),
        (MULTI | {"calculate_output": "a +"}, "cannot be computed"),
        (MULTI | {"calculate_output": "b"}, "“b” is no grader's name"),
        (MULTI | {"calculate_output": "__import__('os').getpid()"}, "is no grader's name"),
        (MULTI | {"calculate_output": "min(a, key=a)"}, "is no grader's"),
    ],
)  # fmt: skip
def test_what_is_no_grader_is_said_in_words(definition, words):
    assert words in fault_in_definition(definition)


@given(st.text(), st.text())
def test_no_text_breaks_a_grader(expected, answer):
    for kind in COMPUTED:
        found = grade(kind.example, expected, answer)
        assert 0 <= found.score <= 1


def test_a_pattern_made_to_take_for_ever_does_not():
    assert grade({"type": "regex", "pattern": "(a+)+$"}, "", "a" * 20_000 + "b").score == 0
