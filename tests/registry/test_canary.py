"""A model tried on a share of the calls, or unseen beside them; a move for the worse is taken back by itself."""

import json
import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from curation.gateway.auth import load_routes
from curation.models import Disagreement, Feedback, LoggedCall, Membership, ModelAlias
from jobs import registry, shadowing
from jobs.models import GatePolicy, Promotion, Shadow, ShadowAnswer, Watch
from tests.machines import passed, step
from tests.provider_stub import Stub, refusal

pytestmark = pytest.mark.django_db
Role = Membership.Role


@pytest.fixture
def alias(project, provider) -> ModelAlias:
    return project.aliases.get()


@pytest.fixture
def model(make_model, version):
    return make_model("ft:1", version)


def asks(name: str) -> dict:
    return {"model": "support", "messages": [{"role": "user", "content": "Where?"}], "user": name}


def call(
    alias: ModelAlias, model: str, answer: str | None = "An answer.", prompt: str = "Where?", **columns
) -> LoggedCall:
    """A call as the recorder keeps it."""
    body = {"model": alias.name, "messages": [{"role": "user", "content": prompt}]}
    values = {
        "id": uuid.uuid4(), "project": alias.project, "source": "gateway", "endpoint": "/v1/chat/completions",
        "outcome": "failed" if answer is None else "completed", "status_code": 500 if answer is None else 200,
        "requested_model": alias.name, "served_model": model, "provider": alias.provider,
        "request_body": json.dumps(body), "answer": answer, "started_at": timezone.now(),
    }  # fmt: skip
    return LoggedCall.objects.create(**values | columns)


def thumb(project, way: int, **named) -> None:
    Feedback.objects.create(id=uuid.uuid4(), project=project, thumb=way, said_at=timezone.now(), **named)


def before(alias: ModelAlias, count: int = 60) -> None:
    for _ in range(count):
        call(alias, "base", started_at=timezone.now() - timedelta(days=1))


def serves(alias: ModelAlias) -> tuple[str, str]:
    alias = ModelAlias.objects.get(pk=alias.pk)
    return alias.model, alias.canary_model


# A share of the calls


def test_a_share_goes_to_the_canary_always_of_the_same_callers(alias, model):
    registry.promote(passed(model), share=20)
    assert serves(alias) == ("base", "ft:1")
    routes, key = load_routes(), (alias.project_id, "support")
    turns = {f"user {n}": routes.target(*key, asks(f"user {n}")).model for n in range(2000)}
    assert 340 < sum(served == "ft:1" for served in turns.values()) < 460
    assert all(routes.target(*key, asks(name)).model == served for name, served in turns.items())
    assert routes.target(*key).model == "base"  # where a call has to stay with its provider


def test_without_a_name_a_conversation_stays_with_its_model(alias, model):
    registry.promote(passed(model), share=50)
    routes = load_routes()
    for number in range(50):
        turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"Question {number}?"}]
        first = routes.target(alias.project_id, "support", {"messages": turns})
        later = [*turns, {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "And then?"}]
        assert routes.target(alias.project_id, "support", {"messages": later}) == first
    for nonsense in ({}, {"messages": "x"}, {"messages": [1, None, {"role": "user", "content": [None]}]}, {"user": 5}):
        assert routes.target(alias.project_id, "support", nonsense)


def test_a_canary_becomes_the_model_or_is_taken_back(alias, model, make_model, version):
    registry.promote(passed(model), share=5)
    move = registry.roll_back(alias)
    assert (serves(alias), move.previous_model, move.model, move.share) == (("base", ""), "ft:1", "base", 5)
    registry.promote(passed(model), share=5)
    registry.promote(passed(model))
    assert serves(alias) == ("ft:1", "")
    registry.roll_back(alias)
    assert serves(alias) == ("base", "")
    with pytest.raises(registry.NothingToRollBack):
        registry.roll_back(alias)
    with pytest.raises(IntegrityError), transaction.atomic():
        ModelAlias.objects.update(canary_share=5)


# Watched


def test_a_provider_that_turns_bad_is_taken_back_by_itself(alias, model):
    before(alias)
    promotion = registry.promote(passed(model))
    watch = promotion.watch
    for _ in range(25):
        call(alias, "ft:1")
    step(watch)
    assert (watch.is_finished, watch.done_count, serves(alias)) == (False, 25, ("ft:1", ""))
    for _ in range(15):
        call(alias, "ft:1", None)
    step(watch)
    assert serves(alias) == ("base", "")
    move = watch.rolled_back
    assert (move.kind, move.reverses, move.promoted_by) == ("rolled_back", promotion, None)
    assert move.evidence["now"]["errors"] == 15
    assert move.evidence["before"] == {
        "calls": 60, "errors": 0, "answers": 60, "malformed": 0, "thumbs": 0, "down": 0,
    }  # fmt: skip
    assert watch.outcome.startswith("Rolled back. 15 of 40 brought no answer, before 0 of 60 (p = ")
    assert watch.status == "succeeded"


def test_a_canary_is_held_against_the_calls_beside_it(alias, model):
    before(alias, 30)
    watch = registry.promote(passed(model), share=10).watch
    for _ in range(40):
        call(alias, "base", None)  # the whole provider is down
        call(alias, "ft:1", None)
    step(watch)
    assert serves(alias) == ("base", "ft:1")
    for _ in range(200):
        call(alias, "base")
        call(alias, "ft:1", None)
    step(watch)
    assert serves(alias) == ("base", "")
    assert watch.rolled_back.share == 10


def test_thumbs_down_and_answers_of_another_shape_count(alias, project, model):
    project.answer_format, project.answer_schema = "json", {"type": "object"}
    project.save()
    for _ in range(40):
        told = call(alias, "base", "{}", started_at=timezone.now() - timedelta(days=1))
        thumb(project, 1, call_id=told.pk)
    watch = registry.promote(passed(model)).watch
    for number in range(40):
        told = call(alias, "ft:1", "{}" if number % 2 else "[1]", own_id=f"own {number}")
        Feedback.objects.create(
            id=uuid.uuid4(), project=project, own_id=f"own {number}", thumb=-1, said_at=timezone.now()
        )
    step(watch)
    assert "20 of 40 had another shape" in watch.outcome
    assert "40 of 40 of the thumbs pointed down, before 0 of 40" in watch.outcome
    assert serves(alias) == ("base", "")


def test_a_watch_ends_with_its_move_and_can_be_switched_off(alias, project, model):
    watch = registry.promote(passed(model)).watch
    registry.roll_back(alias)
    step(watch)
    assert (watch.status, watch.outcome) == ("succeeded", "The alias was moved on meanwhile.")
    GatePolicy.objects.create(project=project, watches=False)
    promotion = registry.promote(passed(model))
    assert not Watch.objects.filter(promotion=promotion).exists()


# Unseen


def test_a_shadow_answers_stored_calls_once_and_what_differs_goes_to_review(alias, project, model, stub: Stub, include):
    row = include("Where is gate 4?", "Upstairs.")
    stub.answer = lambda name, messages: "Downstairs." if "gate 4" in messages[-1]["content"] else "An answer."
    call(alias, "base", prompt="Before it began?", started_at=timezone.now() - timedelta(hours=1))
    shadow = shadowing.start(alias, model, share=100, most=10)
    with pytest.raises(shadowing.NotStarted, match="beside “support” already"):
        shadowing.start(alias, model, share=100, most=10)
    for number in range(3):
        call(alias, "base", prompt=f"Question {number}?")
    call(alias, "base", "Upstairs.", prompt="Where is gate 4?", exchange=row)
    call(alias, "base", None, prompt="It failed")
    for _ in range(3):
        step(shadow)
    assert stub.count("POST /chat/completions") == 4
    assert (shadow.done_count, shadow.same_count()) == (4, 3)
    assert (Disagreement.objects.get().exchange, Disagreement.objects.get().model) == (row, "ft:1")
    assert {body["model"] for _, path, body in stub.seen if path == "/chat/completions"} == {"ft:1"}
    for number in range(20):
        call(alias, "base", prompt=f"More {number}?")
    for _ in range(3):
        step(shadow)
    assert (shadow.status, shadow.done_count, ShadowAnswer.objects.count()) == ("succeeded", 10, 10)


def test_a_shadow_waits_for_a_provider_that_is_busy_and_keeps_what_was_answered(alias, model, stub: Stub):
    shadow = shadowing.start(alias, model, share=100, most=10)
    for number in range(3):
        call(alias, "base", prompt=f"Question {number}?")
    stub.refuse["POST /chat/completions"] = [refusal(429, "rate_limit_exceeded")]
    step(shadow)
    assert (shadow.is_finished, shadow.setback_count, ShadowAnswer.objects.count()) == (False, 1, 2)
    step(shadow)
    assert ShadowAnswer.objects.count() == 3
    assert stub.count("POST /chat/completions") == 4


def test_the_page_tries_watches_and_shadows(alias, model, make_evaluation, person, browser_of):
    make_evaluation(model, base=0, tuned=4)
    olga = browser_of(person("olga", Role.OPERATOR))
    sent = {"model_version": model.pk, "alias": alias.pk}
    page = olga.post(reverse("promote", args=["support"]), sent | {"share": 5}, follow=True).text
    assert "5 % of the calls to “support” are answered by ft:1" in page
    assert "tried on 5 %" in page
    assert "against" in page
    page = olga.post(reverse("roll_back", args=["support"]), {"alias": "support"}, follow=True).text
    assert serves(alias) == ("base", "")
    start = reverse("shadow_start", args=["support"])
    page = olga.post(start, sent | {"share": 50, "most": 100}, follow=True).text
    assert "ft:1 answers beside “support” now, unseen." in page
    assert "of at most 100 answered" in page
    assert "Choose a model" in olga.post(start, sent | {"share": 0, "most": 1}, follow=True).text
    olga.post(reverse("shadow_stop", args=["support", Shadow.objects.get().pk]))
    assert step(Shadow.objects.get()).status == "cancelled"


@pytest.mark.parametrize("name", ["shadow_start", "shadow_stop"])
def test_who_may(person, browser_of, alias, model, name):
    shadow = Shadow.objects.create(alias=alias, model_version=model)
    url = reverse(name, args=["support", shadow.pk] if name == "shadow_stop" else ["support"])
    assert browser_of(person("olga", Role.OPERATOR)).post(url).status_code == 302
    assert browser_of(person("rita", Role.REVIEWER)).post(url).status_code == 403
    assert browser_of(person("stranger")).post(url).status_code == 404
    assert browser_of(None).post(url).url.startswith("/login/")
    assert Promotion.objects.count() == 0
