"""Answers against the project's JSON Schema: faults with path and line; what does not fit is never included."""

import json

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from curation.checking import faults_in
from curation.json_layout import laid_out
from curation.json_places import lines_of
from curation.models import Exchange, Membership, Project
from curation.review import Refused, label
from curation.turns import turns_of
from tests.asking import ask

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "array", "items": {"type": "integer"}}},
    "required": ["city"],
}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.fixture
def places(json_project):
    json_project.answer_schema = SCHEMA
    json_project.save()
    return json_project


def test_a_fault_has_its_path_its_line_and_words():
    faults = faults_in('{\n  "city": null,\n  "days": [\n    1,\n    "2"\n  ]\n}', SCHEMA)
    assert [(fault.path, fault.line) for fault in faults] == [("city", 2), ("days[1]", 5)]
    assert faults[0].words == 'The value is not of type "string".'
    [missing] = faults_in("{}", SCHEMA)
    assert (missing.path, missing.line) == ("", 1)
    assert "city" in missing.words


def test_text_that_is_no_strict_json_is_one_fault_with_its_line_where_there_is_one():
    assert faults_in('{\n "a": 1\n "b": 2}')[0].line == 3
    for text in ('{"a": 1, "a": 2}', "[NaN]", "[" * 70 + "]" * 70):
        assert len(faults_in(text, SCHEMA)) == 1
    assert faults_in('{"city": "Batumi"}', SCHEMA) == []
    assert faults_in("{}") == []


@given(values)
def test_every_value_has_the_line_on_which_it_begins(value):
    text = laid_out(json.dumps(value))
    lines = text.split("\n")

    def walk(value, path):
        begins = {dict: "{", list: "["}.get(type(value)) or json.dumps(value)
        assert begins in lines[found[path] - 1]
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value if type(value) is list else ()):
            walk(inner, (*path, key))

    found = lines_of(text)
    walk(value, ())


def test_an_answer_that_does_not_fit_is_included_by_no_path(places, ana, give):
    row = ask(places, "Where to?", '{"city":null}')
    for target in (None, '{"town": "Batumi"}'):
        with pytest.raises(Refused) as refused:
            give(row, ana, "included", target=target)
        assert refused.value.faults
    with pytest.raises(ValueError, match="not JSON as this project teaches it"):
        label(places, [(row.pk, '{"city":7}')], "A corpus")
    give(row, ana, "included", target='{"city": "Batumi"}')
    assert Exchange.objects.get(pk=row.pk).target == '{"city":"Batumi"}'


def test_what_is_typed_is_checked_and_compared_and_nothing_is_written(places, ana, browser_of):
    row = ask(places, "Where to?", '{"city":null}')
    address = reverse("review_check", args=[places.slug, row.pk])
    page = browser_of(ana).post(address, {"version": 1, "target": '{\n  "city": <7>\n}'}).content.decode()
    assert "line 2" in page
    assert "&lt;7&gt;" in page
    page = browser_of(ana).post(address, {"version": 1, "target": '{\n  "city": "Batumi"\n}'}).content.decode()
    assert "line" not in page
    assert "[added]" in page
    row.refresh_from_db()
    assert (row.target, row.drafts.count()) == (None, 0)


def test_an_owner_sets_the_schema_and_one_that_is_none_is_refused(places, browser_of, person):
    owner = person("olga")
    Membership.objects.create(project=places, user=owner, role=Membership.Role.OWNER)
    client, address = browser_of(owner), reverse("review_settings", args=[places.slug])
    sent = {"reasons": "a\nb", "second_share": places.second_share, "opinion_count": places.opinion_count}
    for bad in ('{"type": 12}', "[1]", '{"$ref": "https://example.org/schema.json"}', "{", "[" * 100_000):
        answer = client.post(address, sent | {"answer_schema": bad})
        assert answer.status_code == 422
    assert client.post(address, sent | {"reasons": "dull\n\n dull \nlong", "answer_schema": ""}).status_code == 302
    stored = Project.objects.get(pk=places.pk)
    assert (stored.answer_schema, stored.reasons) == (None, ["dull", "long"])
    assert client.post(address, sent | {"reasons": "\n".join("abcdefghij")}).status_code == 422


TOOLS = [{"type": "function", "function": {"name": "find", "parameters": {"required": ["q"], "type": "object"}}}]
CALLED = [
    {"role": "user", "content": "Find <it>."},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call-1", "type": "function", "function": {"name": "find", "arguments": '{"p":"<b>"}'}}],
    },
    {"role": "tool", "tool_call_id": "call-1", "content": "nothing"},
    {"role": "user", "content": "Again."},
]


def test_tool_calls_are_blocks_with_their_arguments_checked(project, ana, browser_of):
    row = ask(project, "", "No.", messages=CALLED)
    Exchange.objects.filter(pk=row.pk).update(tools=TOOLS)
    page = browser_of(ana).get(reverse("review_exchange", args=[project.slug, row.pk])).content.decode()
    assert 'Calls <b class="mono">find</b>' in page
    assert "{\n  &quot;p&quot;: &quot;&lt;b&gt;&quot;\n}" in page
    assert "&quot;q&quot; is a required property" in page
    assert 'Tool answers <span class="mono">call-1</span>' in page


@pytest.mark.parametrize(
    "calls", ["no list", [7], [{"function": 1}], [{"function": {"name": None, "arguments": {}}}], [None]]
)
def test_calls_of_any_shape_are_shown_as_they_are(calls):
    [turn] = turns_of([{"role": "assistant", "content": None, "tool_calls": calls}])
    assert isinstance(turn.text, str)
