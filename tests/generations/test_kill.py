"""A worker that is killed in the middle costs a second request for what was under way, and nothing else."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from urllib.parse import urlsplit

import pytest
from django.db import connection

from curation.models import Exchange, LoggedCall
from jobs import generations
from jobs.models import GenerationItem
from tests.machines import drive

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = "import sys, django; django.setup(); from jobs.generations import advance; advance(int(sys.argv[1]))"
PROMPTS = 24
KILL_AT = 9


def worker(pk: int) -> subprocess.Popen[bytes]:
    """A process of its own that takes the generation once, on the tests' database."""
    name = connection.settings_dict["NAME"]
    environment = os.environ | {
        "DATABASE_URL": urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl(),
        "DJANGO_SETTINGS_MODULE": "curation.settings",
    }
    return subprocess.Popen([sys.executable, "-c", WORKER, str(pk)], env=environment)


def test_a_killed_workers_generation_goes_on_and_stores_each_prompt_once(drafted, stub, asked):
    reached, killed = threading.Event(), threading.Event()

    def answer(model: str, messages: list[dict[str, str]]) -> str:
        if len(asked()) == KILL_AT:
            reached.set()
            killed.wait(30)
        return f"about {messages[-1]['content']}"

    stub.answer = answer
    generation = drafted("{{ name }}", *(f"n{number:02}" for number in range(PROMPTS)))
    generations.start(generation)
    process = worker(generation.pk)
    assert reached.wait(60)
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    killed.set()
    generation.refresh_from_db()
    assert generation.status == "running"
    assert 0 < LoggedCall.objects.count() < KILL_AT

    drive(generation)
    assert (generation.status, generation.done_count) == ("succeeded", PROMPTS)
    times = Counter(asked())
    assert len(times) == PROMPTS
    assert max(times.values()) == 2
    assert sum(times.values()) <= PROMPTS + 4
    items = GenerationItem.objects.all()
    assert set(LoggedCall.objects.values_list("pk", flat=True)) == set(items.values_list("call_id", flat=True))
    assert LoggedCall.objects.count() == Exchange.objects.count() == PROMPTS
    assert all(exchange.seen_count == 1 for exchange in Exchange.objects.all())
    assert all(item.exchange.response == f"about {item.prompt}" for item in items)
