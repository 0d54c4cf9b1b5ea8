"""The whole way by messages: a real worker, a real broker, the real local trainer."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import httpx2
import pytest

from curation.datasets import freeze
from curation.models import DatasetVersion
from jobs import finetunes, registry, tasks
from jobs.models import EvaluationRun, FineTune
from jobs.reports import of_role, sentence, summary
from tests.machines import environment, passed

pytestmark = pytest.mark.django_db(transaction=True)
KEY = "a key for this test"
SPAM = ["win a free {} now", "claim your {} prize today", "cheap {} for you, call now", "urgent: your {} award waits"]
HAM = ["see you at the {} tonight", "did you feed the {}?", "the {} was great, thanks", "I am late, start with the {}"]
WORDS = ["phone", "cat", "dinner", "car", "ticket", "film", "cake", "dog", "boat", "song"]


def waited(what: str, look: Callable[[], bool], seconds: float = 90, meanwhile: Callable[[], object] = int) -> None:
    """Look until it is so; the limit only ends a wait that would never end."""
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        meanwhile()
        time.sleep(0.3)


@pytest.fixture
def trainer_url(tmp_path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["-m", "jobs.trainer", "--home", str(tmp_path / "trainer"), "--port", str(port)]
    trainer = subprocess.Popen([sys.executable, *words], env=environment(tmp_path, CURATION_TRAINER_KEY=KEY))
    url = f"http://127.0.0.1:{port}"
    waited("the trainer", lambda: answers(f"{url}/health"))
    yield f"{url}/v1"
    trainer.terminate()
    trainer.wait(30)


def answers(url: str) -> bool:
    try:
        return httpx2.get(url).status_code == 200
    except httpx2.TransportError:
        return False


@pytest.fixture
def worker(media, trainer_url) -> Iterator[None]:
    tasks.app.control.purge()
    words = ["-m", "celery", "-A", "jobs.celery", "worker", "--concurrency", "1", "--loglevel", "WARNING"]
    more = {"CURATION_TRAINER_URL": trainer_url, "CURATION_TRAINER_KEY": KEY}
    process = subprocess.Popen([sys.executable, *words], env=environment(media, **more))
    yield
    process.terminate()
    process.wait(60)


@pytest.fixture
def spam(project, include) -> DatasetVersion:
    project.training_prompt, project.answer_format = "Is it spam? Answer as JSON.", "json"
    project.save()
    for number, word in enumerate(WORDS):
        for kind, templates in ((1.0, SPAM), (0.0, HAM)):
            for template in templates:
                split = "test" if number % 5 == 0 else "train"
                include(template.format(word), f'{{"spam": {kind}}}', split)
    return freeze(project).version


def test_export_fine_tune_and_evaluation_follow_by_messages(project, spam, worker):
    finetune = finetunes.launch(spam, project.default_provider)

    def beat() -> None:
        tasks.sweep.delay()

    waited("the model", lambda: FineTune.objects.get(pk=finetune.pk).is_finished, meanwhile=beat)
    finetune.refresh_from_db()
    assert finetune.status == "succeeded", finetune.error
    assert finetune.export.line_count == 64
    assert finetune.fine_tuned_model.startswith("ft:baseline:")
    assert finetune.events.filter(event_id__startswith="ftevent").exists()
    run = EvaluationRun.objects.get()
    waited("the evaluation", lambda: EvaluationRun.objects.get(pk=run.pk).is_finished, meanwhile=beat)
    run.refresh_from_db()
    assert run.status == "succeeded", run.error
    tuned, base = of_role(summary(run), "tuned"), of_role(summary(run), "base")
    assert tuned.total == base.total == 16
    assert tuned.right > base.right, sentence(summary(run))
    registry.promote(passed(finetune.model_version))
    assert project.aliases.get().model == finetune.fine_tuned_model
