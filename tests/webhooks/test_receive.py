"""A provider says that a job has ended: taken once, from the right sender, and never believed."""

import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from openai import OpenAI

from jobs import finetunes, webhooks
from jobs.models import FineTune, WebhookDelivery, WebhookEndpoint
from jobs.providers.signatures import sign
from jobs.views.webhooks import MOST_REFUSED, _refusals
from tests.machines import drive
from tests.provider_stub import Stub

pytestmark = pytest.mark.django_db
SECRET = "whsec_c2VjcmV0IG9mIHRoaXMgdGVzdA=="


@pytest.fixture(autouse=True)
def no_flood():
    _refusals._times.clear()


@pytest.fixture
def endpoint(provider) -> WebhookEndpoint:
    return webhooks.keep_secret(provider, SECRET)


@pytest.fixture
def training(version, provider, stub: Stub) -> FineTune:
    """Its job runs, and it is not due to ask the provider for an hour."""
    stub.statuses = ["running"]
    finetune = finetunes.launch(version, provider)
    while finetune.provider_status != "running":
        drive(finetune, steps=1)
    FineTune.objects.update(next_attempt_at=timezone.now() + timedelta(hours=1))
    return finetune


def message(type: str = "fine_tuning.job.succeeded", job: object = "ftjob-1") -> bytes:
    return json.dumps({"id": "evt_1", "object": "event", "created_at": 1, "type": type, "data": {"id": job}}).encode()


def post(endpoint: WebhookEndpoint, body: bytes, secret: str = SECRET, **headers: str | None):
    at = str(int(time.time()))
    sent = {"webhook-id": "wh_1", "webhook-timestamp": at} | {
        name.replace("_", "-"): value for name, value in headers.items() if value is not None
    }
    if "webhook-signature" not in sent:
        signature = sign(secret, sent["webhook-id"], sent["webhook-timestamp"], body)
        sent["webhook-signature"] = f"v1,{signature}"
    missing = {name.replace("_", "-") for name, value in headers.items() if value is None}
    sent = {name: value for name, value in sent.items() if name not in missing}
    url = reverse("webhook", args=[endpoint.token])
    return Client().post(url, body, content_type="application/json", headers=sent)


def due(finetune: FineTune) -> bool:
    return FineTune.objects.due().filter(pk=finetune.pk).exists()


def test_a_message_wakes_the_fine_tune_which_then_asks_the_provider(training, endpoint, stub: Stub):
    assert post(endpoint, message()).status_code == 200
    assert due(training)
    finetunes.advance(training.pk)
    training.refresh_from_db()
    # It said succeeded, the provider says running: the provider is right.
    assert (training.status, training.provider_status) == (FineTune.Status.RUNNING, "running")
    assert WebhookDelivery.objects.get().finetune == training


def test_what_the_official_client_takes_is_taken_here(training, endpoint):
    """The signature made here is one the official client takes, so ours and its are the same."""
    body, at = message(), str(int(time.time()))
    headers = {
        "webhook-id": "wh_9",
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{sign(SECRET, 'wh_9', at, body)}",
    }
    OpenAI(api_key="x", webhook_secret=SECRET).webhooks.verify_signature(body, headers)
    assert post(endpoint, body).status_code == 200


def test_the_same_message_ten_times_at_once_is_one(training, endpoint):
    for _ in range(3):
        assert post(endpoint, message()).status_code == 200
    assert WebhookDelivery.objects.get().repeat_count == 2
    assert post(endpoint, message(job="ftjob-2")).status_code == 409
    assert WebhookDelivery.objects.get().conflict_count == 1


@pytest.mark.django_db(transaction=True)
def test_messages_at_the_same_moment_are_one(training, endpoint):
    def send(_number: int) -> int:
        try:
            return post(endpoint, message()).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as threads:
        assert set(threads.map(send, range(10))) == {200}
    assert WebhookDelivery.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [
        message("fine_tuning.job.brandished"), message("response.completed"), message(job="ftjob-of-others"),
        message(job=["ftjob-1"]), message(job=None), b'{"type": 7, "data": []}', b"{}",
    ],
)  # fmt: skip
def test_what_is_of_no_interest_is_stored_and_ignored(training, endpoint, body):
    assert post(endpoint, body).status_code == 200
    assert WebhookDelivery.objects.get().outcome == "ignored"
    assert not due(training)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 9000, b"\xff", b"null", b" " * 70_000 + message()])
def test_a_signed_body_that_is_no_message_is_refused(training, endpoint, body):
    assert post(endpoint, body).status_code == 400
    assert not WebhookDelivery.objects.exists()


@pytest.mark.parametrize(
    "headers",
    [
        {"webhook_id": None}, {"webhook_timestamp": None}, {"webhook_signature": None},
        {"webhook_id": ""}, {"webhook_id": "w" * 201}, {"webhook_timestamp": "now"}, {"webhook_timestamp": "٣"},
        {"webhook_timestamp": "9" * 400}, {"webhook_signature": "v1,é"}, {"webhook_signature": "v9,AAAA"},
        {"webhook_signature": "v1,"}, {"webhook_signature": "v1,A " * 2000},
    ],
)  # fmt: skip
def test_headers_that_tell_nothing_are_refused(training, endpoint, headers):
    sent = {name: value for name, value in headers.items() if value is not None or name != "webhook_signature"}
    if headers == {"webhook_signature": None}:
        sent = {"webhook_signature": ""}
    if "webhook_signature" not in sent:
        sent["webhook_signature"] = "v1,AAAA"
    assert post(endpoint, message(), **sent).status_code == 400
    assert not due(training)


@pytest.mark.parametrize("seconds", [-330, 330])
def test_a_message_of_another_time_is_refused(training, endpoint, seconds):
    assert post(endpoint, message(), webhook_timestamp=str(int(time.time()) + seconds)).status_code == 400


def test_a_changed_body_and_a_foreign_secret_are_refused(training, endpoint, caplog):
    at = str(int(time.time()))
    signature = f"v1,{sign(SECRET, 'wh_1', at, message())}"
    changed = message().replace(b"ftjob-1", b"ftjob-2")
    with caplog.at_level(logging.WARNING):
        answer = post(endpoint, changed, webhook_timestamp=at, webhook_signature=signature)
    assert answer.status_code == 400
    assert "refused a message: No signature is right." in caplog.text
    assert post(endpoint, message(), secret="whsec_Zm9yZWlnbg==").status_code == 400


def test_a_new_secret_and_the_one_before_it_are_good_for_a_day(training, provider, endpoint):
    webhooks.keep_secret(provider, "whsec_YW5vdGhlciBzZWNyZXQgaGVyZQ==")
    endpoint.refresh_from_db()
    assert post(endpoint, message(), webhook_id="wh_old").status_code == 200
    assert (
        post(endpoint, message(), secret="whsec_YW5vdGhlciBzZWNyZXQgaGVyZQ==", webhook_id="wh_new").status_code == 200
    )
    WebhookEndpoint.objects.update(secret_changed_at=timezone.now() - timedelta(hours=25))
    assert post(endpoint, message(), webhook_id="wh_late").status_code == 400


def test_a_message_about_what_has_ended_or_is_blocked_changes_nothing(training, endpoint):
    FineTune.objects.update(step="blocked", next_attempt_at=None)
    assert post(endpoint, message()).status_code == 200
    assert not due(training)
    FineTune.objects.update(status="succeeded")
    assert post(endpoint, message("fine_tuning.job.failed"), webhook_id="wh_2").status_code == 200
    training.refresh_from_db()
    assert training.status == FineTune.Status.SUCCEEDED


def test_without_a_secret_nothing_is_taken_and_unknown_addresses_are_not_found(provider):
    endpoint = webhooks.endpoint_of(provider)
    assert post(endpoint, message()).status_code == 400
    url = reverse("webhook", args=[endpoint.token])
    assert Client().get(url).status_code == 405
    endpoint.token = "guessed"
    assert post(endpoint, message()).status_code == 404


def test_a_flood_of_bad_ones_is_turned_away_and_good_ones_still_come_in(training, endpoint, caplog):
    with caplog.at_level(logging.WARNING):
        answers = [post(endpoint, message(), secret="wrong").status_code for _ in range(MOST_REFUSED + 5)]
    assert answers == [400] * MOST_REFUSED + [429] * 5
    assert caplog.text.count("refused a message") == MOST_REFUSED
    assert post(endpoint, message()).status_code == 200


def test_a_message_that_comes_while_it_is_asked_is_not_lost(training, endpoint, stub: Stub):
    FineTune.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))
    stub.hooks["GET /fine_tuning/jobs/ftjob-1"] = lambda: WebhookEndpoint.objects.none()
    claimed = FineTune.claim(training.pk)
    assert claimed
    assert post(endpoint, message()).status_code == 200
    claimed.wait(3600)
    assert due(training)
