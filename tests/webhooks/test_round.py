"""The local trainer and this application, each way round: told by webhook alone, and asked by polling alone."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone

from curation.models import DatasetVersion, Provider
from jobs import finetunes, webhooks
from jobs.models import FineTune, ModelVersion, WebhookDelivery
from tests.machines import drive

pytestmark = pytest.mark.django_db(transaction=True)
KEY = "a-main-key"


@pytest.fixture(scope="module")
def trainer_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    words = ["-m", "jobs.trainer", "--home", str(tmp_path_factory.mktemp("trainer")), "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
        env=os.environ | {"CURATION_TRAINER_KEY": KEY},
    )  # fmt: skip
    assert process.stdout
    yield process.stdout.readline().split()[-1]
    process.terminate()
    process.wait(60)


@pytest.fixture
def local(project, settings, trainer_url) -> Provider:
    settings.TRAINER_URL, settings.TRAINER_KEY = trainer_url, KEY
    provider = project.default_provider
    provider.kind, provider.base_model = Provider.Kind.LOCAL_TRAINER, "baseline"
    provider.save()
    return provider


def ended(finetune: FineTune) -> None:
    """It made a model, with all that was reported on the way."""
    assert finetune.status == FineTune.Status.SUCCEEDED, finetune.error
    assert ModelVersion.objects.get(finetune=finetune).name == finetune.fine_tuned_model
    assert finetune.metrics.exclude(train_loss=None).exclude(valid_loss=None).count() >= 3
    assert finetune.checkpoints.count() == 3
    assert finetune.result_file_ids


def test_by_polling_alone(version: DatasetVersion, local: Provider):
    finetune = finetunes.launch(version, local)
    while not (drive(finetune, steps=1).is_finished or finetune.is_parked):
        time.sleep(0.05)
    ended(finetune)
    assert not WebhookDelivery.objects.exists()


def test_by_webhook_alone(version: DatasetVersion, local: Provider, live_server):
    endpoint = webhooks.endpoint_of(local)
    webhooks.register(local, live_server.url + reverse("webhook", args=[endpoint.token]))
    finetune = finetunes.launch(version, local)
    while not finetune.provider_job_id:
        drive(finetune, steps=1)
    # Nobody asks for an hour; what comes is the trainer's word.
    FineTune.objects.update(next_attempt_at=timezone.now() + timedelta(hours=1))
    while not FineTune.objects.due().exists():
        time.sleep(0.05)
    finetunes.advance(finetune.pk)
    finetune.refresh_from_db()
    ended(finetune)
    delivery = WebhookDelivery.objects.get()
    assert (delivery.event_type, delivery.finetune) == ("fine_tuning.job.succeeded", finetune)
