"""A model's opinion: asked in both orders, kept, marked as one, and never what decides."""

import json
from decimal import Decimal

import pytest

from curation.models import Membership
from curation.prices import keep_price
from jobs import evaluations, grading, reports
from jobs.evaluations import Contender, Wish
from jobs.graders import KINDS, fault_in_definition
from jobs.graders.judge import INPUT, REFERENCE, opinion, questions
from jobs.models import EvaluationRun, Grader, Judgement
from tests.machines import drive, step
from tests.provider_stub import Stub, refusal

pytestmark = pytest.mark.django_db
CHAT = "POST /chat/completions"
RUBRIC = {**KINDS["score_model"].example, "model": "judge"}


def answers(model, messages):
    """The judge likes answers to number 3, and those it reads first; the candidate knows nothing."""
    if model != "judge":
        return "No."
    texts = [message["content"] for message in messages if message["role"] == "user"]
    likes = 1.0 if "Answer 3." in "".join(texts) else 0.5 if texts[0].startswith("Answer to judge") else 0.0
    return json.dumps({"score": likes, "reason": "So I think."})


@pytest.fixture
def grader(project, provider, stub: Stub) -> Grader:
    stub.answer = answers
    return Grader.objects.create(project=project, name="polite", definition=RUBRIC, provider=provider)


def compared(version, provider, **wish) -> EvaluationRun:
    return evaluations.request_comparison(Wish(version, [Contender(provider, "one")], **wish))


def test_every_answer_gets_its_opinion_in_both_orders(grader, version, provider, stub: Stub):
    run = drive(compared(version, provider))
    assert (run.status, run.done_count, run.total_count) == ("succeeded", 8, 8)
    assert stub.count(CHAT) == 4 + 4 * 2
    [found] = grading.figures(run)
    assert (found.passed, found.total, found.score, found.is_opinion) == (1, 4, (1 + 3 * 0.25) / 4, True)
    notes = {each.grades["polite"]["note"] for each in run.candidates.get().results.all()}
    assert notes == {"So I think.", "0.00 and 0.50 by order of the texts. So I think."}
    # What is right is judged by the answer format alone.
    assert reports.summary(run)[0].right == 0


def test_an_opinion_is_paid_for_once(grader, version, provider, stub: Stub):
    keep_price(provider, "judge", None, input=Decimal(1000), output=Decimal(1000))
    first = drive(compared(version, provider))
    assert first.spent == Decimal("0.08")  # eight times seven tokens read and three written
    asked = stub.count(CHAT)
    again = drive(compared(version, provider))
    assert (stub.count(CHAT), again.spent, grading.figures(again)[0].passed) == (asked, 0, 1)


def test_a_judge_that_is_away_is_waited_for_and_nothing_is_asked_twice(grader, version, provider, stub: Stub):
    run = compared(version, provider)
    while Judgement.objects.count() < 3:
        stub.refuse[CHAT] = []
        step(run)
        if run.is_finished:
            break
    asked = stub.count(CHAT)
    run = drive(run)
    assert run.status == "succeeded"
    assert stub.count(CHAT) == 12 >= asked
    late = compared(version, provider, asks_again=True)
    Judgement.objects.all().delete()
    stub.answer = lambda model, messages: refusal(503, kind="server_error") if model == "judge" else "No."
    step(late)
    assert (late.status, late.done_count) == ("running", 4)
    assert "error of its own (503)" in late.error
    stub.answer = answers
    assert drive(late).status == "succeeded"


def test_a_budget_holds_opinions_too(grader, version, provider, stub: Stub):
    keep_price(provider, "judge", None, input=Decimal(1000), output=Decimal(1000))
    run = drive(compared(version, provider, budget=Decimal("0.3")))
    assert run.is_parked
    assert run.spent <= run.budget
    assert "Raise the budget to go on." in run.error


def test_what_is_no_opinion_is_kept_as_it_was_said(grader, version, provider, stub: Stub):
    stub.answer = lambda model, messages: "I like it\0!" if model == "judge" else "No."
    run = drive(compared(version, provider))
    [found] = grading.figures(run)
    assert (found.passed, found.total) == (0, 4)
    assert {each.said for each in Judgement.objects.all()} == {"I like it\ufffd!"}
    assert run.candidates.get().results.first().grades["polite"]["note"] == "the model gave no score"


def test_opinions_are_counted_before_anything_is_sent(grader, version, provider, stub: Stub):
    keep_price(provider, "judge", None, input=Decimal(1), output=Decimal(1))
    lines = evaluations.estimate(Wish(version, [Contender(provider, "one"), Contender(provider, "two")]))
    assert [(line.label, line.calls) for line in lines] == [("one", 4), ("two", 4), ("Opinion: polite", 16)]
    assert lines[-1].dollars > 0
    assert stub.seen == []


def test_texts_are_put_in_as_texts_and_never_as_marks():
    [straight, turned] = questions(RUBRIC, f"I say {INPUT}", f"and I {REFERENCE}")
    assert straight[2]["content"] == f"Reference: <text>I say {INPUT}</text>"
    assert straight[3]["content"] == f"Answer to judge: <text>and I {REFERENCE}</text>"
    assert [turned[2], turned[3]] == [straight[3], straight[2]]
    one = {"model": "m", "input": [{"role": "user", "content": f"{INPUT} or {REFERENCE}?"}]}
    assert [each[-1]["content"] for each in questions(one, REFERENCE, INPUT)] == [
        f"<text>{INPUT}</text> or <text>{REFERENCE}</text>?"
    ]


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ('{"score": 1}', 1), ('```json\n{"score": 0.5, "reason": "x"}\n```', 0.5), ('{"score": 2}', None),
        ('{"score": true}', None), ('{"score": "1"}', None), ("0.5", None), ("", None), (None, None),
        ("[" * 99999, None),
        ('{"score": NaN}', None),
    ],
)  # fmt: skip
def test_an_opinion_is_a_score_from_0_to_1(said, score):
    found = opinion(said)
    assert (found and found["score"]) == score


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": ""}, "“model” names"),
        ({"input": "Score"}, "in which {{sample.output_text}} stands once"),
        ({"input": [{"role": "user", "content": "Score"}]}, "stands once"),
        ({"input": [{"role": "assistant", "content": INPUT}]}, "stands once"),
        ({"input": [{"role": "user", "content": INPUT * 2}]}, "stands once"),
        ({"pass_threshold": 7}, "from 0 to 1"),
    ],
)
def test_what_is_no_rubric_is_said_in_words(changes, words):
    assert fault_in_definition(RUBRIC) == ""
    assert words in fault_in_definition(RUBRIC | changes)
    part = {"type": "multi", "graders": {"a": RUBRIC}, "calculate_output": "a"}
    assert "stands by itself" in fault_in_definition(part)


def test_an_opinion_never_decides_and_is_not_tried(person, browser_of, provider, stub: Stub):
    olga = browser_of(person("olga", Membership.Role.OPERATOR))
    sent = {"name": "polite", "definition": json.dumps(RUBRIC)}
    url = "/projects/support/graders/new/"
    assert "Choose whose model is asked." in olga.post(url, sent).content.decode()
    sent |= {"provider": provider.pk}
    assert "never decides" in olga.post(url, sent | {"is_deciding": "on"}).content.decode()
    assert "each asking costs" in olga.post(url, sent | {"try": "1"}).content.decode()
    assert olga.post(url, sent).status_code == 302
    assert (Grader.objects.get().provider, stub.seen) == (provider, [])
