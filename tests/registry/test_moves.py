"""An alias is moved with its record, or not at all."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from curation.models import Membership, ModelAlias
from curation.projects import create_project
from jobs import registry
from jobs.models import GatePolicy, Promotion
from tests.machines import forked, passed

pytestmark = pytest.mark.django_db


@pytest.fixture
def alias(project, provider) -> ModelAlias:
    return registry.main_alias(project)


@pytest.fixture
def models(make_model, version) -> list:
    return [make_model(f"ft:{number}", version) for number in range(3)]


def serves(alias: ModelAlias) -> str:
    return ModelAlias.objects.get(pk=alias.pk).model


def test_a_promotion_moves_the_alias_and_remembers_where_it_stood(alias, models, make_evaluation, person):
    evaluation = make_evaluation(models[0], base=1, tuned=3)
    olga = person("olga")
    promotion = registry.promote(passed(models[0]), user=olga, note="at last")
    assert serves(alias) == "ft:0"
    assert (promotion.previous_model, promotion.model, promotion.evaluation) == ("base", "ft:0", evaluation)
    assert (promotion.promoted_by, promotion.note) == (olga, "at last")
    assert ModelAlias.objects.get(pk=alias.pk).updated_at > alias.updated_at


def test_rolling_back_goes_one_promotion_back_each_time(alias, models):
    for model in models:
        registry.promote(passed(model))
    assert [registry.roll_back(alias).model for _ in models] == ["ft:1", "ft:0", "base"]
    assert serves(alias) == "base"
    with pytest.raises(registry.NothingToRollBack):
        registry.roll_back(alias)
    assert Promotion.objects.filter(kind="rolled_back").count() == 3


def test_after_a_roll_back_a_new_promotion_is_taken_back_first(alias, models):
    registry.promote(passed(models[0]))
    registry.roll_back(alias)
    registry.promote(passed(models[1]))
    assert registry.roll_back(alias).model == "base"
    with pytest.raises(registry.NothingToRollBack):
        registry.roll_back(alias)


def test_the_model_that_serves_already_is_not_promoted_again(alias, models):
    registry.promote(passed(models[0]))
    with pytest.raises(registry.NotPromoted, match="answered by this model already"):
        registry.promote(passed(models[0]))
    assert Promotion.objects.count() == 1


def test_a_model_of_another_project_is_refused(models):
    other = registry.main_alias(create_project("other"))
    with pytest.raises(registry.NotPromoted, match="another project"):
        registry.promote(passed(models[0], other))


@pytest.mark.django_db(transaction=True)
def test_ten_people_move_one_alias_in_turn(alias, models):
    """The moves form one chain: each begins where the one before it ended."""

    def move(number: int) -> None:
        try:
            if number % 3 == 2:
                registry.roll_back(alias)
            else:
                registry.promote(passed(models[number % 3]))
        except (registry.NotPromoted, registry.NothingToRollBack):
            pass
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(move, range(10)))
    at = "base"
    for promotion in Promotion.objects.order_by("pk"):
        assert promotion.previous_model == at
        at = promotion.model
    assert serves(alias) == at


def promote_and_stop(alias: ModelAlias, model: object, moved: object) -> None:
    """Stop between the record and the end of the transaction."""
    import time
    from unittest import mock

    def stop(*_: object) -> None:
        moved.set()
        time.sleep(60)

    with mock.patch.object(registry.log, "info", stop):
        registry.promote(passed(model))


@pytest.fixture
def killed_in_a_promotion(alias, models) -> Iterator[None]:
    from multiprocessing import get_context

    moved = get_context("fork").Event()
    process = forked(promote_and_stop, alias, models[0], moved)
    assert moved.wait(30)
    process.kill()
    process.join()
    return


@pytest.mark.django_db(transaction=True)
def test_killed_between_the_move_and_its_record_neither_is_there(alias, models, killed_in_a_promotion):
    assert (serves(alias), Promotion.objects.count()) == ("base", 0)
    registry.promote(passed(models[0]))
    assert (serves(alias), Promotion.objects.count()) == ("ft:0", 1)


def test_what_the_gate_stopped_is_promoted_by_nobody_without_a_name_and_a_reason(alias, models, person):
    stopped = passed(models[0], is_passed=False)
    olga = person("olga")
    for words in ({}, {"user": olga}, {"override_reason": "why not"}, {"user": olga, "override_reason": "  "}):
        with pytest.raises(registry.NotPromoted, match="did not let it pass"):
            registry.promote(stopped, **words)
    promotion = registry.promote(stopped, olga, override_reason="The old one is retired today.")
    assert (serves(alias), promotion.override_reason) == ("ft:0", "The old one is retired today.")


def test_a_verdict_counts_only_against_what_was_served_then(alias, models):
    verdict = passed(models[0])
    registry.promote(passed(models[1]))
    with pytest.raises(registry.NotPromoted, match="was moved since"):
        registry.promote(verdict)
    assert serves(alias) == "ft:1"


def test_where_two_people_are_wanted_one_asks_and_another_approves(alias, project, models, person):
    GatePolicy.objects.create(project=project, needs_two_people=True)
    olga, otto = person("olga"), person("otto")
    with pytest.raises(registry.NotPromoted, match="another one approves"):
        registry.promote(passed(models[0]), olga)
    first = registry.ask_for_promotion(passed(models[0]), olga)
    asked = registry.ask_for_promotion(passed(models[1]), olga)
    first.refresh_from_db()
    assert first.state == "declined"
    with pytest.raises(registry.NotPromoted, match="another person"):
        registry.approve(asked, olga)
    assert serves(alias) == "base"
    promotion = registry.approve(asked, otto)
    assert (promotion.promoted_by, promotion.approved_by, serves(alias)) == (olga, otto, "ft:1")
    with pytest.raises(registry.NotPromoted, match="decided on this already"):
        registry.approve(asked, otto)
    assert not registry.decline(asked, otto)
    registry.roll_back(alias, olga)  # the way back waits for nobody
    assert serves(alias) == "base"


def test_a_verdict_is_never_rewritten(models):
    verdict = passed(models[0], is_passed=False)
    verdict.is_passed = True
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        verdict.save()


def test_another_base_model_in_the_settings_leaves_its_trace(alias, provider, person, browser_of):
    otto = person("otto", Membership.Role.OWNER)
    url = reverse("provider", args=["support", provider.pk])
    sent = {"name": provider.name, "kind": provider.kind, "base_url": provider.base_url, "base_model": "better-base"}
    assert browser_of(otto).post(url, sent).status_code == 302
    move = Promotion.objects.get()
    assert (move.kind, move.previous_model, move.model, move.promoted_by) == ("set", "base", "better-base", otto)
    assert serves(alias) == "better-base"
    assert browser_of(otto).post(url, sent).status_code == 302
    assert Promotion.objects.count() == 1
    registry.roll_back(alias)
    assert serves(alias) == "base"
