"""Once round the circle by itself: freeze, export, fine-tune, evaluate, decide."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from curation.datasets import freeze
from jobs import finetunes, readiness, registry, retraining
from jobs.models import (
    EvaluationRun,
    Export,
    FineTune,
    GatePolicy,
    ModelVersion,
    Promotion,
    PromotionRequest,
    RetrainingPolicy,
    RetrainingRun,
)
from tests.machines import drive, passed, step
from tests.provider_stub import Stub, refusal

pytestmark = pytest.mark.django_db
Step, Status, Trigger = RetrainingRun.Step, RetrainingRun.Status, RetrainingRun.Trigger
TUNED = "ft:base:test:support:1"


def knows_it(model, messages):
    number = messages[-1]["content"].removeprefix("Question ").removesuffix("?")
    return f"Answer {number}." if model.startswith("ft:") else "I do not know."


@pytest.fixture
def policy(project, provider, stub: Stub, include) -> RetrainingPolicy:
    """Switched on, promotes by itself, and 16 rows are new of 16 wanted."""
    stub.answer = knows_it
    for number in range(16):
        include(f"Question {number}?", f"Answer {number}.", "test" if number % 4 == 3 else "train")
    policy = readiness.policy_of(project)
    policy.is_enabled, policy.minimum_new_count, policy.when_better = True, 16, "promote"
    policy.minimum_hours = 0
    policy.save()
    return policy


def bring(run: RetrainingRun, at: str) -> RetrainingRun:
    """Let workers go on until the round is at this step, and not further."""
    while run.step != at:
        for job in [*Export.objects.unfinished(), *FineTune.objects.unfinished()]:
            step(job)
        step(run)
    return run


def serves(policy: RetrainingPolicy) -> str:
    return policy.project.aliases.get().model


def test_enough_is_new_and_the_better_model_is_promoted(policy, stub: Stub):
    [run] = readiness.check_all()
    assert policy.runs.get() == run
    drive(run)
    assert (run.status, run.step, run.trigger) == (Status.SUCCEEDED, Step.DONE, Trigger.SCHEDULE)
    assert run.outcome == (
        "Tuned answers 4 of 4 held-out cases right, base 0 of 4. Only 4 cases: a difference of a few may be chance. "
        "Promoted as “support”."
    )
    assert serves(policy) == TUNED
    assert run.promotion == Promotion.objects.get()
    assert (run.promotion.evaluation, run.promotion.model_version) == (run.evaluation, run.finetune.model_version)
    assert stub.create_count == 1


def test_each_check_says_why_it_does_nothing(policy, project, include, stub: Stub):
    policy.minimum_new_count = 20
    policy.save()
    assert readiness.check_all() == []
    policy.refresh_from_db()
    assert policy.last_finding == "Not today: 16 of 20 new rows."
    assert policy.last_checked_at
    assert readiness.find(RetrainingPolicy(project=project, minimum_new_count=9)).sentence == (
        "Switched off. 16 new rows, 9 are enough."
    )
    for number in range(16, 20):
        include(f"Question {number}?", f"Answer {number}.")
    [run] = readiness.check_all()
    assert readiness.check_all() == []
    policy.refresh_from_db()
    assert policy.last_finding == f"Not now: retraining {run.pk} is under way."
    drive(run)
    assert readiness.check(policy).sentence == "Not today: 0 of 20 new rows."
    policy.is_enabled = False
    assert readiness.check(policy).sentence == "Switched off. 0 of 20 new rows."
    project.default_provider = None
    project.save()
    policy = RetrainingPolicy.objects.get()
    assert "Choose one in its settings" in readiness.check(policy).sentence
    assert stub.create_count == 1


def test_a_person_is_asked_when_the_policy_says_so(policy):
    RetrainingPolicy.objects.update(when_better="ask")
    [run] = readiness.check_all()
    assert drive(run).outcome.endswith("It passed the gate; a person promotes it.")
    assert serves(policy) == "base"


def test_a_model_that_is_no_better_is_not_promoted(policy, stub: Stub):
    stub.answer = lambda model, messages: "I do not know."
    [run] = readiness.check_all()
    assert "Not promoted. Stopped: 0 of 4 right, what “support” serves now 0: +0.0 points" in drive(run).outcome
    assert (run.status, serves(policy), run.gate.is_passed) == (Status.SUCCEEDED, "base", False)


def test_it_is_compared_with_what_is_served_now_not_with_the_base(policy, include, stub: Stub):
    drive(readiness.check_all()[0])
    for number in range(16, 32):
        include(f"Question {number}?", f"Answer {number}.")
    stub.model = "ft:second"
    [run] = readiness.check_all()
    assert "Not promoted. Stopped: 4 of 4 right, what “support” serves now 4: +0.0 points" in drive(run).outcome
    assert serves(policy) == TUNED


def test_where_two_people_are_wanted_the_rule_asks_and_one_person_approves(policy, project, person):
    GatePolicy.objects.create(project=project, needs_two_people=True)
    [run] = readiness.check_all()
    assert drive(run).outcome.endswith("It passed the gate; another person approves it for “support”.")
    assert serves(policy) == "base"
    registry.approve(PromotionRequest.objects.get(requested_by=None), person("olga"))
    assert serves(policy) == TUNED


def test_an_alias_moved_meanwhile_is_left_alone(policy, project, make_model):
    run = bring(readiness.start(policy, Trigger.PERSON), Step.EVALUATE)
    registry.promote(passed(make_model("ft:by-hand", run.version)))
    drive(run)
    assert "“support” was moved meanwhile; a person decides." in run.outcome
    assert serves(policy) == "ft:by-hand"


def test_nothing_new_ends_with_a_sentence_on_the_schedule_and_goes_on_for_a_person(policy, stub: Stub):
    drive(readiness.check_all()[0])
    by_rule = RetrainingRun.objects.create(policy=policy, trigger=Trigger.SCHEDULE)
    drive(by_rule)
    assert by_rule.status == Status.SUCCEEDED
    assert by_rule.outcome.startswith("Nothing is new since v1, which fine-tune ")
    assert stub.create_count == 1
    stub.model = "ft:again"
    by_hand = drive(readiness.start(policy, Trigger.PERSON))
    assert by_hand.outcome.startswith("Nothing is new since v1, which fine-tune ")
    assert "Tuned answers 4 of 4" in by_hand.outcome
    assert stub.create_count == 2


def test_a_fine_tune_that_is_under_way_is_joined(policy, project, provider, stub: Stub):
    finetune = finetunes.launch(freeze(project).version, provider)
    run = drive(readiness.start(policy, Trigger.PERSON))
    assert (run.finetune, run.status, stub.create_count) == (finetune, Status.SUCCEEDED, 1)


def test_too_few_rows_to_train_on_are_said(project, provider, include):
    include("Question 1?", "Yes.")
    run = drive(readiness.start(readiness.policy_of(project), Trigger.PERSON))
    assert run.status == Status.FAILED
    assert "has 1 training examples; providers want at least 10" in run.error


def test_nothing_included_is_said(project, provider):
    run = drive(readiness.start(readiness.policy_of(project), Trigger.PERSON))
    assert (run.status, run.version) == (Status.FAILED, None)
    assert "Nothing is included yet" in run.error


def test_a_fine_tune_that_fails_ends_the_round_in_its_words(policy, stub: Stub):
    stub.create_as = refusal(403, "training_not_available")
    [run] = readiness.check_all()
    drive(run)
    assert run.status == Status.FAILED
    assert "no longer lets your organisation create" in run.error


def test_a_blocked_fine_tune_is_waited_for_and_its_successor_taken_over(policy, stub: Stub):
    stub.create_as = "dropped"
    [run] = readiness.check_all()
    for _ in range(20):
        drive(run, steps=1)
    assert (run.status, run.finetune.step) == (Status.RUNNING, FineTune.Step.BLOCKED)
    stub.create_as = "ok"
    new = finetunes.relaunch(run.finetune, None)
    drive(run)
    assert (run.status, run.finetune) == (Status.SUCCEEDED, new)


def test_without_held_out_cases_it_is_not_promoted(project, provider, include):
    for number in range(10):
        include(f"Question {number}?", "Yes.")
    policy = readiness.policy_of(project)
    policy.when_better = "promote"
    policy.save()
    run = drive(readiness.start(policy, Trigger.PERSON))
    assert run.status == Status.SUCCEEDED
    assert "Trained, but not promoted: v1 has no held-out case" in run.outcome


def test_a_failed_evaluation_is_repeated_once_somebody_starts_again(policy, stub: Stub):
    stub.answer = lambda model, messages: refusal(401)
    [run] = readiness.check_all()
    assert drive(run).status == Status.FAILED
    assert "does not accept the key" in run.error


@pytest.mark.parametrize("at", [Step.FREEZE, Step.FINETUNE, Step.EVALUATE])
def test_cancelled_at_each_step_it_stops_what_it_began(policy, stub: Stub, at):
    stub.statuses = ["running"] if at == Step.FINETUNE else ["succeeded"]
    run = bring(readiness.start(policy, Trigger.PERSON), at)
    while at == Step.FINETUNE and not (run.finetune and run.finetune.provider_job_id):
        drive(run, steps=1)
    retraining.request_cancel(run)
    assert drive(run).status == Status.CANCELLED
    for job in [*FineTune.objects.unfinished(), *EvaluationRun.objects.unfinished()]:
        drive(job)
    assert not FineTune.objects.filter(status="running").exists()
    if at == Step.FINETUNE:
        assert stub.jobs["ftjob-1"]["status"] == "cancelled"
    if at == Step.EVALUATE:
        assert EvaluationRun.objects.get().status == Status.CANCELLED
    assert not retraining.request_cancel(run)


def test_a_fine_tune_of_somebody_else_goes_on_when_the_round_is_cancelled(policy, project, provider, stub: Stub):
    finetune = finetunes.launch(freeze(project).version, provider)
    run = readiness.start(policy, Trigger.PERSON)
    while run.finetune is None:
        step(run)
    retraining.request_cancel(run)
    drive(run)
    finetune.refresh_from_db()
    assert finetune.cancel_requested_at is None


class Crash(BaseException):
    """Stands for the end of a worker's process at this point; no handler may catch it."""


@pytest.mark.parametrize("writes", range(1, 10))
def test_a_crash_before_any_write_is_resumed_without_a_second_job(policy, stub: Stub, monkeypatch, writes):
    """The worker of the round ends before its first, second, … write; the next worker brings the round to its end."""
    [run] = readiness.check_all()
    count = {"left": writes}
    write = RetrainingRun._write

    def crash(job, **changes):
        count["left"] -= 1
        if count["left"] == 0:
            raise Crash
        return write(job, **changes)

    monkeypatch.setattr(RetrainingRun, "_write", crash)
    for _ in range(40):
        try:
            drive(run, steps=1)
        except Crash:
            run.refresh_from_db()
    assert (run.status, serves(policy)) == (Status.SUCCEEDED, TUNED)
    assert (stub.create_count, ModelVersion.objects.count(), Promotion.objects.count()) == (1, 1, 1)
    assert policy.project.versions.count() == 1


@pytest.mark.django_db(transaction=True)
def test_ten_beats_and_people_at_once_start_one_round(policy):
    def begin(number: int) -> None:
        try:
            if number % 2:
                readiness.check_all()
            else:
                readiness.start(policy, Trigger.PERSON)
        except readiness.AlreadyRunning:
            pass
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(begin, range(10)))
    assert RetrainingRun.objects.count() == 1
