"""Setting what comes first, and in which order one wants to review."""

import pytest
from django.urls import reverse

from curation.attention import catch_up
from curation.models import Attention, AttentionRule, Membership, ReviewOrder
from curation.signals import WEIGHTS
from tests.asking import ask

Role = Membership.Role


@pytest.fixture
def operator(person, browser_of):
    return browser_of(person("olga", Role.OPERATOR))


def address(project, name="attention", *args):
    return reverse(name, args=[project.slug, *args])


def test_the_page_names_each_signal_and_how_many_rows_wait(project, operator):
    ask(project, "When?", "At nine.")
    ask(project, "When?", "At ten.")
    catch_up(project)
    page = operator.get(address(project)).content.decode()
    assert "Answered differently on repeats" in page
    assert Attention.objects.get(pk=project.pk).counts["different"] == 1


def test_a_weight_is_kept_and_the_rows_are_weighed_again(project, operator):
    ask(project, "When?", "At nine.")
    row = ask(project, "When?", "At ten.")
    catch_up(project)
    form = WEIGHTS | {"different": 7, "score_threshold": 0.5}
    assert operator.post(address(project, "attention_save"), form, follow=True).status_code == 200
    catch_up(project)
    assert Attention.objects.get(pk=project.pk).weights == {"different": 7}
    assert row.slots.get().reasons[0]["weight"] == 5.25


@pytest.mark.parametrize(("field", "value"), [("different", "-1"), ("different", "many"), ("score_threshold", "2")])
def test_a_weight_that_makes_no_sense_is_refused_in_words(project, operator, field, value):
    answer = operator.post(address(project, "attention_save"), WEIGHTS | {"score_threshold": 0.5, field: value})
    assert answer.status_code == 422
    assert 'class="fault"' in answer.content.decode()
    assert not Attention.objects.exists()


def test_rules_are_added_shown_inert_and_removed(project, operator):
    form = {"part": "prompt", "test": "contains", "words": "<script>alert(1)</script>", "weight": "2"}
    page = operator.post(address(project, "attention_rule_add"), form, follow=True).content.decode()
    assert "<script>alert" not in page
    assert "The prompt contains “&lt;script&gt;alert(1)&lt;/script&gt;”" in page
    rule = AttentionRule.objects.get()
    operator.post(address(project, "attention_rule_remove", rule.pk))
    assert not AttentionRule.objects.exists()


@pytest.mark.parametrize(("test", "words"), [("contains", ""), ("longer", "very")])
def test_a_rule_that_cannot_fit_is_refused(project, operator, test, words):
    form = {"part": "prompt", "test": test, "words": words, "weight": "2"}
    assert operator.post(address(project, "attention_rule_add"), form).status_code == 422
    assert not AttentionRule.objects.exists()


def test_another_projects_rule_is_not_there(project, json_project, operator):
    rule = AttentionRule.objects.create(project=json_project, words="x")
    assert operator.post(address(project, "attention_rule_remove", rule.pk)).status_code == 404


def test_a_reviewer_chooses_an_order_for_themself(project, ana, browser_of):
    ask(project, "When?")
    answer = browser_of(ana).post(address(project, "attention_order"), {"kind": "sample", "sample_percent": "5"})
    assert answer.status_code == 302
    order = ReviewOrder.objects.get()
    assert (order.user, order.kind, order.sample_percent) == (ana, "sample", 5)
    browser_of(ana).post(address(project, "attention_order"), {"kind": "nonsense"})
    assert ReviewOrder.objects.get().kind == "sample"
