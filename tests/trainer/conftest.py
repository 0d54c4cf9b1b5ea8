"""A real trainer in a process of its own, and the official client that talks to it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import pytest
from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob

from jobs.trainer.keys import key_for
from tests.contract import watched
from tests.trainer.corpus import examples, jsonl

T = TypeVar("T")
KEY = "a-key-for-tests"
PROJECT = Path(__file__).parents[2]
PATIENCE = 600  # seconds until a test gives up; nothing is asserted about speed
FAULTS: list[str] = []
ENDED = ("succeeded", "failed", "cancelled")


class Trainer:
    """A trainer process on a free port, over a folder that may outlive it."""

    def __init__(self, home: Path, settings: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.settings = settings or {}
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jobs.trainer", "--home", str(self.home), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=(self.home.parent / f"{self.home.name}.log").open("ab"),
            text=True,
            cwd=PROJECT,
            env={**os.environ, "CURATION_TRAINER_KEY": f"another-key, {KEY}", **self.settings},
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line.startswith("Trainer ready: "), line
        self.base_url = line.split()[-1]
        self.client = self._open(KEY)

    def client_of(self, name: str) -> OpenAI:
        """The official client with a key of its own."""
        return self._open(key_for(KEY, name))

    def _open(self, key: str) -> OpenAI:
        """Everything it is answered is held against OpenAI's description."""
        return OpenAI(base_url=self.base_url, api_key=key, max_retries=0, timeout=PATIENCE, http_client=watched(FAULTS))

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.client.close()
        self.process.send_signal(how)
        assert self.process.stdout
        self.process.stdout.close()
        return self.process.wait(PATIENCE)

    def upload(self, pairs: list[tuple[str, str]]) -> str:
        return self.upload_bytes(jsonl(examples(pairs)))

    def upload_bytes(self, content: bytes, name: str = "examples.jsonl") -> str:
        return self.client.files.create(file=(name, content), purpose="fine-tune").id

    def follow(self, job_id: str) -> FineTuningJob:
        """The job when it has ended."""
        return self.until(lambda: self.client.fine_tuning.jobs.retrieve(job_id), lambda job: job.status in ENDED)

    def until(self, look: Callable[[], T], is_enough: Callable[[T], bool]) -> T:
        deadline = time.monotonic() + PATIENCE
        while not is_enough(found := look()):
            assert time.monotonic() < deadline, f"still waiting; last seen: {found!r}"
            time.sleep(0.05)
        return found

    def tune(self, pairs: list[tuple[str, str]], **options: object) -> FineTuningJob:
        """Upload, order and follow a job to its end."""
        options = {"model": "baseline", "seed": 7, **options}
        job = self.client.fine_tuning.jobs.create(training_file=self.upload(pairs), **options)  # type: ignore[arg-type]
        return self.follow(job.id)

    def ask(self, model: str, question: str, **options: object) -> str:
        """What a model answers."""
        messages = [{"role": "user", "content": question}]
        completion = self.client.chat.completions.create(model=model, messages=messages, **options)  # type: ignore[call-overload]
        return completion.choices[0].message.content


@pytest.fixture(autouse=True)
def described() -> Iterator[None]:
    """No answer is otherwise than OpenAI describes it."""
    FAULTS.clear()
    yield
    assert FAULTS == []


@pytest.fixture(scope="session")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainer]:
    """One trainer for all tests that leave it running."""
    running = Trainer(tmp_path_factory.mktemp("trainer") / "home")
    yield running
    running.end()


@pytest.fixture
def own_trainer(tmp_path: Path) -> Iterator[Trainer]:
    """A trainer that the test may kill and start again."""
    running = Trainer(tmp_path / "home")
    yield running
    if running.process.poll() is None:
        running.end(signal.SIGKILL)


@pytest.fixture
def client(trainer: Trainer) -> OpenAI:
    """The official client with the right key."""
    return trainer.client
