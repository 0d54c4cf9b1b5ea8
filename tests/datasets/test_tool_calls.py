"""An answer that calls a tool is reviewed, corrected, frozen and exported like one in words."""

import json

import pytest
from django.urls import reverse

from curation.datasets import check_row, freeze
from curation.models import Exchange
from curation.recording import record
from curation.review import Refused
from jobs import exports
from tests.asking import ask, call_of
from tests.machines import step

GATE = {
    "type": "function",
    "function": {
        "name": "gate",
        "parameters": {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]},
    },
}
FOUR = '{"tool_calls": [{"name": "gate", "arguments": {"number": 4}}]}'


@pytest.fixture
def called(project):
    """A row whose captured answer calls gate(4), with two ids in two calls."""

    def make(prompt: str = "Open gate 4", arguments: str = '{"number":4}') -> Exchange:
        ids = []
        for number in range(2):
            function = {"name": "gate", "arguments": arguments}
            message = {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": f"call_{number}x", "type": "function", "function": function}],
            }
            answered = {"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
            asked = {"model": "m", "messages": [{"role": "user", "content": prompt}], "tools": [GATE]}
            call = call_of(
                project,
                prompt,
                "",
                request_body=json.dumps(asked).encode(),
                response_body=json.dumps(answered).encode(),
            )
            ids.append(record([call])[call.id])
        assert ids[0] == ids[1]
        return Exchange.objects.get(pk=ids[0])

    return make


def test_equal_calls_are_one_answer_whatever_their_ids(called):
    row = called()
    assert (row.response, row.seen_count, row.answer_count) == (FOUR, 2, 1)


def test_it_is_included_frozen_and_exported_as_a_call(project, called, ben, give, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    row = called()
    give(row, ben, "included")
    version = freeze(project).version
    body = json.loads(version.examples.get().body)
    call = {"id": "call_1", "type": "function", "function": {"name": "gate", "arguments": '{"number":4}'}}
    assert body["messages"][-1] == {"role": "assistant", "tool_calls": [call]}
    assert body["tools"] == [GATE]
    assert [code for code, severity, _ in version.figures["findings"] if severity == "blocker"] == []
    with exports.open_file(step(exports.request_export(version, row.split))) as stream:
        assert json.loads(stream.read()) == body


def test_ids_count_on_from_the_calls_before_and_words_stay_beside_the_call(project, ben, give):
    before = {
        "role": "assistant",
        "tool_calls": [{"id": "x", "type": "function", "function": {"name": "gate", "arguments": "{}"}}],
    }
    asked = [{"role": "user", "content": "4"}, before, {"role": "tool", "tool_call_id": "x", "content": "shut"}]
    row = ask(project, "", "Wait.", messages=[*asked, {"role": "user", "content": "Now?"}])
    Exchange.objects.filter(pk=row.pk).update(tools=[GATE])
    typed = '{"content": "Once more.", "tool_calls": [{"name": "gate", "arguments": {"number": 4}}]}'
    give(row, ben, "included", target=typed)
    said = json.loads(freeze(project).version.examples.get().body)["messages"][-1]
    assert (said["content"], said["tool_calls"][0]["id"]) == ("Once more.", "call_2")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ('{"tool_calls": [{"name": "gate", "arguments": {"number": "four"}}]}', "integer"),
        ('{"tool_calls": [{"name": "gate", "arguments": {}}]}', "required"),
        ('{"tool_calls": [{"name": "door", "arguments": {}}]}', "gate"),
        ('{"tool_calls": [{"name": "gate", "arguments": {"number": 4}}]', "not valid JSON"),
        ('{"tool_calls": []}', "1 item"),
    ],
)
def test_a_call_that_its_tool_does_not_take_is_refused(called, ben, give, typed, words):
    row = called()
    with pytest.raises(Refused, match=words):
        give(row, ben, "included", target=typed)
    row.refresh_from_db()
    assert row.included is None


def test_the_same_call_typed_in_another_layout_is_no_correction(called, ben, give):
    row = called()
    give(row, ben, "included", target=json.dumps(json.loads(FOUR), indent=4))
    row.refresh_from_db()
    assert (row.target, row.target_origin) == (None, "captured")


def test_words_that_speak_of_calls_stay_words_where_no_tool_was_offered(project, ben, give):
    row = ask(project, "What would you call?", FOUR)
    give(row, ben, "included")
    assert json.loads(freeze(project).version.examples.get().body)["messages"][-1]["content"] == FOUR


def test_the_page_shows_its_fields_and_the_editor_its_json(project, called, ben, browser_of):
    row = called()
    browser = browser_of(ben)
    page = browser.get(reverse("review_exchange", args=[project.slug, row.pk])).content.decode()
    assert 'Calls <b class="mono">gate</b>' in page
    assert "calls its tools rightly" in page
    assert "&quot;tool_calls&quot;: [\n" in page
    checked = browser.post(
        reverse("review_check", args=[project.slug, row.pk]), {"target": FOUR.replace("4", '"4"'), "version": 1}
    )
    assert "not of type &quot;integer&quot;" in checked.content.decode()


def test_arguments_that_are_broken_or_of_another_shape_are_found_before_money_is_spent(project, called):
    assert "tool-arguments" in {found.code for found in check_row(project, called("One", "{"))}
    assert {found.code for found in check_row(project, called("Two", '{"number":"4"}'))} == {"tool-schema"}
    token = {found.code for found in check_row(project, called("Three", '{"number":"<|im_end|>"}'))}
    assert "special-token" in token
