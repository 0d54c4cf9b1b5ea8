"""Graders judge the answers of a run, and one of them may decide what is right."""

import json

import pytest
from sklearn.metrics import brier_score_loss, precision_score, recall_score, roc_auc_score

from jobs import evaluations, grading, reports
from jobs.evaluations import Contender, Wish
from jobs.models import Grader
from tests.machines import drive
from tests.provider_stub import Stub

pytestmark = pytest.mark.django_db
TRUE = [{"spam": 1, "toxic": 0}, {"spam": 0, "toxic": 0}, {"spam": 1, "toxic": 1}, {"spam": 0, "toxic": 0}]
SAID = [
    {"spam": 0.9, "toxic": 0.2},
    {"spam": 0.6, "toxic": 0.1},
    {"spam": 0.4, "toxic": 0.8},
    {"spam": 0.1, "toxic": 0.3},
]


@pytest.fixture
def scored(project, include, provider, stub: Stub):
    """A version whose four held-out cases expect TRUE, and a provider that says SAID."""
    from curation.datasets import freeze

    project.answer_format = "json"
    project.save()
    for number in range(12):
        include(f"Message {number}", '{"spam": 0, "toxic": 0}')
    for number, true in enumerate(TRUE):
        include(f"Held out {number}", json.dumps(true), "test")
    stub.answer = lambda model, messages: json.dumps(SAID[int(messages[-1]["content"][-1])])
    return freeze(project).version


def compared(version, provider):
    return drive(evaluations.request_comparison(Wish(version, [Contender(provider, "one")])))


def test_scores_are_summed_up_as_scikit_learn_does(project, scored, provider):
    Grader.objects.create(project=project, name="sides", definition={"type": "scores"}, is_deciding=True)
    run = compared(scored, provider)
    [found] = grading.figures(run)
    truth = [case[name] for case in TRUE for name in ("spam", "toxic")]
    said = [case[name] for case in SAID for name in ("spam", "toxic")]
    assert found.brier == pytest.approx(brier_score_loss(truth, said))
    assert found.auc == pytest.approx(roc_auc_score(truth, said))
    assert (found.passed, found.total, found.score) == (2, 4, 0.75)
    # It decides: by the answer format none of these answers would be right.
    assert reports.summary(run)[0].right == 2
    results = run.candidates.get().results.order_by("example__position")
    assert sorted(each.grades["sides"]["note"] for each in results) == ["", "", *["other side of 0.5: spam"] * 2]


def test_labels_are_summed_up_as_scikit_learn_does(project, scored, provider, stub: Stub):
    said = [{"spam": 1}, {"spam": 1, "toxic": 1}, {"toxic": 1}, {}]
    stub.answer = lambda model, messages: json.dumps(said[int(messages[-1]["content"][-1])])
    Grader.objects.create(project=project, name="labels", definition={"type": "labels"})
    [found] = grading.figures(compared(scored, provider))
    truth = [case[name] for case in TRUE for name in ("spam", "toxic")]
    given = [case.get(name, 0) for case in said for name in ("spam", "toxic")]
    assert found.agreement.precision == pytest.approx(precision_score(truth, given))
    assert found.agreement.recall == pytest.approx(recall_score(truth, given))


def test_a_grader_that_does_not_decide_leaves_the_judgement_alone(project, scored, provider):
    Grader.objects.create(project=project, name="any", definition={"type": "json_schema", "schema": {"type": "object"}})
    run = compared(scored, provider)
    assert (reports.summary(run)[0].right, grading.figures(run)[0].passed) == (0, 4)


def test_later_changes_do_not_touch_what_was_judged(project, scored, provider):
    grader = Grader.objects.create(project=project, name="sides", definition={"type": "scores"}, is_deciding=True)
    run = compared(scored, provider)
    grader.definition = {"type": "json_equal"}
    grader.save()
    run.refresh_from_db()
    assert run.graders == [{"name": "sides", "definition": {"type": "scores"}, "is_deciding": True, "provider": None}]
    # The answers are taken over and judged anew, by what decides now.
    again = compared(scored, provider)
    assert (reports.summary(again)[0].reused, reports.summary(again)[0].right) == (4, 0)
    assert grading.figures(run)[0].passed == 2


def test_a_trial_tells_where_it_judges_otherwise(project, scored, provider):
    assert grading.trial(project, {"type": "scores"}) is None
    compared(scored, provider)
    trial = grading.trial(project, {"type": "scores"})
    assert (trial.total, trial.passed, trial.agreed) == (4, 2, 2)
    assert [(each.was_right, each.grade.passes) for each in trial.others] == [(False, True)] * 2
