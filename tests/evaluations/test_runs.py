"""Held-out cases are asked of base, tuned and served model, and graded; nothing is asked twice."""

import pytest

from jobs import answering, cases, comparisons, evaluations, finetunes, registry, reports
from jobs.models import EvaluationResult, EvaluationRun, ModelVersion
from tests.machines import drive, forked, make_due, passed, step
from tests.provider_stub import Stub, refusal

pytestmark = pytest.mark.django_db
Status = EvaluationRun.Status
TUNED = "ft:base:test:support:1"
CHAT = "POST /chat/completions"


def knows_it(model, messages):
    """The tuned model knows all cases but number 7, the base knows number 3."""
    number = messages[-1]["content"].removeprefix("Question ").removesuffix("?")
    knows = number != "7" if model == TUNED else number == "3"
    return f"Answer {number}." if knows else "I do not know."


@pytest.fixture
def model(version, provider, stub: Stub) -> ModelVersion:
    """A tuned model whose evaluation is requested and not begun."""
    stub.answer = knows_it
    finetune = finetunes.launch(version, provider)
    while not finetune.is_finished:
        drive(finetune, steps=1)
    stub.seen.clear()
    return finetune.model_version


@pytest.fixture
def run(model) -> EvaluationRun:
    return model.evaluations.get()


def test_base_and_tuned_answer_the_held_out_cases(run, stub: Stub):
    drive(run)
    assert (run.status, run.done_count, run.total_count) == (Status.SUCCEEDED, 8, 8)
    base, tuned = evaluations.summary(run)
    assert (base.right, base.total, tuned.right, tuned.total) == (1, 4, 3, 4)
    assert (tuned.percent, tuned.exact, tuned.failed) == (75, 3, 0)
    assert (tuned.prompt_tokens, tuned.completion_tokens) == (7, 3)
    assert tuned.p50_ms <= tuned.p95_ms
    assert reports.sentence([base, tuned]) == (
        "Tuned answers 3 of 4 held-out cases right, base 1 of 4. Only 4 cases: a difference of a few may be chance."
    )
    asked = [body for method, path, body in stub.seen if f"{method} {path}" == CHAT]
    assert len(asked) == 8
    assert asked[0]["messages"][0] == {"role": "system", "content": "Answer briefly."}
    assert [message["role"] for message in asked[0]["messages"]] == ["system", "user"]


def test_what_is_served_now_is_asked_too_when_it_is_another_model(model, run, project, stub: Stub):
    drive(run)
    registry.promote(passed(model))
    stub.model = "ft:second"
    second = finetunes.launch(run.version, model.provider)
    drive(second)
    candidates = second.model_version.evaluations.get().candidates.all()
    assert [(each.role, each.model) for each in candidates] == [
        ("base", "base"), ("tuned", "ft:second"), ("serving", TUNED),
    ]  # fmt: skip


def test_two_who_ask_get_one_run_and_a_finished_one_may_be_repeated(model, run):
    assert evaluations.request_evaluation(model) == run
    drive(run)
    assert evaluations.request_evaluation(model) != run


def test_without_held_out_cases_there_is_nothing_to_evaluate(project, provider, include):
    from curation.datasets import freeze

    for number in range(10):
        include(f"Question {number}?", "Yes.")
    finetune = drive(finetunes.launch(freeze(project).version, provider))
    assert finetune.status == "succeeded"
    assert finetune.model_version.evaluations.count() == 0
    assert finetune.events.filter(message__contains="has no held-out case").exists()
    with pytest.raises(evaluations.NothingToEvaluate):
        evaluations.request_evaluation(finetune.model_version)


def test_a_provider_that_slows_us_down_is_waited_for_and_the_set_is_completed(run, stub: Stub):
    slow, slower = refusal(429, message="slow down"), refusal(429, message="slow down")
    slower[1]["headers"] = {"retry-after": "7"}
    stub.refuse[CHAT] = [slower, slow]  # a busy machine may have only the first of them asked before it stops
    make_due(run)
    answering.advance(run.pk)
    run.refresh_from_db()
    assert run.status == Status.RUNNING
    assert "slow down" in run.error
    assert (run.next_attempt_at - run.created_at).total_seconds() >= 6
    drive(run)
    assert run.status == Status.SUCCEEDED
    assert EvaluationResult.objects.filter(error="").count() == 8


def test_a_provider_that_stays_away_fails_the_run_in_words(run, provider, stub: Stub):
    stub.answer = lambda model, messages: refusal(500, kind="server_error")
    drive(run)
    assert run.status == Status.FAILED
    assert "error of its own (500). It said: “no” 8 answers are missing." in run.error


def test_a_model_that_is_not_everywhere_yet_is_waited_for(run, stub: Stub):
    missing = {"left": 3}

    def answer(model, messages):
        if model == TUNED and missing["left"]:
            missing["left"] -= 1
            return refusal(404, "model_not_found", f"The model {model} does not exist")
        return knows_it(model, messages)

    stub.answer = answer
    drive(run)
    assert (run.status, EvaluationResult.objects.exclude(error="").count()) == (Status.SUCCEEDED, 0)


def test_a_base_that_cannot_be_asked_counts_as_wrong_and_says_why(run, stub: Stub):
    stub.answer = lambda model, messages: (
        refusal(404, "model_not_found", "no such model") if model == "base" else knows_it(model, messages)
    )
    drive(run)
    base, tuned = evaluations.summary(run)
    assert (run.status, base.right, base.failed, tuned.right) == (Status.SUCCEEDED, 0, 4, 3)
    assert "does not know this model" in EvaluationResult.objects.filter(candidate__role="base").first().error


def test_a_case_that_is_refused_is_a_wrong_answer(run, stub: Stub):
    stub.refuse[CHAT] = [refusal(400, "context_length_exceeded", "This model's maximum context length is 100 tokens")]
    drive(run)
    assert run.status == Status.SUCCEEDED
    result = EvaluationResult.objects.get(answer=None)
    assert "maximum context length" in result.error
    assert not result.is_right


def test_a_refused_key_ends_the_run_at_once(run, stub: Stub):
    stub.answer = lambda model, messages: refusal(401, "invalid_api_key", "Incorrect key sk-canary-4711")
    drive(run)
    assert run.status == Status.FAILED
    assert "does not accept the key" in run.error
    assert "canary" not in run.error
    assert stub.count(CHAT) <= answering.THREADS


def test_a_model_that_takes_no_temperature_is_asked_without(run, stub: Stub):
    stub.takes_temperature = False
    drive(run)
    assert (run.status, evaluations.summary(run)[1].right) == (Status.SUCCEEDED, 3)


def test_an_answer_without_text_is_wrong(run, stub: Stub):
    stub.answer = lambda model, messages: None
    drive(run)
    assert run.status == Status.SUCCEEDED
    assert set(EvaluationResult.objects.values_list("answer", "error")) == {
        (None, "The model gave no text (it ended with “stop”).")
    }


def test_hostile_answers_are_kept_as_text(run, stub: Stub):
    stub.answer = lambda model, messages: "\0<script>alert(1)</script>"
    drive(run)
    assert EvaluationResult.objects.first().answer == "\ufffd<script>alert(1)</script>"


def test_cancelled_it_keeps_the_answers_that_came(run, stub: Stub):
    run.ask_to_cancel()
    drive(run)
    assert (run.status, stub.count(CHAT)) == (Status.CANCELLED, 0)


@pytest.mark.django_db(transaction=True)
def test_killed_at_the_fifth_answer_it_goes_on_with_the_rest(run, stub: Stub, monkeypatch):
    monkeypatch.setattr(answering, "THREADS", 1)
    killed = []

    def answer(model, messages):
        if stub.count(CHAT) == 5:
            killed[0].kill()
        return knows_it(model, messages)

    stub.answer = answer
    with stub.lock:
        killed.append(forked(answering.advance, run.pk))
    killed[0].join(30)
    stored = EvaluationResult.objects.count()
    assert stored in (3, 4)  # the fourth answer was on its way into its row
    stub.answer = knows_it
    drive(run)
    assert (run.status, EvaluationResult.objects.count()) == (Status.SUCCEEDED, 8)
    assert stub.count(CHAT) == 5 + 8 - stored


def test_cases_are_told_apart_by_what_the_tuning_did(run):
    drive(run)
    base, tuned = run.candidates.all()
    compared = comparisons.Comparison(base, tuned)
    changed = compared.paired
    assert (changed.fixed, changed.broken, changed.same) == (2, 0, 2)
    [fixed, *_] = cases.with_answers(run, cases.chosen(run, compared, "fixed"), cases.must_pass_of(run))
    assert (fixed.prompt, fixed.expected) == ("Question 11?", "Answer 11.")
    assert [answer.result.is_right for answer in fixed.answers] == [False, True]


def test_json_answers_are_compared_as_values(project, run, stub: Stub):
    project.answer_format = "json"
    project.save()
    drive(step(run))
    assert evaluations.summary(run)[1].right == 3
