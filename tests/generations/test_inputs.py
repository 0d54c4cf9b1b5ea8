"""A strong model writes inputs; what the project has already is left out, and a person chooses."""

import json
from typing import Any

import pytest
from django.db.models.functions import Now

from curation.models import LoggedCall
from jobs import generations, inputs
from jobs.inputs import inputs_in
from jobs.models import DraftedInput, InputDraft
from tests.asking import ask
from tests.machines import drive, step
from tests.provider_stub import Stub, refusal


@pytest.mark.parametrize(
    ("answer", "texts"),
    [
        ('["a", "b, c", "a"]', ["a", "b, c"]),
        ('```json\n["a", "b"]\n```', ["a", "b"]),
        ('Here they are:\n["a [x]", "b"]\nEnjoy!', ["a [x]", "b"]),
        ('{"inputs": ["a", 3, null, "b"]}', ["a", "b"]),
        ('[{"input": "a"}, {"id": 1, "text": "b"}, {"x": "1", "y": "2"}]', ["a", "b"]),
        ("1. first\n2) second one\n - third", ["first", "second one", "third"]),
        ("Sure, here are 2:\n\n- a\n- b\n\nTell me if you need more.", ["a", "b"]),
        ('"a"\n"b" and c', ["a", '"b" and c']),
        ("just\nlines", ["just", "lines"]),
        ("- 3.5 miles to go", ["3.5 miles to go"]),
        ("", []),
        ("[]", []),
        ('["\\ud800 \\u0000"]', ["\ufffd \ufffd"]),
        ('["' + "x" * 20_001 + '", "b"]', ["b"]),
        ("[" * 100_000, []),
    ],
)
def test_a_models_list_is_read_however_it_is_written(answer, texts):
    assert inputs_in(answer) == texts


@pytest.fixture
def request_of(project, provider):
    def make(**settings: Any) -> InputDraft:
        return inputs.request_inputs(project, provider, "strong", **({"task": "Find places."} | settings))

    return make


@pytest.mark.django_db
def test_inputs_are_asked_for_until_there_are_enough_and_none_is_the_same(request_of, project, stub: Stub):
    ask(project, "weather in PARIS?")
    batches = [["Weather in Paris?", "Rain in Oslo", "rain in oslo"], ["RAIN IN OSLO", "Snow in Bern"], ["Sun in Rome"]]
    stub.answer = lambda model, messages: json.dumps(batches.pop(0))
    draft = request_of(wanted_count=3, per_request=2, examples=["Fog in Kiel"])
    drive(draft)
    assert (draft.status, draft.done_count, draft.request_count) == ("succeeded", 3, 3)
    assert draft.left_out_count == 3
    assert list(draft.inputs.values_list("text", flat=True)) == ["Rain in Oslo", "Snow in Bern", "Sun in Rome"]
    asked = [body["messages"][-1]["content"] for _, path, body in stub.seen if path == "/chat/completions"]
    assert "Find places." in asked[0]
    assert "Fog in Kiel" in asked[0]
    assert "Write 2 new inputs" in asked[0]
    assert "Rain in Oslo" in asked[1]
    assert "Write 1 new inputs" in asked[2]
    assert LoggedCall.objects.count() == 1


@pytest.mark.django_db
def test_a_model_with_nothing_new_to_say_is_asked_no_more(request_of, stub: Stub):
    stub.answer = lambda model, messages: '["the same"]'
    draft = request_of(wanted_count=50)
    drive(draft)
    assert (draft.status, draft.done_count, draft.request_count) == ("succeeded", 1, 1 + inputs.MOST_BARREN)
    assert "nothing new 3 times" in draft.error


@pytest.mark.django_db
def test_a_busy_provider_is_waited_for_and_a_wrong_key_ends_it(request_of, stub: Stub):
    stub.refuse["POST /chat/completions"] = [refusal(429)]
    draft = request_of(wanted_count=1)
    step(draft)
    assert "slow down" in draft.error
    drive(draft)
    assert draft.status == "succeeded"
    stub.answer = lambda model, messages: refusal(401)
    draft = request_of(wanted_count=1)
    drive(draft)
    assert draft.status == "failed"
    assert "key" in draft.error


@pytest.mark.django_db
def test_cancel_keeps_what_was_written(request_of, stub: Stub):
    stub.answer = lambda model, messages: '["one"]'
    draft = request_of(wanted_count=9)
    draft.ask_to_cancel()
    step(draft)
    assert draft.status == "cancelled"


@pytest.mark.django_db
def test_the_chosen_become_a_generation_that_asks_nothing_yet(request_of, stub: Stub, project):
    texts = ["Rain, snow; fog", 'He said "go"', "two\nlines", "{{ input }}", "not chosen"]
    stub.answer = lambda model, messages: json.dumps(texts)
    draft = request_of(wanted_count=5)
    drive(draft)
    chosen = DraftedInput.objects.exclude(text="not chosen").values_list("pk", flat=True)
    generation = inputs.choose(draft, chosen)
    assert generation.columns == ["input"]
    assert list(generation.items.values_list("prompt", flat=True)) == texts[:4]
    assert generation.is_draft
    draft.refresh_from_db()
    assert draft.generation == generation
    generations.start(generation)
    drive(generation)
    assert project.exchanges.count() == 4
    with pytest.raises(inputs.NothingChosen):
        inputs.choose(draft, [])


@pytest.mark.django_db
def test_nothing_of_another_draft_can_be_chosen(request_of, stub: Stub):
    stub.answer = lambda model, messages: '["theirs"]'
    theirs = request_of(wanted_count=1)
    drive(theirs)
    with pytest.raises(inputs.NothingChosen):
        inputs.choose(request_of(), theirs.inputs.values_list("pk", flat=True))


@pytest.mark.django_db
def test_examples_are_what_people_included_last(project):
    rows = [ask(project, f"Question {number}") for number in range(12)]
    type(rows[0]).objects.filter(pk=rows[2].pk).update(included=Now(), state="included")
    likely = inputs.likely_examples(project)
    assert [row.pk for row in likely[:3]] == [rows[2].pk, rows[11].pk, rows[10].pk]
    assert len(likely) == inputs.EXAMPLES
