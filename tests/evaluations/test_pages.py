"""The pages of evaluations."""

import pytest
from django.urls import reverse

from curation.models import Membership
from jobs import evaluations
from jobs.models import EvaluationRun
from tests.machines import drive

pytestmark = pytest.mark.django_db
Role = Membership.Role


@pytest.fixture
def model(make_model, version):
    return make_model("ft:1", version)


@pytest.fixture
def run(model, make_evaluation) -> EvaluationRun:
    return make_evaluation(model, base=1, tuned=3)


def page_of(browser, run, query="") -> str:
    return browser.get(reverse("evaluation", args=["support", run.pk]) + query).content.decode()


def test_the_report_says_it_in_a_sentence_and_shows_the_cases(person, browser_of, run):
    page = page_of(browser_of(person("vera", Role.VIEWER)), run)
    assert "Tuned answers 3 of 4 held-out cases right, base 1 of 4." in page
    assert "3 of 4, 75 %" in page
    assert page.count('<article class="card case">') == 4
    assert "Promote to" not in page


@pytest.mark.parametrize(("show", "count"), [("fixed", 2), ("broken", 0), ("same", 2), ("nonsense", 4), ("\0", 4)])
def test_cases_are_filtered(person, browser_of, run, show, count):
    page = page_of(browser_of(person("vera", Role.VIEWER)), run, f"?show={show}")
    assert page.count('<article class="card case">') == count


@pytest.mark.parametrize("number", ["2", "0", "-1", "x", "99999999999999999999"])
def test_a_page_that_is_not_there_is_another_one(person, browser_of, run, number):
    assert "<article" in page_of(browser_of(person("vera", Role.VIEWER)), run, f"?page={number}")


def test_hostile_answers_are_shown_as_text(person, browser_of, run):
    run.candidates.get(role="tuned").results.update(answer="<script>alert(1)</script>")
    page = page_of(browser_of(person("vera", Role.VIEWER)), run)
    assert "<script>alert" not in page


def test_an_operator_evaluates_again_and_cancels(person, browser_of, run, model):
    browser = browser_of(person("olga", Role.OPERATOR))
    answer = browser.post(reverse("evaluation_new", args=["support"]), {"model_version": model.pk})
    new = EvaluationRun.objects.latest("pk")
    assert answer.url == reverse("evaluation", args=["support", new.pk])
    assert new.created_by.username == "olga"
    page = page_of(browser, new)
    assert "0 of 8 answers are in." in page
    assert 'hx-trigger="every 2s"' in page
    browser.post(reverse("evaluation_cancel", args=["support", new.pk]))
    assert drive(new).status == "cancelled"
    fragment = browser.get(reverse("evaluation", args=["support", new.pk]), headers={"HX-Request": "true"})
    assert fragment["HX-Refresh"] == "true"
    assert "Cancelled." in fragment.content.decode()
    assert "hx-trigger" not in fragment.content.decode()


def test_a_failed_run_says_that_its_figures_are_partial(person, browser_of, run):
    EvaluationRun.objects.update(status="failed", error="The provider's quota is used up.")
    page = page_of(browser_of(person("vera", Role.VIEWER)), run)
    assert "quota is used up. The figures below are of the answers that came." in page


@pytest.mark.parametrize(
    ("method", "name", "has_pk", "least"),
    [
        ("get", "evaluations", False, Role.VIEWER),
        ("get", "evaluation", True, Role.VIEWER),
        ("post", "evaluation_new", False, Role.OPERATOR),
        ("post", "evaluation_cancel", True, Role.OPERATOR),
    ],
)
def test_who_may(person, browser_of, run, method, name, has_pk, least):
    url = reverse(name, args=["support", run.pk] if has_pk else ["support"])
    assert getattr(browser_of(person("right", least)), method)(url).status_code in (200, 302)
    if least == Role.OPERATOR:
        assert getattr(browser_of(person("below", Role.REVIEWER)), method)(url).status_code == 403
    assert getattr(browser_of(person("stranger")), method)(url).status_code == 404
    assert getattr(browser_of(None), method)(url).url.startswith("/login/")


def test_the_list_needs_few_queries_however_long_it_is(
    person, browser_of, model, run, make_evaluation, django_assert_max_num_queries
):
    for _ in range(5):
        make_evaluation(model, base=0, tuned=4)
    browser = browser_of(person("vera", Role.VIEWER))
    with django_assert_max_num_queries(7):
        page = browser.get(reverse("evaluations", args=["support"])).content.decode()
    assert page.count("4 of 4, 100 %") == 5


def test_another_projects_model_is_refused(person, browser_of, model):
    from curation.projects import create_project

    olga = person("olga")
    create_project("other", owner=olga)
    browser_of(olga).post(reverse("evaluation_new", args=["other"]), {"model_version": model.pk})
    assert not EvaluationRun.objects.exists()
    assert evaluations.request_evaluation(model)
