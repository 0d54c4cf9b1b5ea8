"""People and programs are told what happened, once, and can see what became of each message."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from curation.egress import Reach
from curation.models import Membership
from jobs import notices, registry
from jobs.models import FineTune, ModelVersion, Notice, NoticeDelivery, NoticePolicy, RetrainingRun
from jobs.readiness import policy_of as retraining_policy
from tests.machines import passed, step

pytestmark = pytest.mark.django_db
Role = Membership.Role


class Hook:
    """Takes webhooks: what it got, and what it answers."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.url = ""


@pytest.fixture
def hook(settings) -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            hook.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(hook.answers.pop(0) if hook.answers else 204)
            self.send_header("location", "http://127.0.0.1:1/")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    hook.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    settings.REACH = Reach.of(["127.0.0.1"])
    yield hook
    server.shutdown()
    server.server_close()


@pytest.fixture
def policy(project, provider, hook) -> NoticePolicy:
    policy = notices.policy_of(project)
    policy.emails, policy.webhook_url = ["ops@example.org"], hook.url
    policy.new_secret()
    policy.since = timezone.now() - timedelta(minutes=1)
    policy.save()
    return policy


@pytest.fixture
def model(make_model, version) -> ModelVersion:
    return make_model("ft:1", version)


def told() -> list[tuple[str, str]]:
    return list(Notice.objects.order_by("pk").values_list("kind", "words"))


def test_what_happened_is_told_once(policy, project, model, person):
    registry.promote(passed(model), person("olga"))
    registry.roll_back(project.aliases.get(), note="too slow")
    registry.ask_for_promotion(passed(model))
    FineTune.objects.update(status="failed", error="No credit left.", finished_at=timezone.now())
    RetrainingRun.objects.create(
        policy=retraining_policy(project), trigger="schedule", status="failed", outcome="Not frozen.",
        finished_at=timezone.now(),
    )  # fmt: skip
    ModelVersion.objects.update(retires_on=timezone.now().date() + timedelta(days=29))
    assert notices.gather() == 6
    assert notices.gather() == 0
    kinds = [kind for kind, _ in told()]
    assert sorted(kinds) == ["approval", "failed", "failed", "promoted", "retiring", "rolled_back"]
    words = " ".join(words for _, words in told())
    assert "“support” is answered by ft:1 in place of base, promoted by olga." in words
    assert "is answered by base again, rolled back from ft:1 by itself. too slow" in words
    assert "The retraining rule asks to have “support” answered by ft:1." in words
    assert "failed. No credit left." in words
    assert "in 29 days" in words
    assert NoticeDelivery.objects.count() == 12


def test_only_what_is_wanted_and_only_from_then_on(policy, project, model):
    registry.promote(passed(model))
    NoticePolicy.objects.update(kinds=["failed"])
    assert notices.gather() == 0
    NoticePolicy.objects.update(kinds=["promoted"], since=timezone.now() + timedelta(seconds=1))
    assert notices.gather() == 0
    assert notices.gather(timezone.now() + timedelta(days=30)) == 0


def test_a_model_that_retires_is_told_at_90_30_and_7_days(policy, model):
    today = timezone.now()
    ModelVersion.objects.update(retires_on=today.date() + timedelta(days=95))
    told_on = [day for day in range(96) if notices.gather(today + timedelta(days=day))]
    assert told_on == [5, 65, 88]


def test_an_email_goes_to_each_address(policy, project, model, settings, mailoutbox):
    settings.EMAIL_HOST, settings.PUBLIC_URL = "mail.example.org", "https://curation.example.org"
    registry.promote(passed(model))
    notices.gather()
    delivery = step(NoticeDelivery.objects.get(channel="email"))
    assert (delivery.status, delivery.target) == ("succeeded", "ops@example.org")
    [mail] = mailoutbox
    assert mail.subject == "[support] A model was promoted"
    assert "https://curation.example.org/projects/support/registry/" in mail.body
    settings.EMAIL_HOST = ""
    notices.send_test(policy)
    delivery = step(NoticeDelivery.objects.filter(channel="email").first())
    assert delivery.status == "failed"
    assert "CURATION_SMTP_URL" in delivery.error


def test_a_webhook_is_signed_and_tried_again(policy, model, hook: Hook):
    registry.promote(passed(model))
    notices.gather()
    delivery = NoticeDelivery.objects.get(channel="webhook")
    hook.answers = [503, 302]
    step(delivery)
    assert (delivery.is_finished, delivery.error) == (False, "The other side answered HTTP 503.")
    step(delivery)  # a redirect is followed nowhere
    assert (delivery.is_finished, len(hook.got)) == (False, 2)
    step(delivery)
    assert (delivery.status, delivery.answer) == ("succeeded", "HTTP 204")
    headers, body = hook.got[-1]
    assert json.loads(body)["data"]["project"] == "support"
    key = base64.b64decode(policy.open_secret().removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert len({got["webhook-id"] for got, _ in hook.got}) == 1


def test_a_webhook_never_reaches_a_private_address(policy, hook: Hook, settings):
    notices.send_test(policy)
    settings.REACH = Reach()  # the name has another address now than when it was saved
    delivery = step(NoticeDelivery.objects.get(channel="webhook"))
    assert delivery.status == "failed"
    assert "private network" in delivery.error
    assert hook.got == []


def sent(**more: Any) -> dict[str, Any]:
    return {"emails": "a@example.org\nb@example.org", "webhook_url": "", "kinds": ["failed", "promoted"]} | more


def test_an_owner_names_who_is_told_and_sees_what_became_of_it(person, browser_of, provider, hook: Hook):
    otto, olga = browser_of(person("otto", Role.OWNER)), browser_of(person("olga", Role.OPERATOR))
    save, test = reverse("notices_save", args=["support"]), reverse("notices_test", args=["support"])
    assert "Name an address first." in otto.post(test, follow=True).text
    page = otto.post(save, sent(webhook_url=hook.url), follow=True).text
    assert "whsec_" in page
    policy = NoticePolicy.objects.get()
    assert (policy.emails, policy.kinds) == (["a@example.org", "b@example.org"], ["failed", "promoted"])
    assert "whsec_" not in otto.post(save, sent(webhook_url=hook.url), follow=True).text
    assert "A test is on its way" in otto.post(test, follow=True).text
    step(NoticeDelivery.objects.get(channel="webhook"))
    page = olga.get(reverse("notices", args=["support"])).text
    assert "HTTP 204" in page
    assert "a@example.org, b@example.org, and a webhook" in page


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"emails": "not an address"}, "is no e-mail address"),
        ({"emails": "\n".join(f"a{n}@example.org" for n in range(21))}, "At most 20"),
        ({"webhook_url": "http://169.254.169.254/latest"}, "private network"),
        ({"webhook_url": "https://user:pass@example.org/"}, "without a password"),
        ({"webhook_url": "file:///etc/passwd"}, "Give an https address"),
        ({"kinds": ["nonsense"]}, "not one of the available choices"),
    ],
)
def test_addresses_nobody_may_name_are_refused(person, browser_of, provider, wrong, words):
    answer = browser_of(person("otto", Role.OWNER)).post(reverse("notices_save", args=["support"]), sent(**wrong))
    assert answer.status_code == 422
    assert words in answer.text


@pytest.mark.parametrize(
    ("method", "name", "least", "below"),
    [
        ("get", "notices", Role.OPERATOR, Role.REVIEWER),
        ("post", "notices_save", Role.OWNER, Role.OPERATOR),
        ("post", "notices_test", Role.OWNER, Role.OPERATOR),
    ],
)
def test_who_may(person, browser_of, provider, method, name, least, below):
    url = reverse(name, args=["support"])
    assert getattr(browser_of(person("right", least)), method)(url).status_code in (200, 302)
    assert getattr(browser_of(person("below", below)), method)(url).status_code == 403
    assert getattr(browser_of(person("stranger")), method)(url).status_code == 404
    assert getattr(browser_of(None), method)(url).url.startswith("/login/")
