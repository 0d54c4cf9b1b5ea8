"""What becomes of calls in the database."""

import json
import random
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from curation.models import Answer, ApiKey, Exchange, LoggedCall, Project, ReviewSlot
from curation.projects import create_project
from curation.recording import Call, record

from .calls import make_call

Outcome = LoggedCall.Outcome


def test_a_call_makes_an_exchange_with_its_first_review_slot(project: Project):
    messages = [{"role": "system", "content": "Long rules."}, {"role": "user", "content": "Where is gate 4?"}]
    call = make_call(project, messages, "Left.", first_byte_ms=12.5, duration_ms=80, user_agent="test")
    exchange_id = record([call])[call.id]

    exchange = Exchange.objects.get(pk=exchange_id)
    assert (exchange.user_prompt, exchange.response, exchange.messages) == ("Where is gate 4?", "Left.", messages)
    assert (exchange.state, exchange.included, exchange.target, exchange.version) == ("pending", None, None, 1)
    assert (exchange.seen_count, exchange.answer_count) == (1, 1)
    assert exchange.split in ("train", "test")
    slot = ReviewSlot.objects.get(exchange=exchange)
    assert (slot.project, slot.position, slot.done_at) == (project, 1, None)
    stored = LoggedCall.objects.get(pk=call.id)
    assert (stored.exchange, stored.outcome, stored.answer) == (exchange, Outcome.COMPLETED, "Left.")
    assert (stored.request_body, stored.response_body) == (call.request_body.decode(), call.response_body.decode())
    assert (stored.first_byte_ms, stored.duration_ms, stored.user_agent) == (12.5, 80, "test")
    assert not stored.is_cleaned


def test_storing_twice_is_storing_once(project: Project):
    calls = [make_call(project, f"Question {n}") for n in range(3)]
    first = record(calls)
    assert record([*calls, *calls]) == first
    assert LoggedCall.objects.count() == Exchange.objects.count() == 3
    assert set(Exchange.objects.values_list("seen_count", flat=True)) == {1}


def test_a_repeat_raises_the_count_and_keeps_each_different_answer(project: Project):
    now = timezone.now()
    one = make_call(project, "Where?", "Left.", started_at=now)
    again = make_call(project, "WHERE?", "Left.", started_at=now + timedelta(seconds=1))
    other = make_call(project, "where?", "Right.", started_at=now + timedelta(seconds=2))
    assert record([one]) | record([again, other]) == dict.fromkeys([one.id, again.id, other.id], record([one])[one.id])

    exchange = Exchange.objects.get()
    assert (exchange.user_prompt, exchange.response) == ("Where?", "Left.")
    assert (exchange.seen_count, exchange.answer_count) == (3, 2)
    assert (exchange.first_seen_at, exchange.last_seen_at) == (one.started_at, other.started_at)
    assert list(exchange.answers.values_list("text", "seen_count", "model")) == [
        ("Left.", 2, "m-1"),
        ("Right.", 1, "m-1"),
    ]


def in_choices(*texts: str) -> bytes:
    choices = [{"index": n, "message": {"role": "assistant", "content": text}} for n, text in enumerate(texts)]
    return json.dumps({"model": "m-1", "choices": [{**choice, "finish_reason": "stop"} for choice in choices]}).encode()


def in_streamed_choices(*texts: str) -> bytes:
    """A word of each in turn, as providers send them."""
    words = [
        (n, word) for place in range(3) for n, text in enumerate(texts) for word in text.split(" ")[place : place + 1]
    ]
    pieces = [{"index": n, "delta": {"content": f"{word} "}} for n, word in words]
    ends = [{"index": n, "delta": {}, "finish_reason": "stop"} for n in range(len(texts))]
    events = [json.dumps({"model": "m-1", "choices": [choice]}) for choice in pieces + ends]
    return "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"]).encode()


def test_of_several_choices_each_is_an_answer(project: Project):
    several = make_call(project, "Where?", response_body=in_choices("Left.", "Right.", "Left."))
    record([several, make_call(project, "When?", "Now.")])
    where = Exchange.objects.get(pk=LoggedCall.objects.get(pk=several.id).exchange_id)
    assert (where.response, where.seen_count, where.answer_count) == ("Left.", 1, 2)
    assert list(where.answers.values_list("text", "seen_count")) == [("Left.", 2), ("Right.", 1)]
    assert Exchange.objects.get(user_prompt="When?").answer_count == 1

    record([make_call(project, "where?", response_body=in_choices("Right.", "Up."))])
    where.refresh_from_db()
    assert (where.response, where.seen_count, where.answer_count) == ("Left.", 2, 3)
    assert set(where.answers.values_list("text", "seen_count")) == {("Left.", 2), ("Right.", 2), ("Up.", 1)}


def test_of_several_streamed_choices_each_is_an_answer(project: Project):
    body = in_streamed_choices("To the left.", "Right.")
    record([make_call(project, "Where?", is_stream=True, response_body=body)])
    exchange = Exchange.objects.get()
    assert (exchange.response, exchange.answer_count) == ("To the left. ", 2)
    assert set(exchange.answers.values_list("text", flat=True)) == {"To the left. ", "Right. "}


def test_a_choice_cannot_hold_what_no_database_takes(project: Project):
    record([make_call(project, "Where?", response_body=in_choices("Left.", "R\x00ight \ud800.", ""))])
    assert set(Exchange.objects.get().answers.values_list("text", flat=True)) == {"Left.", "R\ufffdight \ufffd."}
    assert LoggedCall.objects.get().is_cleaned


def test_the_earliest_call_of_a_batch_speaks_for_its_prompt(project: Project):
    now = timezone.now()
    late = make_call(project, "WHERE?", "Right.", started_at=now)
    early = make_call(project, "Where?", "Left.", started_at=now - timedelta(seconds=5))
    record([late, early])
    exchange = Exchange.objects.get()
    assert (exchange.user_prompt, exchange.response, exchange.seen_count, exchange.answer_count) == (
        "Where?",
        "Left.",
        2,
        2,
    )


def test_the_same_words_after_other_turns_or_in_another_project_are_another_prompt(project: Project):
    other = create_project("other")
    earlier = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    record(
        [
            make_call(project, "Where?"),
            make_call(other, "Where?"),
            make_call(project, [*earlier, {"role": "user", "content": "Where?"}]),
            make_call(project, [{"role": "system", "content": "New rules."}, {"role": "user", "content": "where?"}]),
        ]
    )
    assert sorted(Exchange.objects.values_list("project__slug", "seen_count")) == [
        ("other", 1),
        ("support", 1),
        ("support", 2),
    ]


@pytest.mark.parametrize(
    ("one", "two", "are_one"),
    [
        ("École", "école", True),
        ("ИВАН", "иван", True),
        ("ß", "SS", False),
        ("e\u0301", "é", False),
        ("a", "ａ", False),
        ("a", "a ", False),
        ("sha256:" + "0" * 64, "SHA256:" + "0" * 64, True),
        ("x" * 1_000_000, "X" * 1_000_000, True),
        ("é" * 1000, "É" * 1000, True),
        ("x" * 2000, "x" * 2001, False),
        ("", " ", False),
        ("\u200b", "", False),
    ],
)
def test_prompts_are_one_exactly_when_the_database_says_so(project: Project, one: str, two: str, are_one: bool):
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::citext = %s::citext", [one, two])
        assert cursor.fetchone() == (are_one,)
    record([make_call(project, one), make_call(project, two)])
    record([make_call(project, two), make_call(project, one)])
    assert Exchange.objects.count() == (1 if are_one else 2)
    assert LoggedCall.objects.exclude(exchange=None).count() == 4


@pytest.mark.parametrize("size", [1, 2_000, 2_001, 2_690, 12_000, 1_000_000])
def test_random_prompts_of_any_length_are_stored(project: Project, size: int):
    prompt = "".join(random.Random(size).choices("abcdefghij0123456789 .,", k=size))
    record([make_call(project, prompt), make_call(project, prompt.upper())])
    assert Exchange.objects.get().user_prompt == prompt


def sse(*datas: object) -> bytes:
    lines = [data if isinstance(data, str) else json.dumps(data) for data in datas]
    return "".join(f"data: {line}\n\n" for line in lines).encode()


PIECE = {"choices": [{"index": 0, "delta": {"content": "Le"}}]}


@pytest.mark.parametrize(
    ("changes", "outcome", "code"),
    [
        (
            {"status_code": 429, "response_body": b'{"error":{"code":"rate_limit_exceeded"}}'},
            "failed",
            "rate_limit_exceeded",
        ),
        ({"status_code": 502, "response_body": b"<html>bad gateway</html>"}, "failed", "http_502"),
        ({"status_code": 200, "response_body": b"<html>hello</html>"}, "failed", "invalid_answer"),
        (
            {"status_code": None, "response_body": b"", "outcome": "failed", "error_code": "timeout"},
            "failed",
            "timeout",
        ),
        ({"status_code": 200, "response_body": b""}, "failed", "no_answer"),
        ({"is_stream": True, "response_body": sse(PIECE)}, "truncated", ""),
        ({"is_stream": True, "response_body": sse(PIECE, {"error": {"type": "overloaded"}})}, "failed", "overloaded"),
        ({"is_stream": True, "response_body": sse(PIECE), "outcome": "client_gone"}, "client_gone", ""),
        (
            {"is_stream": True, "response_body": sse(PIECE, {"error": {"code": "busy"}}), "outcome": "client_gone"},
            "failed",
            "busy",
        ),
        ({"outcome": "client_gone"}, "client_gone", ""),
        ({"is_stream": True, "response_body": sse(PIECE), "outcome": "interrupted"}, "interrupted", ""),
        ({"is_stream": True, "status_code": 400, "response_body": b'{"error":{"code":"bad"}}'}, "failed", "bad"),
    ],
)
def test_a_call_that_did_not_end_well_is_kept_but_is_not_offered_for_review(
    project: Project, changes: dict, outcome: str, code: str
):
    call = make_call(project, **changes)
    assert record([call]) == {call.id: None}
    stored = LoggedCall.objects.get()
    assert (stored.outcome, stored.error_code, stored.exchange) == (outcome, code, None)
    assert stored.response_body == call.response_body.decode()
    assert not Exchange.objects.exists()


def test_a_completed_stream_is_joined(project: Project):
    body = sse(PIECE, {"choices": [{"index": 0, "delta": {"content": "ft."}, "finish_reason": "stop"}]}, "[DONE]")
    record([make_call(project, is_stream=True, response_body=body)])
    assert Exchange.objects.get().response == LoggedCall.objects.get().answer == "Left."


def test_a_client_that_hangs_up_behind_the_last_piece_has_a_completed_call(project: Project):
    body = sse({"choices": [{"index": 0, "delta": {"content": "Left."}, "finish_reason": "stop"}]})
    record([make_call(project, is_stream=True, response_body=body, outcome="client_gone")])
    assert (LoggedCall.objects.get().outcome, Exchange.objects.get().response) == ("completed", "Left.")


@pytest.mark.parametrize(
    "request_body",
    [b"not json", b"[]", b"{}", b'{"messages":[]}', b'{"messages":"x"}', b'{"messages":[1]}', b'{"prompt":[1,2]}'],
)
def test_a_request_without_a_user_prompt_is_stored_as_a_call_alone(project: Project, request_body: bytes):
    call = make_call(project, request_body=request_body)
    assert record([call]) == {call.id: None}
    assert LoggedCall.objects.get().outcome == Outcome.COMPLETED


def test_a_legacy_completion_is_an_exchange(project: Project):
    record(
        [
            make_call(
                project,
                endpoint="/v1/completions",
                request_body=b'{"model":"support","prompt":"Say hi"}',
                response_body=b'{"choices":[{"index":0,"text":" hi","finish_reason":"stop"}]}',
            )
        ]
    )
    exchange = Exchange.objects.get()
    assert (exchange.user_prompt, exchange.response) == ("Say hi", " hi")
    assert exchange.messages == [{"role": "user", "content": "Say hi"}]


def test_characters_no_database_takes_are_replaced_and_the_call_says_so(project: Project):
    request = b'{"messages":[{"role":"user","content":"a\\u0000b\\ud800c"}]}'
    call = make_call(
        project, answer="x\0y", request_body=request, user_agent="a\0", error_code="\udfff", requested_model="m" * 500
    )
    record([call])
    exchange, stored = Exchange.objects.get(), LoggedCall.objects.get()
    assert (exchange.user_prompt, exchange.response) == ("a\ufffdb\ufffdc", "x\ufffdy")
    assert exchange.messages == [{"role": "user", "content": "a\ufffdb\ufffdc"}]
    assert stored.request_body == request.decode()  # escapes are text; only what is no text is replaced
    assert (stored.is_cleaned, stored.user_agent, stored.requested_model) == (True, "a\ufffd", "m" * 200)


def test_bytes_that_are_not_text_are_replaced(project: Project):
    record([make_call(project, response_body=b"\xff\x00\xfe", status_code=500)])
    stored = LoggedCall.objects.get()
    assert (stored.response_body, stored.is_cleaned) == ("\ufffd\ufffd\ufffd", True)


def test_a_key_remembers_when_it_was_last_used(project: Project):
    key, _ = ApiKey.issue(project, "test")
    call = make_call(project, api_key_id=key.pk)
    record([call, make_call(project, started_at=call.started_at - timedelta(hours=1), api_key_id=key.pk)])
    key.refresh_from_db()
    assert key.last_used_at == call.started_at


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("impossible", [{"project_id": 10**9}, {"status_code": 10**6}])
def test_a_batch_with_a_call_that_cannot_be_stored_stores_nothing(project: Project, impossible: dict):
    with pytest.raises(DatabaseError):
        record([make_call(project), make_call(project, **impossible)])
    assert not LoggedCall.objects.exists()
    assert not Exchange.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_case_variants_from_several_connections_at_once_are_one_exchange_and_all_their_calls(project: Project):
    shuffle = random.Random(7)
    letters = "wherecanifindgatenumberfour"
    prompts = {"".join(shuffle.choice([c, c.upper()]) for c in letters) for _ in range(240)}
    prompts = sorted(prompts)[:200]
    assert len(prompts) == 200
    groups = [prompts[n::8] for n in range(8)]
    start = threading.Barrier(8)

    def send(group: list[str]) -> None:
        calls = [make_call(project, prompt, prompt) for prompt in group]
        start.wait()
        for n in range(0, len(calls), 5):
            record(calls[n : n + 5])
        connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, groups))
    exchange = Exchange.objects.get()
    assert (exchange.seen_count, exchange.answer_count) == (200, 200)
    assert LoggedCall.objects.filter(exchange=exchange).count() == Answer.objects.count() == 200
    assert ReviewSlot.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_calls_from_several_connections_at_once_are_stored_once(project: Project):
    calls: list[Call] = [make_call(project, f"Question {n % 10}", id=uuid.uuid4()) for n in range(50)]
    start = threading.Barrier(4)

    def send(seed: int) -> dict:
        mine = calls.copy()
        random.Random(seed).shuffle(mine)
        start.wait()
        try:
            return record(mine)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(send, range(4)))
    assert all(result == results[0] for result in results)
    assert LoggedCall.objects.count() == 50
    assert set(Exchange.objects.values_list("seen_count", "answer_count")) == {(5, 1)}
