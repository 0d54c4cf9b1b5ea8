"""Limits hold, no press of a button is lost, and a worker that fails costs at most a second request."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import DatabaseError
from django.db.models.functions import Now

from curation.egress import EVERYWHERE
from curation.models import LoggedCall
from jobs import asking, generations
from jobs.drafting import NotPossible
from jobs.models import Generation, GenerationItem
from jobs.providers import openai as service
from tests.machines import drive, step
from tests.provider_stub import Stub

from .conftest import statuses

pytestmark = pytest.mark.django_db
Status = GenerationItem.Status
Drafted = Callable[..., Generation]
Asked = Callable[[], Sequence[str]]

# Limits


def test_it_stops_at_the_limit_of_requests_and_goes_on_when_that_is_raised(drafted: Drafted, asked: Asked):
    generation = drafted("{{ name }}", *(f"n{number}" for number in range(9)), request_limit=4)
    generations.start(generation)
    drive(generation)
    assert len(asked()) == 4
    assert generation.is_parked
    assert "4 of 4 requests, with 4 of 9 prompts done. Raise it" in generation.error
    generations.resume(generation, request_limit=4)
    drive(generation)
    assert len(asked()) == 4
    generations.resume(generation, request_limit=None)
    drive(generation)
    assert generation.status == "succeeded"
    assert len(asked()) == 9


def test_it_stops_at_the_limit_of_tokens(drafted: Drafted, asked: Asked):
    generation = drafted("{{ name }}", *(f"n{number}" for number in range(30)), token_limit=40)
    generations.start(generation)
    drive(generation)
    assert 4 <= len(asked()) < 4 + asking.THREADS
    assert "of 40 tokens" in generation.error


def test_tokens_are_estimated_where_the_provider_does_not_count(drafted: Drafted, stub: Stub):
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x" * 400}}
    stub.answer = lambda model, messages: (200, {"object": "chat.completion", "choices": [choice]})
    generation = drafted("{{ name }}", "y" * 400)
    generations.start(generation)
    drive(generation)
    assert 200 <= generation.token_count <= 300


def test_no_more_are_sent_in_a_second_than_allowed(drafted: Drafted, stub: Stub):
    times = []
    stub.answer = lambda model, messages: times.append(time.monotonic()) or "fine"
    generation = drafted("{{ name }}", *(f"n{number}" for number in range(6)), per_second=10)
    generations.start(generation)
    drive(generation)
    assert len(times) == 6
    assert times[-1] - times[0] > 0.45


# People


def test_pause_and_resume(drafted: Drafted, stub: Stub, asked: Asked):
    generation = drafted("{{ name }}", *(f"n{number}" for number in range(40)))
    generations.start(generation)
    generations.pause(generation)
    assert not generations.pause(generation)
    step(generation)
    assert asked() == []
    assert generation.is_parked
    assert generation.pause_requested_at
    assert generations.resume(generation)
    drive(generation)
    assert generation.status == "succeeded"


def test_a_pause_lets_the_answers_under_way_come_in(drafted: Drafted, asked: Asked, monkeypatch):
    generation = drafted("{{ name }}", *(f"n{number}" for number in range(40)))
    generations.start(generation)
    take_in = asking._Turn._take_in

    def pausing(turn: Any, *found: Any) -> None:
        generations.pause(Generation.objects.get(pk=generation.pk))
        take_in(turn, *found)

    monkeypatch.setattr(asking._Turn, "_take_in", pausing)
    step(generation)
    assert generation.is_parked
    assert 1 <= len(asked()) <= asking.THREADS + 1
    assert generation.done_count == len(asked())


def test_cancel_ends_it(drafted: Drafted, asked: Asked):
    generation = drafted("{{ name }}", "Ada", "Bob")
    generations.start(generation, sample=1)
    drive(generation)
    generation.ask_to_cancel()
    step(generation)
    assert generation.status == "cancelled"
    assert len(asked()) == 1
    for refused in (generations.start, generations.retry_failed):
        with pytest.raises(NotPossible, match="Copy it"):
            refused(generation)
    assert not generations.resume(generation)
    assert not generations.pause(generation)


def test_a_button_pressed_just_before_the_worker_stops_is_not_lost(drafted: Drafted, asked: Asked, monkeypatch):
    """All are asked for after the sample's last answer was taken in, and before the worker puts the job down."""
    generation = drafted("{{ name }}", "Ada", "Bob", "Cy")
    generations.start(generation, sample=1)
    put_down = asking._Turn._put_down

    def pressed_before(turn: Any) -> None:
        if len(asked()) == 1:
            generations.start(Generation.objects.get(pk=generation.pk))
        put_down(turn)

    monkeypatch.setattr(asking._Turn, "_put_down", pressed_before)
    step(generation)
    assert not generation.is_parked
    drive(generation)
    assert generation.status == "succeeded"
    assert len(asked()) == 3


# Workers that fail


def test_storing_an_answer_twice_is_storing_it_once(drafted: Drafted, asked: Asked, monkeypatch):
    """The worker dies after the answer came and before it was stored; the prompt is asked once more."""
    generation = drafted("{{ name }}", "Ada")
    generations.start(generation)
    record = asking.record

    def torn(calls: Any) -> Any:
        record(calls)
        raise DatabaseError("the connection was cut at COMMIT")

    monkeypatch.setattr(asking, "record", torn)
    with pytest.raises(DatabaseError):
        step(generation)
    assert statuses(generation) == [Status.WAITING]
    assert not LoggedCall.objects.exists()
    monkeypatch.setattr(asking, "record", record)
    drive(generation)
    assert asked() == ["Ada", "Ada"]
    assert LoggedCall.objects.get().pk == generation.items.get().call_id


def test_a_worker_that_lost_its_lease_sends_nothing_more(drafted: Drafted, stub: Stub, asked: Asked):
    generation = drafted("{{ name }}", *(f"n{number}" for number in range(30)))
    generations.start(generation)
    claimed = Generation.claim(generation.pk)
    with service.Service(stub.url, "", EVERYWHERE) as opened:
        turn = asking._Turn(claimed, opened)
        Generation.objects.update(lease_until=Now())
        other = Generation.claim(generation.pk)
        turn.take()
    assert len(asked()) <= 1
    assert other.keep()
    other.wait(0)
    drive(generation)
    assert generation.status == "succeeded"
    assert LoggedCall.objects.count() == 30
