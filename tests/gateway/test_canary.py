"""A model tried on a share of the calls through the real gateway, which turns bad there and is taken back."""

from collections.abc import Callable
from typing import Any

import openai
import pytest

from curation.models import DatasetVersion
from jobs import registry
from jobs.models import FineTune, ModelVersion
from tests.machines import passed, step

from .conftest import Wired
from .servers import eventually

CALLERS = [f"caller {number}" for number in range(40)]
BAD = "bad ft:1"  # the provider fails whoever asks that model


@pytest.fixture
def model(wired: Wired) -> ModelVersion:
    """A tuned model at the provider of the project."""
    project, provider = wired.project, wired.project.default_provider
    about = {"project": project, "provider": provider, "base_model": "base-1"}
    version = DatasetVersion.objects.create(project=project, number=1, content_hash="0", train_count=1, test_count=1)
    finetune = FineTune.objects.create(**about, version=version, status="succeeded", fine_tuned_model="ft:1")
    return ModelVersion.objects.create(**about, version=version, finetune=finetune, name="ft:1")


def test_a_canary_that_turns_bad_is_taken_back_for_its_callers(wired: Wired, model, ask: Callable[..., Any]):
    client = wired.client()

    def served(caller: str, stub: str = "ok") -> str:
        try:
            return ask(client, model="support", user=caller, stub=stub).model.removesuffix("-2026")
        except openai.InternalServerError:
            return "error"

    assert {served(caller) for caller in CALLERS} == {"base-1"}
    watch = registry.promote(passed(model), share=50).watch
    eventually(lambda: "ft:1" in {served(caller) for caller in CALLERS})
    first = {caller: served(caller) for caller in CALLERS}
    assert set(first.values()) == {"base-1", "ft:1"}
    assert {caller: served(caller) for caller in CALLERS} == first  # a caller stays with a model

    # It turns bad: its callers alone are told so, as the provider says it.
    bad = {caller: served(caller, BAD) for caller in CALLERS}
    assert bad == {caller: "error" if name == "ft:1" else "base-1" for caller, name in first.items()}
    errors = list(bad.values()).count("error")
    eventually(lambda: wired.project.calls.filter(outcome="failed").count() == errors)
    step(watch)
    assert watch.rolled_back is not None, watch.outcome
    assert watch.rolled_back.evidence["now"]["errors"] == errors
    eventually(lambda: {served(caller, BAD) for caller in CALLERS} == {"base-1"})
