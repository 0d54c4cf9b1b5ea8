"""What a fine-tune's page shows of its course, its pause button, and the filters of the list."""

from dataclasses import replace

import pytest
from django.urls import reverse

from curation.models import Membership
from jobs import finetunes
from jobs.models import FineTune
from tests.machines import drive, step
from tests.provider_stub import Stub

pytestmark = pytest.mark.django_db
Role = Membership.Role


@pytest.fixture
def running(version, provider, stub: Stub) -> FineTune:
    stub.statuses = ["running"]
    finetune = finetunes.launch(version, provider)
    while finetune.provider_status != "running":
        drive(finetune, steps=1)
    return finetune


@pytest.fixture
def operator(person, browser_of):
    return browser_of(person("olga", Role.OPERATOR))


def page_of(browser, finetune) -> str:
    return browser.get(reverse("finetune", args=["support", finetune.pk])).content.decode()


def test_pause_and_resume_are_buttons(operator, running, stub: Stub):
    pause = reverse("finetune_pause", args=["support", running.pk])
    assert 'value="pause">Pause</button>' in page_of(operator, running)
    operator.post(pause, {"verb": "pause"})
    assert "Pause was asked for." in page_of(operator, running)
    assert step(running).provider_status == "paused"
    assert 'value="resume">Resume</button>' in page_of(operator, running)
    assert "nothing to pause now" in operator.post(pause, {"verb": "pause"}, follow=True).content.decode()
    operator.post(pause, {"verb": "resume"})
    assert drive(running).status == "succeeded"
    assert "It is not paused." in operator.post(pause, {"verb": "resume"}, follow=True).content.decode()
    assert operator.post(pause, {"verb": "explode"}).status_code == 422
    assert stub.create_count == 1


@pytest.mark.parametrize(("role", "status"), [(Role.VIEWER, 403), (Role.REVIEWER, 403), (None, 404)])
def test_only_operators_pause(person, browser_of, running, role, status):
    url = reverse("finetune_pause", args=["support", running.pk])
    assert browser_of(person("vera", role)).post(url, {"verb": "pause"}).status_code == status
    assert browser_of(None).post(url, {"verb": "pause"}).url.startswith("/login/")
    running.refresh_from_db()
    assert running.wish == ""


def test_losses_are_drawn_and_told(person, browser_of, running):
    browser = browser_of(person("vera", Role.VIEWER))
    assert "Loss" not in page_of(browser, running)
    running.metrics.create(step=1, train_loss=2.0, full_valid_loss=3.0)
    assert "Loss by step" not in page_of(browser, running)  # one point is no line
    running.metrics.create(step=2, train_loss=1.0)
    running.metrics.create(step=5, train_loss=0.5, full_valid_loss=0.75)
    page = page_of(browser, running)
    assert "Loss by step: training from 2.000 to 0.500, validation from 3.000 to 0.750" in page
    # Steps 1 to 5 from left to right, losses from 0 at the bottom to 3 at the top.
    assert 'points="40.0,60.7 177.5,105.3 590.0,127.7"' in page
    assert 'points="40.0,16.0 590.0,116.5"' in page
    assert page.count("<tr><td>") >= 3


def test_a_long_curve_is_thinned_and_strange_figures_do_no_harm(person, browser_of, running):
    make = running.metrics.model
    make.objects.bulk_create(make(finetune=running, step=number, train_loss=0.0) for number in range(5000))
    page = page_of(browser_of(person("vera", Role.VIEWER)), running)
    assert page.count(",150.0") == 500


def test_validation_and_the_last_step_are_never_thinned_away(person, browser_of, running):
    make = running.metrics.model
    make.objects.bulk_create(
        make(finetune=running, step=step, train_loss=1.0, full_valid_loss=2.0 if step % 100 == 0 else None)
        for step in range(1, 1502)
    )
    page = page_of(browser_of(person("vera", Role.VIEWER)), running)
    assert page.count(",16.0") == 15  # every validation, at the top
    assert page.count("<td>2.0000</td>") == 15
    assert "<td>1,501</td>" in page
    assert "590.0,83.0" in page


def test_pausing_is_offered_where_the_service_can_do_it(operator, running, monkeypatch):
    monkeypatch.setattr(type(running.provider), "profile", replace(running.provider.profile, pauses=("reinforcement",)))
    assert 'value="pause"' not in page_of(operator, running)
    FineTune.objects.update(method="reinforcement")
    assert 'value="pause"' in page_of(operator, running)


def test_checkpoints_are_listed_newest_first(person, browser_of, running):
    for number in (3, 6):
        running.checkpoints.create(
            checkpoint_id=f"c{number}", step=number, model=f"<ft:{number}>", metrics={"train_loss": 1 / number}
        )
    page = page_of(browser_of(person("vera", Role.VIEWER)), running)
    assert page.index("&lt;ft:6&gt;") < page.index("&lt;ft:3&gt;")
    assert "0.1667" in page


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 2), ("?status=running", 1), ("?status=failed", 1), ("?status=cancelled", 0), ("?status=nonsense", 2),
        ("?method=supervised&base=BASE", 2), ("?method=dpo", 0), ("?base=other", 0), ("?provider=999999", 2),
    ],
)  # fmt: skip
def test_the_list_is_filtered_by_its_address(person, browser_of, running, query, count):
    FineTune.objects.create(
        project=running.project, version=running.version, provider=running.provider, base_model="base", status="failed"
    )
    page = browser_of(person("vera", Role.VIEWER)).get(f"/projects/support/finetunes/{query}").content.decode()
    assert page.count(">Number ") == count
    assert ("No fine-tune is like that." in page) == (count == 0)


def test_a_provider_filters_its_own(operator, running):
    page = operator.get(f"/projects/support/finetunes/?provider={running.provider_id}").content.decode()
    assert page.count(">Number ") == 1
