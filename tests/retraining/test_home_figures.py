"""What the home page shows of the machines, and what it says a person must do."""

import pytest

from jobs import finetunes, registry
from jobs.models import Export, RetrainingRun
from jobs.readiness import policy_of
from jobs.templatetags.loop import loop_figures
from tests.machines import drive, passed
from tests.provider_stub import Stub

pytestmark = pytest.mark.django_db


def test_a_new_project_has_nothing_and_needs_nothing(project, django_assert_max_num_queries):
    with django_assert_max_num_queries(25):
        loop = loop_figures(project)
    assert (loop.version, loop.new_rows, loop.finetune, loop.latest_evaluation) == (None, 0, None, None)
    assert (loop.points, loop.needs, loop.retraining.sentence) == ([], [], "Switched off. 0 of 50 new rows.")
    assert [(each.alias, each.model, each.is_tuned) for each in loop.serving] == [("support", "baseline", False)]


def test_the_figures_of_a_project_that_went_round(
    project, version, make_model, make_evaluation, include, django_assert_max_num_queries
):
    first = make_model("ft:1", version)
    make_evaluation(first, base=0, tuned=1)
    make_evaluation(first, base=1, tuned=3)
    registry.promote(passed(first))
    include("New?", "Yes.")
    with django_assert_max_num_queries(25):
        loop = loop_figures(project)
    assert (loop.version, loop.new_rows, loop.finetune) == (version, 1, first.finetune)
    assert [(p.version_number, p.base_share, p.tuned_share) for p in loop.points] == [(1, 0.25, 0.75)]
    assert [each.right for each in loop.latest_evaluation] == [1, 3]
    assert loop.evaluation_sentence.startswith("Tuned answers 3 of 4")
    assert [(each.model, each.version_number) for each in loop.serving] == [("ft:1", 1)]
    assert loop.needs == []


def test_a_better_model_that_nobody_promoted_needs_a_person(project, version, make_model, make_evaluation):
    model = make_model("ft:1", version)
    evaluation = make_evaluation(model, base=0, tuned=3)
    [need] = loop_figures(project).needs
    assert need.text.startswith("The model of v1 answers 3 of 4 held-out cases right, what is served now 0.")
    assert need.url == f"/projects/support/evaluations/{evaluation.pk}/"
    registry.promote(passed(model))
    registry.roll_back(registry.main_alias(project))
    assert loop_figures(project).needs == []  # somebody has decided


def test_a_model_that_is_no_better_needs_nobody(project, version, make_model, make_evaluation):
    make_evaluation(make_model("ft:1", version), base=3, tuned=3)
    assert loop_figures(project).needs == []


def test_a_blocked_fine_tune_needs_a_person(project, version, provider, stub: Stub):
    stub.create_as = "dropped"
    finetune = drive(finetunes.launch(version, provider))
    [need] = loop_figures(project).needs
    assert (need.button, need.url) == ("Decide", f"/projects/support/finetunes/{finetune.pk}/")
    assert "lists no job of this launch" in need.text


def test_what_failed_is_told_until_something_newer_replaces_it(project, version, make_model, make_evaluation):
    model = make_model("ft:1", version)
    finetune = model.finetune
    finetune.status, finetune.error = "failed", "The provider's quota is used up."
    finetune.save()
    evaluation = make_evaluation(model, base=0, tuned=0)
    evaluation.status, evaluation.error = "failed", "The key was refused."
    evaluation.save()
    Export.objects.create(version=version, split="train", status="failed", error="The disk is full.")
    RetrainingRun.objects.create(policy=policy_of(project), trigger="schedule", status="failed", error="No provider.")
    texts = [need.text for need in loop_figures(project).needs]
    assert [text.split(". ", 1)[1] for text in texts] == [
        "The provider's quota is used up.", "The key was refused.", "No provider.", "The disk is full.",
    ]  # fmt: skip
    make_evaluation(make_model("ft:2", version), base=0, tuned=0)
    assert len(loop_figures(project).needs) == 2


def test_the_next_check_is_told_while_the_rule_is_on(project):
    policy = policy_of(project)
    policy.is_enabled = True
    policy.save()
    from jobs.readiness import check

    check(policy)
    figures = loop_figures(project).retraining
    policy.refresh_from_db()
    assert figures.sentence == "Not today: 0 of 50 new rows."
    assert (figures.next_check_at - policy.last_checked_at).total_seconds() == 60
