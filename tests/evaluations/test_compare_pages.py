"""The pages on which models are compared: choosing them, the report, one case, the page to hand on."""

from decimal import Decimal

import pytest
from django.urls import reverse

from curation.models import Membership, Project, Provider, Tag
from curation.prices import keep_price
from jobs import cases, evaluations
from jobs.models import EvaluationRun
from tests.machines import drive
from tests.provider_stub import Stub

pytestmark = pytest.mark.django_db
Role = Membership.Role
URL = "/projects/support/evaluations/compare/"


@pytest.fixture
def operator(person, browser_of):
    return browser_of(person("olga", Role.OPERATOR))


@pytest.fixture
def choice(version, provider):
    """What the form sends: two candidates, and the rest as it stands."""
    return {
        "form-0-provider": provider.pk, "form-0-model": "small", "form-0-prompt": "training",
        "form-1-provider": provider.pk, "form-1-model": "big", "form-1-prompt": "captured",
        "form-2-provider": provider.pk, "form-2-model": "", "form-2-prompt": "training",
        "version": version.number, "repeats": 1,
    }  # fmt: skip


@pytest.fixture
def run(version, provider, stub: Stub) -> EvaluationRun:
    """Big knows all but number 7, small knows number 7 alone; both with the short prompt."""

    def answer(model, messages):
        number = messages[-1]["content"][9:-1]
        return f"Answer {number}." if (number == "7") == (model == "small") else f"Answer {number}?"

    stub.answer = answer
    named = [evaluations.Contender(provider, model) for model in ("small", "big")]
    return drive(evaluations.request_comparison(evaluations.Wish(version, named)))


def test_the_form_begins_with_what_is_served_and_what_was_tuned(operator, make_model, version):
    make_model("ft:1", version)
    page = operator.get(URL).content.decode()
    assert page.count("<fieldset") == 6
    assert 'value="ft:1"' in page
    assert "formmethod" not in page


def test_it_counts_and_prices_before_anything_is_asked(operator, choice, provider, stub: Stub):
    keep_price(provider, "small", None, input=Decimal(1000), output=Decimal(1000))
    page = operator.get(URL, choice).content.decode()
    assert "At the most 8 calls, about $" in page
    assert "and what the others cost" in page
    assert "Ask 8 times" in page
    assert (EvaluationRun.objects.count(), stub.seen) == (0, [])


def test_it_starts_what_was_counted(operator, choice, stub: Stub):
    answer = operator.post(URL, choice | {"repeats": 2, "per_minute": 600, "budget": "1.5", "asks_again": "on"})
    run = EvaluationRun.objects.get()
    assert answer.url == reverse("evaluation", args=["support", run.pk])
    assert (run.repeats, run.per_minute, run.budget, run.asks_again) == (2, 600, Decimal("1.5"), True)
    assert (run.total_count, run.created_by.username) == (16, "olga")
    named = [(each.role, each.model, each.prompt) for each in run.candidates.all()]
    assert named == [("other", "small", "training"), ("other", "big", "captured")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"form-0-model": "", "form-1-model": " "}, "Name at least one model."),
        ({"form-1-model": "small", "form-1-prompt": "training"}, "named twice"),
        ({"form-1-prompt": "loud"}, "not one of the available choices"),
        ({"repeats": 0}, "greater than or equal to 1"),
        ({"budget": "-1"}, "greater than or equal to"),
        ({"version": 99}, "not one of the available choices"),
        ({"form-0-model": "x" * 201}, "at most 200 characters"),
        ({"form-0-model": "a\0b"}, "Null characters"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(operator, choice, changes, words, stub: Stub):
    for answer in (operator.get(URL, choice | changes), operator.post(URL, choice | changes)):
        assert answer.status_code == 422
        assert words in answer.content.decode()
    assert (EvaluationRun.objects.count(), stub.seen) == (0, [])


def test_another_projects_provider_cannot_be_asked(operator, choice):
    project = Project.objects.create(slug="other", name="Other")
    other = Provider.objects.create(project=project, name="theirs", base_url="https://example.com/v1")
    assert operator.post(URL, choice | {"form-0-provider": other.pk}).status_code == 422
    assert EvaluationRun.objects.count() == 0


@pytest.mark.parametrize(("role", "status"), [(Role.VIEWER, 403), (Role.REVIEWER, 403), (None, 404)])
def test_only_operators_spend_money(person, browser_of, choice, run, role, status):
    browser = browser_of(person("vera", role))
    budget = reverse("evaluation_budget", args=["support", run.pk])
    assert browser.get(URL).status_code == status
    assert browser.post(URL, choice).status_code == status
    assert browser.post(budget, {"budget": "5"}).status_code == status


@pytest.mark.parametrize("name", ["evaluation_print", "evaluation_case"])
def test_reports_are_for_members(person, browser_of, run, name):
    case = run.version.examples.filter(split="test").first().pk
    url = reverse(name, args=["support", run.pk, *([case] if name == "evaluation_case" else [])])
    assert browser_of(person("vera", Role.VIEWER)).get(url).status_code == 200
    assert browser_of(person("sam")).get(url).status_code == 404
    assert browser_of(None).get(url).url.startswith("/login/")


def test_the_report_holds_any_two_against_each_other(person, browser_of, run):
    browser = browser_of(person("vera", Role.VIEWER))
    small, big = run.candidates.all()
    url = reverse("evaluation", args=["support", run.pk])
    page = browser.get(url).content.decode()
    assert "<b>big</b> against <b>small</b>: 3 fixed, 1 broken, 0 the same." in page
    assert "chance alone may do this" in page
    assert "p = 0.62 by" in page
    turned = browser.get(url, {"before": big.pk, "after": small.pk}).content.decode()
    assert "<b>small</b> against <b>big</b>: 1 fixed, 3 broken, 0 the same." in turned
    fixed = browser.get(url, {"before": big.pk, "after": small.pk, "show": "fixed"}).content.decode()
    assert fixed.count('<article class="card case">') == 1
    assert "Choose two different" in browser.get(url, {"before": big.pk, "after": big.pk}).content.decode()


def test_parts_of_the_cases_are_told_and_lead_to_them(person, browser_of, run, project):
    tag = Tag.objects.create(project=project, name="<b>odd</b>")
    rows = [example.exchange for example in run.version.examples.filter(split="test")][:3]
    for row in rows:
        row.tags.add(tag)
    browser = browser_of(person("vera", Role.VIEWER))
    url = reverse("evaluation", args=["support", run.pk])
    page = browser.get(url).content.decode()
    assert "&lt;b&gt;odd&lt;/b&gt;" in page
    assert "<b>odd</b>" not in page
    part = browser.get(url, {"kind": "tag", "name": "<b>odd</b>"}).content.decode()
    assert part.count('<article class="card case">') == 3


def test_one_case_shows_every_answer_and_what_was_taught_that_is_like_it(person, browser_of, run, include):
    browser = browser_of(person("vera", Role.VIEWER))
    case = run.version.examples.filter(split="test").order_by("position").first()
    page = browser.get(reverse("evaluation_case", args=["support", run.pk, case.pk])).content.decode()
    assert "Nearest training rows" in page
    assert page.count("<h3>") == 3
    # Five of twelve “Question n?”, and the like one first.
    assert page.count("alike</span>") == 5
    nearest = cases.nearest_taught(run, case)
    assert [each.likeness for each in nearest] == sorted((each.likeness for each in nearest), reverse=True)
    assert all(each.split == "train" for each in nearest)
    taught = run.version.examples.exclude(split="test").first().pk
    assert browser.get(reverse("evaluation_case", args=["support", run.pk, taught])).status_code == 404


def test_a_run_at_its_budget_offers_a_higher_one(operator, version, provider, stub: Stub):
    keep_price(provider, "small", None, input=Decimal(1000), output=Decimal(1000))
    wish = evaluations.Wish(version, [evaluations.Contender(provider, "small")], budget=Decimal("0.0001"))
    run = drive(evaluations.request_comparison(wish))
    page = operator.get(reverse("evaluation", args=["support", run.pk])).content.decode()
    assert "Raise the budget to go on." in page
    budget = reverse("evaluation_budget", args=["support", run.pk])
    operator.post(budget, {"budget": "nothing"})
    assert EvaluationRun.objects.get().budget == Decimal("0.0001")
    operator.post(budget, {"budget": "7"})
    run = drive(EvaluationRun.objects.get())
    assert (run.budget, run.status) == (7, "succeeded")


def test_the_list_names_what_was_compared(person, browser_of, run):
    page = browser_of(person("vera", Role.VIEWER)).get("/projects/support/evaluations/").content.decode()
    assert "small 1 of 4, 25 %; big 3 of 4, 75 %" in page
    assert "Compare models" not in page


def test_the_page_to_hand_on_says_what_it_stands_on(person, browser_of, run):
    page = browser_of(person("vera", Role.VIEWER)).get(reverse("evaluation_print", args=["support", run.pk]))
    assert run.version.content_hash in page.content.decode()
    assert "big answers 3 of 4 held-out cases right, small 1 of 4." in page.content.decode()
