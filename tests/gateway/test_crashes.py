"""Processes that end at the worst moment: what a client got is in the log once, the rest is marked as what it is."""

import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

from curation.gateway.merging import Merger
from curation.models import LoggedCall

from .conftest import Wired, wire
from .servers import eventually, running_recorder, running_web
from .stub import Stub

FAULTY = "tests.gateway.faulty:application"


def calls_after_recording(home: Path, wired: Wired) -> list[LoggedCall]:
    for _ in range(2):
        Merger(home / "spool", threading.Event()).run_once()
    assert not list((home / "spool").glob("*.segment"))
    assert not list((home / "spool").glob("rejected/*"))
    return list(LoggedCall.objects.filter(project=wired.project).order_by("started_at"))


@pytest.mark.parametrize(
    ("point", "outcome", "seen"),
    [
        ("before_INTENT", None, 0),
        ("after_INTENT", "interrupted", 0),
        ("before_COMPLETION", "interrupted", 1),
        ("after_COMPLETION", "completed", 1),
    ],
)
def test_a_gateway_killed_at_a_point_of_a_call(
    committed_db: None, stub: Stub, own_home: Path, ask, point: str, outcome: str | None, seen: int
):
    with running_web(own_home, app=FAULTY, TEST_KILL_AT=point) as server:
        wired = wire(stub, server)
        with pytest.raises(openai.APIConnectionError):
            ask(wired.client())
        assert server.process.wait(10) == -signal.SIGKILL
    calls = calls_after_recording(own_home, wired)
    assert [call.outcome for call in calls] == ([outcome] if outcome else [])
    assert len(stub.seen) == seen
    for call in calls:
        assert (call.exchange_id is not None) == (outcome == "completed")
        assert call.requested_model == "support"


def test_a_gateway_killed_within_a_stream_leaves_what_had_arrived(committed_db: None, stub: Stub, own_home: Path, ask):
    with running_web(own_home) as server:
        wired = wire(stub, server)
        stream = ask(wired.client(), stub="stream 20 hang", stream=True)
        pieces = "".join(next(stream).choices[0].delta.content for _ in range(20))
        eventually(lambda: sum(path.stat().st_size for path in server.spool.glob("*.segment")) > 2_000)
        server.kill()
    (call,) = calls_after_recording(own_home, wired)
    assert (call.outcome, call.answer, call.exchange_id, call.status_code) == ("interrupted", pieces, None, 200)


def test_a_gateway_told_to_stop_within_a_stream_stops_in_time_and_the_call_is_marked(
    committed_db: None, stub: Stub, own_home: Path, ask
):
    with running_web(own_home) as server:
        wired = wire(stub, server)
        stream = ask(wired.client(), stub="stream 5 hang", stream=True)
        pieces = "".join(next(stream).choices[0].delta.content for _ in range(5))
        server.terminate()
    (call,) = calls_after_recording(own_home, wired)
    assert (call.outcome, call.answer, call.exchange_id) == ("interrupted", pieces, None)


def test_a_gateway_told_to_stop_finishes_a_short_answer(committed_db: None, stub: Stub, own_home: Path, ask):
    with running_web(own_home) as server:
        wired = wire(stub, server)
        stream = ask(wired.client(), stub="stream 100 done", stream=True)
        next(stream)
        server.process.terminate()
        assert "w99 " in "".join(piece.choices[0].delta.content or "" for piece in stream if piece.choices)
        assert server.process.wait(20) == -signal.SIGTERM  # uvicorn ends in order, and then by the signal it was sent
    (call,) = calls_after_recording(own_home, wired)
    assert call.outcome == "completed"


def test_every_answer_a_client_got_is_in_the_table_once_though_the_gateway_was_killed_under_load(
    committed_db: None, stub: Stub, own_home: Path, ask
):
    answered: Counter[str] = Counter()
    lock = threading.Lock()

    def ask_until_it_breaks(worker: int) -> None:
        client = wired.client()
        for n in range(1000):
            prompt = f"question {worker} {n}"
            try:
                list(ask(client, prompt, stream=n % 3 == 0))
            except openai.APIError:
                return
            with lock:
                answered[prompt] += 1

    with running_web(own_home) as server, running_recorder(own_home):
        wired = wire(stub, server)
        with ThreadPoolExecutor(6) as pool:
            for worker in range(6):
                pool.submit(ask_until_it_breaks, worker)
            eventually(lambda: len(answered) > 100, 30)
            server.kill()
    calls = calls_after_recording(own_home, wired)
    completed = Counter(call.exchange.user_prompt for call in calls if call.exchange)
    assert not answered - completed
    assert set(completed.values()) == {1}
    assert {call.outcome for call in calls} <= {"completed", "interrupted"}
    assert len(calls) >= len(stub.seen)


def test_a_recorder_killed_again_and_again_stores_every_call_once(committed_db: None, stub: Stub, own_home: Path, ask):
    with running_web(own_home) as server:
        wired = wire(stub, server)
        client = wired.client()
        for round_number in range(3):
            with running_recorder(own_home) as recorder:
                for n in range(30):
                    ask(client, f"question {round_number} {n}")
                eventually(lambda: LoggedCall.objects.filter(project=wired.project).count() > 10)
                recorder.kill()
                recorder.wait(10)
    calls = calls_after_recording(own_home, wired)
    assert Counter(call.outcome for call in calls) == {"completed": 90}
    assert wired.exchanges.filter(seen_count=1).count() == 90
