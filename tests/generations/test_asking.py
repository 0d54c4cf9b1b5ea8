"""Prompts are asked a few at a time, each answer lands in the log and the review queue, and trouble costs no prompt."""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx2
import pytest
from django.db.models.functions import Now

from curation.models import Exchange, LoggedCall, ReviewSlot
from jobs import asking, generations
from jobs.drafting import NotPossible
from jobs.models import Generation, GenerationItem
from jobs.models.base import SETBACK_LIMIT
from jobs.providers import openai as service
from tests.asking import ask
from tests.machines import drive, step
from tests.provider_stub import Stub, refusal

from .conftest import statuses

pytestmark = pytest.mark.django_db
Status = GenerationItem.Status
Drafted = Callable[..., Generation]
Asked = Callable[[], Sequence[str]]


def echo(model: str, messages: list[dict[str, Any]]) -> str:
    return f"{model}: {messages[-1]['content']}"


def test_all_prompts_are_answered_and_wait_for_review(drafted: Drafted, stub: Stub, project):
    stub.answer = echo
    generation = drafted("Greet {{ name }}.", "Ada", "Bob", "Cy", system_prompt="Be kind.", model="strong")
    assert generations.start(generation) == 3
    drive(generation)
    assert (generation.status, generation.done_count, generation.total_count) == ("succeeded", 3, 3)
    assert (generation.request_count, generation.token_count) == (3, 30)
    assert statuses(generation) == [Status.ANSWERED] * 3
    for item in generation.items.all():
        exchange = item.exchange
        assert (exchange.user_prompt, exchange.response) == (item.prompt, f"strong: {item.prompt}")
        assert ReviewSlot.objects.filter(exchange=exchange, done_at=None).count() == 1
    call = LoggedCall.objects.get(pk=generation.items.get(position=1).call_id)
    assert (call.source, call.outcome, call.status_code) == ("generation", "completed", 200)
    assert call.provider_id == project.default_provider_id
    assert json.loads(call.request_body) == {
        "model": "strong",
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Greet Ada."}],
    }
    assert json.loads(call.response_body)["usage"]["total_tokens"] == 10


def test_a_draft_asks_nothing_even_when_a_worker_is_sent(drafted: Drafted, asked: Asked):
    generation = drafted("{{ name }}", "Ada")
    Generation.objects.update(next_attempt_at=Now())
    step(generation)
    assert asked() == []
    assert generation.is_draft
    assert generation.is_parked


def test_a_sample_asks_ten_drawn_from_the_whole_table_and_stops(drafted: Drafted, asked: Asked):
    generation = drafted("{{ name }}", *(f"n{number:02}" for number in range(60)))
    assert generations.start(generation, sample=generations.SAMPLE) == 10
    drive(generation)
    assert generation.is_parked
    assert (generation.done_count, generation.total_count) == (10, 10)
    assert len(asked()) == 10
    assert max(asked()) > "n09"
    generations.start(generation)
    drive(generation)
    assert generation.status == "succeeded"
    assert sorted(asked()) == [f"n{number:02}" for number in range(60)]


def test_a_second_sample_waits_for_the_first(drafted: Drafted):
    generation = drafted("{{ name }}", "Ada", "Bob")
    generations.start(generation, sample=1)
    with pytest.raises(NotPossible, match="being asked already"):
        generations.start(generation, sample=1)


def test_known_prompts_are_left_out_unless_asked_again(drafted: Drafted, asked: Asked, project):
    ask(project, "GREET ADA.", "Hello.")
    generation = drafted("Greet {{ name }}.", "Ada", "ada", "Bob")
    assert generations.start(generation) == 1
    drive(generation)
    assert asked() == ["Greet Bob."]
    assert statuses(generation) == [Status.KNOWN, Status.REPEATED, Status.ANSWERED]
    again = generations.copy(generation)
    generations.write(again, template="Greet {{ name }}.")
    with pytest.raises(NotPossible, match="nothing new to ask"):
        generations.start(again)
    assert again.items.filter(status=Status.DRAFT).count() == 2
    assert generations.start(again, asks_again=True) == 2
    drive(again)
    assert asked() == ["Greet Bob.", "Greet Ada.", "Greet Bob."]
    assert Exchange.objects.get(user_prompt="Greet Ada.").response == "Hello."
    assert Exchange.objects.get(user_prompt="Greet Ada.").seen_count == 2


def test_what_becomes_known_while_it_waits_is_left_out(drafted: Drafted, asked: Asked, project):
    generation = drafted("{{ name }}", "Ada", "Bob")
    generations.start(generation)
    ask(project, "ada")
    drive(generation)
    assert asked() == ["Bob"]
    assert generation.status == "succeeded"


def test_a_busy_provider_is_left_alone_as_long_as_it_says(drafted: Drafted, stub: Stub, asked: Asked):
    status, body = refusal(429, message="slow down")
    stub.refuse["POST /chat/completions"] = [(status, body | {"headers": {"retry-after": "77"}})]
    generation = drafted("{{ name }}", "Ada")
    generations.start(generation)
    step(generation)
    assert "slow down" in generation.error
    assert 70 < (generation.next_attempt_at - generation.created_at).total_seconds() < 100
    drive(generation)
    assert generation.status == "succeeded"
    assert generation.error == ""
    assert asked() == ["Ada", "Ada"]
    assert LoggedCall.objects.count() == 1


def test_a_prompt_the_provider_always_fails_at_is_left_to_a_person(drafted: Drafted, stub: Stub, asked: Asked):
    stub.answer = lambda model, messages: refusal(500, message="oops") if messages[-1]["content"] == "Bob" else "fine"
    generation = drafted("{{ name }}", "Ada", "Bob", "Cy")
    generations.start(generation)
    drive(generation)
    assert statuses(generation) == [Status.ANSWERED, Status.FAILED, Status.ANSWERED]
    assert generation.status == "succeeded"
    assert asked().count("Bob") == asking.MOST_ATTEMPTS
    failed = generation.items.get(position=2)
    assert "oops" in failed.error
    call = LoggedCall.objects.get(pk=failed.call_id)
    assert (call.outcome, call.status_code, call.exchange) == ("failed", 500, None)
    assert "oops" in call.response_body

    stub.answer = echo
    assert generations.retry_failed(generation) == 1
    drive(generation)
    assert statuses(generation) == [Status.ANSWERED] * 3
    assert (generation.status, generation.done_count) == ("succeeded", 3)
    assert LoggedCall.objects.count() == 4
    assert generations.retry_failed(generation) == 0


def test_one_refused_prompt_does_not_stop_the_others(drafted: Drafted, stub: Stub):
    stub.answer = lambda model, messages: (
        refusal(400, code="context_length_exceeded", message="too long") if messages[-1]["content"] == "Ada" else "fine"
    )
    generation = drafted("{{ name }}", "Ada", "Bob")
    generations.start(generation)
    drive(generation)
    assert statuses(generation) == [Status.FAILED, Status.ANSWERED]
    assert "too long" in generation.items.get(position=1).error
    assert generation.request_count == 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusal(401), "does not accept the key"),
        (refusal(429, code="insufficient_quota"), "quota is used up"),
        (refusal(404, code="model_not_found", message="The model x does not exist"), "does not know this model"),
    ],
)
def test_what_would_fail_for_all_stops_and_goes_on_when_it_is_cured(drafted: Drafted, stub: Stub, answer, words):
    stub.answer = lambda model, messages: answer
    generation = drafted("{{ name }}", *(f"n{number}" for number in range(30)))
    generations.start(generation)
    step(generation)
    assert generation.is_parked
    assert words in generation.error
    assert generation.request_count <= asking.THREADS
    assert set(statuses(generation)) == {Status.WAITING}
    stub.answer = echo
    assert generations.resume(generation)
    drive(generation)
    assert (generation.status, generation.done_count) == ("succeeded", 30)


def test_a_key_that_cannot_be_opened_stops_it(drafted: Drafted, provider, asked: Asked):
    generation = drafted("{{ name }}", "Ada")
    type(provider).objects.update(sealed_key=b"broken")
    generations.start(generation)
    step(generation)
    assert "Enter the key again" in generation.error
    assert generation.is_parked
    assert asked() == []


def test_a_provider_that_is_down_stops_it_in_the_end_and_loses_nothing(drafted: Drafted, provider):
    provider.base_url = "http://127.0.0.1:9/v1"
    provider.save()
    generation = drafted("{{ name }}", *(f"n{number}" for number in range(40)))
    generations.start(generation)
    for _ in range(SETBACK_LIMIT + 1):
        assert not generation.is_parked
        step(generation)
    assert generation.is_parked
    assert "cannot be reached" in generation.error
    assert statuses(generation).count(Status.WAITING) >= 30


@pytest.mark.parametrize("body", [b"<html>hello</html>", b'{"object": "chat.completion", "choices": []}', b"[1]"])
def test_an_answer_that_is_none_is_not_taken_for_one(drafted: Drafted, stub: Stub, body, monkeypatch):
    monkeypatch.setattr(asking, "MOST_ATTEMPTS", 1)
    stub.answer = lambda model, messages: (200, json.loads(body) if body[:1] in b"{[" else {"html": body.decode()})
    generation = drafted("{{ name }}", "Ada")
    generations.start(generation)
    drive(generation)
    item = generation.items.get()
    assert item.status == Status.FAILED
    assert "not of OpenAI's protocol" in item.error
    assert LoggedCall.objects.get().outcome == "failed"
    assert not Exchange.objects.exists()


def test_a_refusal_without_text_is_a_failure_that_says_so(drafted: Drafted, stub: Stub):
    choice = {"index": 0, "finish_reason": "content_filter", "message": {"role": "assistant", "content": None}}
    stub.answer = lambda model, messages: (200, {"object": "chat.completion", "choices": [choice]})
    generation = drafted("{{ name }}", "Ada")
    generations.start(generation)
    drive(generation)
    assert generation.items.get().error == "The model gave no text (it ended with “content_filter”)."
    assert LoggedCall.objects.count() == 1


def test_a_provider_that_never_answers_is_given_up_on(drafted: Drafted, stub: Stub, monkeypatch):
    monkeypatch.setattr(service, "TIMEOUT", httpx2.Timeout(0.3))
    slow = iter([True])
    stub.answer = lambda model, messages: time.sleep(1) or "late" if next(slow, False) else "in time"
    generation = drafted("{{ name }}", "Ada")
    generations.start(generation)
    step(generation)
    assert "did not answer in time" in generation.error
    drive(generation)
    assert generation.status == "succeeded"
    assert Exchange.objects.get().response == "in time"
