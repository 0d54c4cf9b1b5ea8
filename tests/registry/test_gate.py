"""The gate's rules, each with its numbers in words; and where the numbers come from."""

import pytest

from jobs import gating
from jobs.gate import Figures, Limits, Slice, has_passed, judge, summed_up
from jobs.models import EvaluationResult, GateCheck, GatePolicy

GOOD = Figures(alias="support", total=100, before=80, after=90, fixed=12, broken=2, p95_ms=400, price=0.5)


def verdicts(figures: Figures, limits: Limits = Limits()) -> dict[str, tuple[str, str]]:  # noqa: B008
    return {check.code: (check.verdict.value, check.words) for check in judge(figures, limits)}


@pytest.mark.parametrize(
    ("changed", "limits", "code", "verdict", "words"),
    [
        ({}, {}, "gain", "passed", "90 of 100 right, what “support” serves now 80: +10.0 points (12 fixed, 2 broken"),
        ({"after": 80}, {}, "gain", "failed", "+0.0 points (12 fixed, 2 broken; 95 % sure between"),
        ({"after": 78}, {"minimum_gain": -2}, "gain", "passed", "; at least -2 asked."),
        ({"before": None}, {}, "gain", "failed", "was not compared with what “support” serves now"),
        ({"total": 0, "before": None}, {}, "gain", "failed", "nothing is known of this model"),
        ({}, {}, "chance", "skipped", "p = 0.013; no limit is set"),
        ({}, {"most_chance": 0.05}, "chance", "passed", "p = 0.013; at most 0.05 allowed"),
        ({"fixed": 3, "broken": 0}, {"most_chance": 0.05}, "chance", "failed", "p = 0.25; at most 0.05"),
        ({"fixed": 2, "broken": 12}, {"most_chance": 0.05}, "chance", "failed", "p = 0.013"),
        (
            {"fixed": 0, "broken": 3},
            {"most_chance": 0.05, "minimum_gain": -3},
            "chance",
            "passed",
            "must not be proven",
        ),
        (
            {"fixed": 0, "broken": 9},
            {"most_chance": 0.05, "minimum_gain": -3},
            "chance",
            "failed",
            "must not be proven",
        ),
        ({"must_pass": 3}, {}, "must_pass", "passed", "All 3 cases that must be right are right."),
        ({"must_pass": 3, "missed": ["row 7"]}, {}, "must_pass", "failed", "1 of 3 cases that must be right is wrong"),
        ({}, {}, "must_pass", "skipped", "No held-out case is marked"),
        ({"slices": [Slice("tag night", 10, 9, 7)]}, {}, "slices", "failed", "“tag night” 9 → 7 of 10"),
        ({"slices": [Slice("tag night", 10, 9, 8)]}, {}, "slices", "passed", "None of 1 parts"),
        ({"slices": [Slice("tag night", 4, 4, 0)]}, {}, "slices", "skipped", "No part of the cases has 5 cases"),
        ({"slices": [Slice("tag night", 10, 9, 0)]}, {"most_slice_loss": None}, "slices", "skipped", "No limit"),
        ({"valid": 94, "checked": 100}, {}, "validity", "failed", "94 of 100 answers have the shape asked for, 94.0 %"),
        ({"valid": 95, "checked": 100}, {}, "validity", "passed", "at least 95 % asked"),
        ({}, {}, "validity", "skipped", "no shape to check"),
        ({}, {"most_p95_ms": 399}, "latency", "failed", "took 400 ms or less; at most 399 ms allowed"),
        ({}, {"most_p95_ms": 400}, "latency", "passed", "took 400 ms or less"),
        ({"p95_ms": None}, {"most_p95_ms": 400}, "latency", "failed", "not known"),
        ({}, {"most_price": 0.4}, "price", "failed", "1,000 calls cost $0.5; at most $0.4 allowed"),
        ({"price": None}, {"most_price": 0.4}, "price", "failed", "not known"),
        ({}, {}, "price", "skipped", "No limit"),
    ],
)
def test_each_rule_says_its_numbers(changed, limits, code, verdict, words):
    got, said = verdicts(Figures(**{**GOOD.__dict__, **changed}), Limits(**limits))[code]
    assert got == verdict
    assert words in said


def test_one_rule_that_fails_stops_all():
    assert has_passed(judge(GOOD, Limits()))
    checks = judge(GOOD, Limits(most_p95_ms=1, most_price=0.1))
    assert not has_passed(checks)
    assert summed_up(checks).startswith("Stopped: 95 of 100 answers took 400 ms")
    assert not has_passed([])


@pytest.fixture
def model(make_model, version):
    return make_model("ft:1", version)


def answer_all(run, role: str, text: str) -> None:
    EvaluationResult.objects.filter(candidate__run=run, candidate__role=role).update(answer=text)


@pytest.mark.django_db
def test_the_figures_come_from_the_paired_answers(project, model, make_evaluation, include):
    run = make_evaluation(model, base=2, tuned=3)
    tag = project.tags.create(name="night")
    tag.exchanges.add(*project.exchanges.filter(split="test"))
    figures = gating.look(project.aliases.get(), model).figures
    assert (figures.total, figures.before, figures.after, figures.fixed, figures.broken) == (4, 2, 3, 1, 0)
    assert figures.slices == (Slice("tag night", 4, 2, 3),)
    assert (figures.p95_ms, figures.price, figures.checked) == (5, None, 0)
    project.answer_format, project.answer_schema = "json", {"type": "object", "required": ["lift"]}
    project.save()
    model.project.refresh_from_db()
    answer_all(run, "tuned", '{"lift": 4}')
    figures = gating.look(project.aliases.get(), model).figures
    assert (figures.valid, figures.checked) == (4, 4)
    answer_all(run, "tuned", '{"stairs": 4}')
    assert gating.look(project.aliases.get(), model).figures.valid == 0


@pytest.mark.django_db
def test_a_verdict_keeps_its_limits_and_figures(project, model, make_evaluation):
    make_evaluation(model, base=2, tuned=3)
    gate = gating.pass_judgement(project.aliases.get(), model)
    GatePolicy.objects.update(minimum_gain=50)
    gate.refresh_from_db()
    assert gate.is_passed
    assert (gate.limits["minimum_gain"], gate.figures["fixed"]) == (1, 1)
    assert GateCheck.objects.filter(result=gate).count() == 7
    assert not gating.look(project.aliases.get(), model).is_passed
