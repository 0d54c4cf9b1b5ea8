"""What speaks for a look at a row, in words."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.signals import NAMES, WEIGHTS, Facts, Judge, Rule, likelihood, nearest_score

JSON = Judge(is_json=True)
SCHEMA = {"type": "object", "required": ["place"], "properties": {"place": {"type": "string"}}}


def codes(judge: Judge = Judge(), **known) -> list[str]:  # noqa: B008 - frozen
    return [reason.code for reason in judge.reasons(Facts(**{"prompt": "When?", "answer": "On Monday.", **known}))]


def words(judge: Judge = Judge(), **known) -> str:  # noqa: B008 - frozen
    return judge.reasons(Facts(**{"prompt": "When?", "answer": "On Monday.", **known}))[0].words


def test_a_plain_row_has_no_reason():
    assert codes() == []


def test_every_signal_has_a_name_and_a_weight():
    assert NAMES.keys() == WEIGHTS.keys()


@pytest.mark.parametrize(
    ("code", "known"),
    [
        ("feedback", {"thumbs_down": 1}),
        ("feedback", {"demonstrations": 1}),
        ("different", {"answer_count": 2}),
        ("candidate", {"dissenters": ["ft:2"]}),
        ("cut_off", {"finish_reason": "length"}),
        ("cut_off", {"finish_reason": "content_filter"}),
        ("refusal", {"answer": "I’m sorry, but I can't help with that."}),
        ("refusal", {"answer": "Es tut mir leid, das weiß ich nicht."}),
        ("invalid", {"answer": "{", "schema": SCHEMA}),
        ("invalid", {"answer": '{"place": 3}', "schema": SCHEMA}),
        ("unsure", {"likelihood": 0.2}),
        ("novel", {"nearest": 0.1}),
        ("traffic", {"seen_count": 10}),
    ],
)
def test_each_signal_by_itself(code, known):
    assert codes(**known) == [code]


@pytest.mark.parametrize(
    "known",
    [
        {"answer": "Sorry is a word that I use a lot."},
        {"answer": '{"place": "Batumi"}', "schema": SCHEMA},
        {"likelihood": 0.9},
        {"nearest": 0.8},
        {"finish_reason": "stop"},
        {"answer": None, "schema": SCHEMA},
    ],
)
def test_what_is_as_it_should_be_is_no_signal(known):
    assert codes(**known) == []


def test_json_is_only_wanted_where_the_project_or_the_call_asked_for_it():
    assert codes(answer="no JSON") == []
    assert codes(JSON, answer="no JSON") == ["invalid"]


def test_words_say_what_was_counted():
    assert words(answer_count=4, seen_count=61) == "Answered 4 ways in 61 calls"
    assert words(seen_count=1200) == "Asked 1,200 times"
    assert words(thumbs_down=3) == "An end user gave it a thumb down 3 times"
    assert words(nearest=0.12) == "Far from everything included: the nearest prompt is 12% alike"


def test_more_of_a_signal_weighs_more():
    def weight(**known) -> float:
        return JSON.reasons(Facts("When?", "{}", **known))[0].weight

    assert weight(seen_count=1000) > weight(seen_count=10)
    assert weight(answer_count=4) > weight(answer_count=2)
    assert weight(nearest=0.05) > weight(nearest=0.25)
    assert weight(likelihood=0.1) > weight(likelihood=0.4)


def test_scores_near_the_threshold():
    assert codes(JSON, answer='{"scores": [{"spam": 0.52}, {"spam": 0.99}]}') == ["threshold"]
    assert words(JSON, answer='{"spam": 0.52}') == "Its score spam is 0.52, near the threshold 0.5"
    assert codes(JSON, answer='{"spam": 0.52}') == codes(Judge(is_json=True, threshold=0.6), answer='{"spam": 0.52}')
    assert codes(Judge(is_json=True, threshold=0.8), answer='{"spam": 0.52}') == []
    assert codes(JSON, answer='{"spam": 1, "ham": 0, "sure": true, "pages": 0.5e3}') == []
    assert nearest_score('{"a": 0.41, "b": {"c": 0.49}}', 0.5) == ("c", 0.49)


def test_a_project_may_weigh_otherwise_and_silence_a_signal():
    judge = Judge(weights={"different": 0, "cut_off": 9})
    found = judge.reasons(Facts("When?", "Now", answer_count=2, finish_reason="length"))
    assert [(reason.code, reason.weight) for reason in found] == [("cut_off", 9)]


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        (("prompt", "contains", "REFUND"), True),
        (("prompt", "lacks", "refund"), False),
        (("prompt", "equals", "may i have a refund?"), True),
        (("answer", "contains", "refund"), False),
        (("answer", "empty", ""), True),
        (("prompt", "empty", ""), False),
        (("prompt", "longer", "10"), True),
        (("prompt", "longer", "ten"), False),
    ],
)
def test_rules(rule, fits):
    judge = Judge(rules=[Rule(7, *rule, 2.5, "so and so")])
    found = judge.reasons(Facts("May I have a refund?", ""))
    assert [(reason.code, reason.words, reason.weight) for reason in found] == (
        [("rule-7", "Rule: so and so", 2.5)] if fits else []
    )


def told(*logprobs: float) -> dict:
    return {"choices": [{"logprobs": {"content": [{"token": "a", "logprob": value} for value in logprobs]}}]}


def test_the_least_likely_token_is_found_whole_streamed_and_in_older_completions():
    assert likelihood(json.dumps(told(-0.1, math.log(0.25)))) == pytest.approx(0.25)
    stream = "".join(f"data: {json.dumps(told(value))}\n\n" for value in (-0.1, math.log(0.5))) + "data: [DONE]\n\n"
    assert likelihood(stream) == pytest.approx(0.5)
    old = {"choices": [{"logprobs": {"token_logprobs": [None, math.log(0.4)]}}]}
    assert likelihood(json.dumps(old)) == pytest.approx(0.4)
    assert likelihood('{"choices": [{"logprobs": null}]}') is None


nested = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(nested)
def test_no_body_can_break_the_reading_of_likelihoods(value):
    for body in (
        value,
        {"choices": value},
        {"choices": [{"logprobs": value}]},
        {"choices": [{"logprobs": {"content": value}}]},
    ):
        found = likelihood(json.dumps(body))
        assert found is None or 0 <= found <= 1


@given(st.text(), nested)
def test_no_answer_can_break_the_judge(text, value):
    for answer in (text, json.dumps(value)):
        assert isinstance(JSON.reasons(Facts(text, answer, schema=SCHEMA)), list)
