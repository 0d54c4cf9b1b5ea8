"""`retrain SLUG --now` and `status --json`, as scripts use them."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from jobs import readiness
from jobs.models import RetrainingRun
from tests.provider_stub import Stub, refusal

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def status(*words: str) -> dict:
    return json.loads(run("status", "--json", *words))


def test_a_round_is_driven_to_its_end_without_a_worker(version, provider, stub: Stub):
    said = run("retrain", "support", "--now").splitlines()
    assert said[0].startswith("v1: fine-tune ")
    assert said[-1].startswith("Tuned answers 0 of 4 held-out cases right, base 0 of 4.")
    assert stub.create_count == 1
    assert RetrainingRun.objects.get().status == "succeeded"


def test_without_now_it_only_says_how_things_stand(project, provider, stub: Stub):
    assert run("retrain", "support") == "Switched off. 0 of 50 new rows.\n"
    assert stub.seen == []


def test_a_round_that_fails_is_an_error(version, provider, stub: Stub):
    stub.create_as = refusal(403, "training_not_available")
    with pytest.raises(CommandError, match="no longer lets your organisation"):
        run("retrain", "support", "--now")


def test_a_round_under_way_is_followed(version, project, provider, stub: Stub):
    begun = readiness.start(readiness.policy_of(project), "person")
    assert run("retrain", "support", "--now").startswith(f"Retraining {begun.pk} is under way already. Following it.")
    assert stub.create_count == 1


def test_an_unknown_project_is_an_error(project):
    for words in (["retrain", "nowhere", "--now"], ["status", "--project", "nowhere"]):
        with pytest.raises(CommandError, match="There is no project “nowhere”"):
            run(*words)


def test_status_counts_what_there_is(version, project, provider, include):
    include("Bad?", "Yes.", state="excluded", included=None)
    include("Waiting?", "Yes.", state="pending", included=None)
    include("Put off?", "Yes.", state="later", included=None)
    run("retrain", "support", "--now")
    figures = status("--project", "support")
    jobs = figures.pop("jobs")
    assert figures == {
        "calls": 0,
        "exchanges": 19,
        "pending": 2,
        "included": 16,
        "excluded": 1,
        "versions": 1,
        "models": 1,
        "serving": {"support": "base"},
    }
    for kind in ("exports", "finetunes", "evaluations", "retrainings"):
        assert jobs[kind] == {"succeeded": 1}
    from curation.projects import create_project

    create_project("other")
    everything = status()
    assert everything["projects"]["support"] == status("--project", "support")
    assert everything["projects"]["other"]["exchanges"] == 0
    assert (everything["exchanges"], everything["jobs"]["finetunes"]) == (19, {"succeeded": 1})
    assert "included: 16" in run("status", "--project", "support")
