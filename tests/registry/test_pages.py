"""The page of models and aliases."""

import pytest
from django.urls import reverse

from curation.models import Membership, ModelAlias
from jobs.models import GatePolicy, Promotion, PromotionRequest
from tests.machines import passed

pytestmark = pytest.mark.django_db
Role = Membership.Role


@pytest.fixture
def model(make_model, version):
    return make_model("ft:1", version)


@pytest.fixture
def alias(project, provider) -> ModelAlias:
    return project.aliases.get()


@pytest.fixture
def olga(person, browser_of):
    return browser_of(person("olga", Role.OPERATOR))


def send(browser, name: str, **sent) -> str:
    return browser.post(reverse(name, args=["support"]), sent, follow=True).content.decode()


def test_a_better_model_is_promoted_with_one_click_and_rolled_back_with_another(olga, alias, model, make_evaluation):
    make_evaluation(model, base=0, tuned=4)
    page = olga.get(reverse("registry", args=["support"])).content.decode()
    assert "4 of 4, 100 %" in page
    assert "Roll back" not in page
    page = send(olga, "promote", model_version=model.pk, alias=alias.pk)
    assert "“support” is answered by ft:1 from the next call on." in page
    assert "tuned on v1" in page
    assert "by olga" in page
    page = send(olga, "roll_back", alias="support")
    assert "“support” is answered by base again." in page
    assert "rolled back" in page
    assert "has no promotion to take back" in send(olga, "roll_back", alias="support")


@pytest.mark.parametrize(
    ("figures", "why"),
    [(None, "nothing is known of this model"), ({"base": 4, "tuned": 1}, "-75.0 points (0 fixed, 3 broken; 95 % sure")],
)
def test_what_the_gate_stops_is_promoted_with_a_reason_only(olga, alias, model, make_evaluation, figures, why):
    if figures:
        make_evaluation(model, **figures)
    page = send(olga, "promote", model_version=model.pk, alias=alias.pk)
    assert "The gate stopped this model" in page
    assert why in page
    sent = {"model_version": model.pk, "alias": alias.pk}
    assert olga.post(reverse("promote", args=["support"]), sent | {"override_reason": " "}).status_code == 422
    assert not Promotion.objects.exists()
    page = send(olga, "promote", **sent, override_reason="The base is switched off tonight.")
    assert "over the gate" in page
    promotion = Promotion.objects.get()
    assert promotion.override_reason == "The base is switched off tonight."
    assert not promotion.gate.is_passed


def test_with_two_people_the_second_one_decides(project, person, browser_of, olga, alias, model, make_evaluation):
    make_evaluation(model, base=0, tuned=4)
    GatePolicy.objects.create(project=project, needs_two_people=True)
    page = send(olga, "promote", model_version=model.pk, alias=alias.pk)
    assert "waits for another person" in page
    assert "Take it back" in page
    assert 'value="approve"' not in page
    url = reverse("promotion_decide", args=["support", PromotionRequest.objects.get().pk])
    assert "You asked for this yourself" in olga.post(url, {"verb": "approve"}, follow=True).text
    paula = browser_of(person("paula", Role.OPERATOR))
    assert "olga asks to have “support” answered by ft:1." in paula.get(reverse("project_home", args=["support"])).text
    page = paula.post(url, {"verb": "approve"}, follow=True).text
    assert "is answered by ft:1 from the next call on" in page
    assert "by olga, approved by paula" in page
    assert "decided on this already" in paula.post(url, {"verb": "decline"}, follow=True).text


def test_an_owner_sets_the_rules_and_the_gate_goes_by_them(person, browser_of, alias, model, make_evaluation):
    make_evaluation(model, base=2, tuned=3)
    otto = browser_of(person("otto", Role.OWNER))
    page = otto.get(reverse("gate_model", args=["support", model.pk])).text
    assert "Would pass for “support” now" in page
    rules = {"minimum_gain": "30", "most_chance": "0.05", "most_slice_loss": "10", "least_valid": "95"}
    assert otto.post(reverse("gate_save", args=["support"]), rules | {"minimum_gain": "1e308"}).status_code == 422
    otto.post(reverse("gate_save", args=["support"]), rules)
    page = otto.get(reverse("gate_model", args=["support", model.pk])).text
    assert "Would be stopped for “support” now" in page
    assert "+25.0 points (1 fixed, 0 broken; 95 % sure" in page
    assert "p = 1; at most 0.05 allowed" in page
    send(otto, "promote", model_version=model.pk, alias=alias.pk, override_reason="A test.")
    page = otto.get(reverse("gate", args=["support"])).text
    assert "promoted all the same: A test." in page


@pytest.mark.parametrize("sent", [{}, {"model_version": 0, "alias": 0}, {"model_version": "x", "alias": "\0"}])
def test_nonsense_promotes_nothing(olga, alias, model, sent):
    assert "Choose a model and an alias" in send(olga, "promote", **sent)
    assert "no such alias" in send(olga, "roll_back", alias="\0")
    assert not Promotion.objects.exists()


def test_of_several_aliases_one_is_chosen(olga, project, alias, model, make_evaluation):
    make_evaluation(model, base=0, tuned=4)
    project.aliases.create(name="support-next", provider=alias.provider, model="base")
    assert "<option" in olga.get(reverse("registry", args=["support"])).content.decode()
    send(olga, "promote", model_version=model.pk, alias=project.aliases.get(name="support-next").pk)
    assert set(project.aliases.values_list("name", "model")) == {("support", "base"), ("support-next", "ft:1")}


@pytest.mark.parametrize(
    ("method", "name", "least"),
    [
        ("get", "registry", Role.VIEWER),
        ("post", "promote", Role.OPERATOR),
        ("post", "roll_back", Role.OPERATOR),
        ("post", "promotion_decide", Role.OPERATOR),
        ("get", "gate", Role.VIEWER),
        ("get", "gate_model", Role.VIEWER),
        ("post", "gate_save", Role.OWNER),
    ],
)
def test_who_may(person, browser_of, alias, model, method, name, least):
    asked = PromotionRequest.objects.create(alias=alias, model_version=model, gate=passed(model))
    row = {"promotion_decide": [asked.pk], "gate_model": [model.pk]}.get(name, [])
    url = reverse(name, args=["support", *row])
    assert getattr(browser_of(person("right", least)), method)(url).status_code in (200, 302, 422)
    if least > Role.VIEWER:
        assert getattr(browser_of(person("below", Role.REVIEWER)), method)(url).status_code == 403
    assert getattr(browser_of(person("stranger")), method)(url).status_code == 404
    assert getattr(browser_of(None), method)(url).url.startswith("/login/")


def test_a_viewer_sees_no_buttons(person, browser_of, alias, model):
    page = browser_of(person("vera", Role.VIEWER)).get(reverse("registry", args=["support"])).content.decode()
    assert "ft:1" in page
    assert reverse("promote", args=["support"]) not in page


def test_the_page_needs_few_queries_however_many_models(
    olga, version, make_model, make_evaluation, alias, django_assert_max_num_queries
):
    for number in range(6):
        make_evaluation(make_model(f"ft:{number}", version), base=1, tuned=2)
    with django_assert_max_num_queries(18):
        olga.get(reverse("registry", args=["support"]))
