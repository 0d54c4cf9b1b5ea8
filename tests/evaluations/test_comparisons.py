"""Any candidates on the held-out cases: which prompt, how often, how fast, for how much, and nothing asked twice."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from curation.prices import keep_price
from jobs import answering, evaluations, reports
from jobs.evaluations import Contender, Wish
from jobs.models import EvaluationResult, EvaluationRun
from tests.machines import drive, step
from tests.provider_stub import Stub

pytestmark = pytest.mark.django_db
Status = EvaluationRun.Status
CHAT = "POST /chat/completions"


@pytest.fixture
def compare(version, provider):
    """`compare("small", ("big", "captured"), repeats=2)`: a comparison that was asked for and not begun."""

    def make(*models, **wish) -> EvaluationRun:
        named = [(model, "training", "") if isinstance(model, str) else (*model, "")[:3] for model in models]
        contenders = [Contender(provider, *each) for each in named]
        return evaluations.request_comparison(Wish(version, contenders, **wish))

    return make


def asked(stub: Stub) -> list[dict]:
    return [body for method, path, body in stub.seen if f"{method} {path}" == CHAT]


def test_each_candidate_gets_the_same_turns_under_its_own_system_prompt(compare, stub: Stub):
    drive(compare("one", ("two", "captured"), ("three", "own", "Say it in Latin."), ("four", "own", "")))
    systems = {body["model"]: [each for each in body["messages"] if each["role"] == "system"] for body in asked(stub)}
    assert systems == {
        "one": [{"role": "system", "content": "Answer briefly."}],
        "two": [{"role": "system", "content": "A long prompt."}],
        "three": [{"role": "system", "content": "Say it in Latin."}],
        "four": [],
    }
    questions = {body["model"]: set() for body in asked(stub)}
    for body in asked(stub):
        questions[body["model"]].add(body["messages"][-1]["content"])
    assert len(questions["one"]) == 4
    assert len({frozenset(each) for each in questions.values()}) == 1


def test_what_was_asked_word_for_word_is_not_asked_again(compare, stub: Stub):
    stub.answer = lambda model, messages: "Answer 3." if messages[-1]["content"] == "Question 3?" else "No."
    drive(compare("one"))
    again = drive(compare("one", ("one", "captured")))
    assert stub.count(CHAT) == 8
    same, other = reports.summary(again)
    assert (same.right, same.total, same.reused, other.reused) == (1, 4, 4, 0)
    assert again.status == Status.SUCCEEDED
    third = drive(compare("one"))
    # What is taken over is named by whoever paid for it, not by whoever took it over.
    origin = set(EvaluationResult.objects.filter(candidate__run=third).values_list("reused__reused", flat=True))
    assert origin == {None}
    assert stub.count(CHAT) == 8


def test_old_answers_and_failed_ones_are_asked_anew_and_so_is_everything_where_it_is_wanted(compare, stub: Stub):
    first = drive(compare("one"))
    drive(compare("one", asks_again=True))
    assert stub.count(CHAT) == 8
    EvaluationRun.objects.update(created_at=timezone.now() - answering.REUSED_FOR - timedelta(minutes=1))
    drive(compare("one"))
    assert stub.count(CHAT) == 12
    EvaluationResult.objects.exclude(candidate__run=first).update(error="The model gave no text.", answer=None)
    drive(compare("one"))
    assert stub.count(CHAT) == 16


def test_the_same_case_is_asked_several_times_and_most_answers_count(compare, stub: Stub):
    times: dict[str, int] = {}

    def sometimes(model, messages):
        question = messages[-1]["content"]
        times[question] = times.get(question, 0) + 1
        number = question.removeprefix("Question ").removesuffix("?")
        # Number 3 is right twice of three times, number 7 once, number 11 always, number 15 never.
        return f"Answer {number}." if times[question] <= {"3": 2, "7": 1, "11": 3, "15": 0}[number] else "No."

    stub.answer = sometimes
    run = drive(compare("one", repeats=3))
    [one] = reports.summary(run)
    assert (run.total_count, stub.count(CHAT)) == (12, 12)
    assert (one.right, one.total, one.wavering, one.answers) == (2, 4, 2, 12)


def test_a_budget_stops_the_run_before_it_costs_more_and_a_higher_one_completes_it(compare, provider, stub: Stub):
    keep_price(provider, "one", None, input=Decimal(1000), output=Decimal(10000))
    run = compare("one", budget=Decimal("0.0001"))
    drive(run)
    assert (run.is_parked, stub.count(CHAT)) == (True, 0)
    assert "4 answers are missing. Raise the budget to go on." in run.error
    assert evaluations.raise_budget(run, Decimal(10))
    run.refresh_from_db()
    drive(run)
    assert run.status == Status.SUCCEEDED
    # Seven tokens read at 0.001 dollars and three written at 0.01, four times.
    assert run.spent == Decimal("0.148")
    assert reports.summary(run)[0].dollars_per_1000 == pytest.approx(37)
    assert not evaluations.raise_budget(run, Decimal(20))


def test_a_budget_is_never_exceeded_while_several_are_asked_at_once(compare, provider, stub: Stub):
    keep_price(provider, "one", None, input=Decimal(1000), output=Decimal(10000))
    run = compare("one", budget=Decimal("1.5"))
    drive(run)
    run.refresh_from_db()
    assert run.spent <= run.budget
    assert 0 < stub.count(CHAT) <= 4


def test_a_pace_is_kept_over_a_workers_turns(compare, stub: Stub):
    run = compare("one", per_minute=1)
    step(run)
    assert stub.count(CHAT) == 1
    assert run.status == Status.RUNNING
    assert (run.next_attempt_at - timezone.now()).total_seconds() > 40


def test_the_first_token_is_timed_on_a_stream(compare, stub: Stub):
    stub.answer = lambda model, messages: messages[-1]["content"].replace("Question", "Answer").replace("?", ".")
    drive(compare("one"))
    run = drive(compare("one", measures_first_token=True))
    [one] = reports.summary(run)
    assert (one.right, one.total, one.reused) == (4, 4, 0)
    assert 0 < one.first_p50_ms <= one.p50_ms
    assert (one.prompt_tokens, one.completion_tokens) == (7, 3)
    assert asked(stub)[-1]["stream_options"] == {"include_usage": True}
    # An answer with its first token serves a run that does not ask for it as well.
    assert stub.count(CHAT) == 8
    drive(compare("one", measures_first_token=True))
    assert stub.count(CHAT) == 8


def test_a_service_without_stream_options_is_asked_without_them(compare, stub: Stub):
    stub.takes_stream_options = False
    run = drive(compare("one", measures_first_token=True))
    assert run.status == Status.SUCCEEDED
    assert EvaluationResult.objects.filter(error="", first_token_ms__gt=0).count() == 4


def test_answers_are_held_against_the_projects_schema(compare, project, stub: Stub):
    project.answer_format = "json"
    project.answer_schema = {"type": "object", "required": ["city"]}
    project.save()
    said = {"3": '{"city": null}', "7": "{}", "11": "no JSON", "15": '{"city": "Rome", "state": null}'}
    stub.answer = lambda model, messages: said[messages[-1]["content"][9:-1]]
    [one] = reports.summary(drive(compare("one")))
    assert (one.schema_missed, one.schema_total) == (2, 4)


def test_the_price_is_told_before_anything_is_sent(version, provider, stub: Stub):
    keep_price(provider, "dear", None, input=Decimal(2), output=Decimal(8))
    wish = Wish(version, [Contender(provider, "dear"), Contender(provider, "unknown")], repeats=2)
    dear, unknown = evaluations.estimate(wish)
    assert (dear.calls, unknown.calls, unknown.dollars) == (8, 8, None)
    tokens = sum(version.examples.filter(split="test").values_list("o200k_tokens", flat=True))
    assert dear.dollars == pytest.approx(2 * tokens * (2 + 8 / 3) / 1_000_000)
    longer = evaluations.estimate(Wish(version, [Contender(provider, "dear", "own", "word " * 1000)]))[0]
    assert longer.dollars > dear.dollars
    assert stub.seen == []
