"""Telling people and programs what happened. What there is to tell is read from the rows; each thing is told once."""

import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from smtplib import SMTPException
from typing import NamedTuple

import httpx2
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from curation.models import Project, SealedKeyUnreadable

from .models import (
    Approval,
    FineTune,
    ModelVersion,
    Notice,
    NoticeDelivery,
    NoticePolicy,
    Promotion,
    PromotionRequest,
    Retirement,
    RetrainingRun,
)
from .providers.transport import GuardedTransport, refusal_in

log = logging.getLogger(__name__)

Kind, Channel = Notice.Kind, NoticeDelivery.Channel
# What is older was missed while nothing ran; telling it now would only confuse.
OLDEST = timedelta(days=7)
WARNED = (7, 30, 90)  # days before a model retires
TIMEOUT = httpx2.Timeout(10, connect=5)


class News(NamedTuple):
    kind: str
    key: str
    words: str
    path: str


def policy_of(project: Project) -> NoticePolicy:
    policy, _ = NoticePolicy.objects.get_or_create(project=project)
    policy.project = project  # known already
    return policy


def gather(now: datetime | None = None) -> int:
    """Write down what there is to tell, with a delivery for each address; how many notices are new. Safe to repeat."""
    now = now or timezone.now()
    policies = NoticePolicy.objects.filter(project__archived_at=None).select_related("project")
    return sum(_gather(policy, now) for policy in policies if policy.emails or policy.webhook_url)


def _gather(policy: NoticePolicy, now: datetime) -> int:
    since = max(policy.since, now - OLDEST)
    told = set(Notice.objects.filter(project=policy.project, created_at__gte=since).values_list("key", flat=True))
    wanted = [news for news in _news(policy.project, since, now.date()) if news.kind in policy.kinds]
    return sum(tell(policy, news) for news in wanted if news.key not in told)


@transaction.atomic
def tell(policy: NoticePolicy, news: News) -> bool:
    """Keep the notice and one delivery for each address; False when it was told already."""
    notice, is_new = Notice.objects.get_or_create(
        project=policy.project,
        key=news.key,
        defaults={"kind": news.kind, "words": news.words[:500], "path": news.path},
    )
    if is_new:
        targets = [(Channel.EMAIL, address) for address in policy.emails]
        if policy.webhook_url:
            targets.append((Channel.WEBHOOK, policy.webhook_url))
        for channel, target in targets:
            NoticeDelivery.objects.create(notice=notice, channel=channel, target=target)
        log.info("notice %s kind=%s deliveries=%s", notice.pk, notice.kind, len(targets))
    return is_new


def send_test(policy: NoticePolicy) -> bool:
    """Tell a test, whatever kinds are wanted; False where there is no address to tell it to."""
    if not policy.emails and not policy.webhook_url:
        return False
    path = reverse("notices", args=[policy.project.slug])
    return tell(policy, News(Kind.TEST, f"test {time.time_ns()}", "A test: notices of this project arrive here.", path))


# What there is to tell


def _news(project: Project, since: datetime, today: date) -> Iterator[News]:
    yield from _moves(project, since)
    yield from _asked(project, since)
    yield from _failed(project, since)
    yield from _retiring(project, today)


def _moves(project: Project, since: datetime) -> Iterator[News]:
    path = reverse("registry", args=[project.slug])
    moves = Promotion.objects.filter(alias__project=project, created_at__gt=since).select_related(
        "alias", "promoted_by"
    )
    for move in moves:
        by = f" by {move.promoted_by}" if move.promoted_by else " by itself"
        if move.kind == Promotion.Kind.ROLLED_BACK:
            words = (
                f"“{move.alias.name}” is answered by {move.model} again, rolled back from {move.previous_model}{by}."
            )
            yield News(Kind.ROLLED_BACK, f"move {move.pk}", f"{words} {move.note}".strip(), path)
        elif move.kind == Promotion.Kind.CANARY:
            words = f"{move.share} % of the calls to “{move.alias.name}” are answered by {move.model}, promoted{by}."
            yield News(Kind.PROMOTED, f"move {move.pk}", words, path)
        else:
            words = f"“{move.alias.name}” is answered by {move.model} in place of {move.previous_model}, promoted{by}."
            yield News(Kind.PROMOTED, f"move {move.pk}", words, path)


def _asked(project: Project, since: datetime) -> Iterator[News]:
    waiting = PromotionRequest.objects.filter(
        alias__project=project, requested_at__gt=since, state=PromotionRequest.State.WAITING
    )
    for asked in waiting.select_related("alias", "model_version", "requested_by"):
        who = asked.requested_by or "The retraining rule"
        words = f"{who} asks to have “{asked.alias.name}” answered by {asked.model_version.name}. Somebody decides."
        yield News(Kind.APPROVAL, f"request {asked.pk}", words, reverse("registry", args=[project.slug]))
    open_ones = Approval.objects.filter(
        finetune__project=project, requested_at__gt=since, decision=Approval.Decision.OPEN
    )
    for approval in open_ones.select_related("finetune", "requested_by"):
        who = approval.requested_by or "The retraining rule"
        words = f"{who} asks to begin {approval.finetune}, which costs money. Another person decides."
        path = reverse("finetune", args=[project.slug, approval.finetune_id])
        yield News(Kind.APPROVAL, f"approval {approval.pk}", words, path)
    better = RetrainingRun.objects.filter(
        policy__project=project, finished_at__gt=since, gate__is_passed=True, promotion=None, policy__when_better="ask"
    )
    for run in better:
        words = f"{str(run).capitalize()} made a model that passed the gate. {run.outcome}"
        yield News(Kind.APPROVAL, f"passed {run.pk}", words, reverse("registry", args=[project.slug]))


def _failed(project: Project, since: datetime) -> Iterator[News]:
    for finetune in project.finetunes.filter(status=FineTune.Status.FAILED, finished_at__gt=since):
        path = reverse("finetune", args=[project.slug, finetune.pk])
        yield News(
            Kind.FAILED, f"finetune {finetune.pk}", f"{str(finetune).capitalize()} failed. {finetune.error}", path
        )
    runs = RetrainingRun.objects.filter(policy__project=project, status=RetrainingRun.Status.FAILED)
    for run in runs.filter(finished_at__gt=since):
        path = reverse("retraining", args=[project.slug])
        yield News(Kind.FAILED, f"retraining {run.pk}", f"{str(run).capitalize()} failed. {run.outcome}", path)


def _retiring(project: Project, today: date) -> Iterator[News]:
    """The nearest of the days on which a warning is due; a model that nobody serves any more is told of as well."""
    path = reverse("registry", args=[project.slug])
    soon = ModelVersion.objects.filter(
        project=project, retires_on__gte=today, retires_on__lte=today + timedelta(days=max(WARNED))
    )
    for model in soon:
        assert model.retires_on is not None
        words = _retires(model.name, model.retires_on, today)
        yield News(Kind.RETIRING, f"retiring {model.pk} {_mark(model.retires_on, today)}", words, path)
    bases = Retirement.objects.filter(
        provider__project=project, day__gte=today, day__lte=today + timedelta(days=max(WARNED))
    )
    for base in bases.select_related("provider"):
        words = _retires(f"{base.model} at {base.provider.name}", base.day, today)
        yield News(Kind.RETIRING, f"retiring base {base.pk} {_mark(base.day, today)}", words, path)


def _retires(name: str, day: date, today: date) -> str:
    left = (day - today).days
    days = "today" if left == 0 else f"in {left} day{'' if left == 1 else 's'}"
    return f"{name} retires on {day:%d %B %Y}, {days}. Retrain on another base before."


def _mark(day: date, today: date) -> int:
    """The warning that is due: days before the end, the nearest."""
    return next(days for days in WARNED if (day - today).days <= days)


# On the way


def advance(pk: int) -> None:
    """Send one notice to one address (for a worker)."""
    delivery = NoticeDelivery.claim(pk)
    if delivery is None:
        return
    if delivery.cancel_requested_at:
        delivery.settle(NoticeDelivery.Status.CANCELLED)
    elif delivery.channel == Channel.EMAIL:
        _send_mail(delivery)
    else:
        _post(delivery)


def _send_mail(delivery: NoticeDelivery) -> None:
    if not settings.EMAIL_HOST:
        words = "No mail server is set. Who runs this installation names one with CURATION_SMTP_URL."
        delivery.settle(NoticeDelivery.Status.FAILED, words)
        return
    notice = delivery.notice
    message = EmailMessage(
        subject=f"[{notice.project.slug}] {notice.get_kind_display()}",
        body=f"{notice.words}\n\n{_url(notice)}\n",
        to=[delivery.target],
        headers={"Auto-Submitted": "auto-generated"},
    )
    try:
        message.send()
    except (SMTPException, OSError) as error:
        delivery.retry(f"The mail server did not take it: {error}"[:500])
    else:
        delivery.settle(NoticeDelivery.Status.SUCCEEDED, answer="taken by the mail server")


def _url(notice: Notice) -> str:
    return f"{settings.PUBLIC_URL}{notice.path}"


def payload(notice: Notice) -> bytes:
    """What a webhook gets; the same bytes at each try."""
    told = {
        "type": f"curation.{notice.kind}",
        "timestamp": notice.created_at.isoformat(),
        "data": {"project": notice.project.slug, "words": notice.words, "url": _url(notice)},
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def signature(secret: str, message_id: str, stamp: str, body: bytes) -> str:
    """As the Standard Webhooks have it: v1, HMAC-SHA256 over id, time and body."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _post(delivery: NoticeDelivery) -> None:
    body, stamp, message_id = payload(delivery.notice), str(int(time.time())), f"notice-{delivery.pk}"
    try:
        secret = policy_of(delivery.notice.project).open_secret()
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": stamp,
            "webhook-signature": signature(secret, message_id, stamp, body),
        }
        with httpx2.Client(
            timeout=TIMEOUT, follow_redirects=False, trust_env=False, transport=GuardedTransport(settings.REACH)
        ) as client:
            answer = client.post(delivery.target, content=body, headers=headers)
    except SealedKeyUnreadable as error:
        delivery.settle(NoticeDelivery.Status.FAILED, str(error))
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        if refused := refusal_in(error):
            delivery.settle(NoticeDelivery.Status.FAILED, str(refused))
        else:
            delivery.retry(f"It could not be reached: {type(error).__name__}.")
    else:
        _take_answer(delivery, answer.status_code)


def _take_answer(delivery: NoticeDelivery, status: int) -> None:
    """The body is not kept: it could hold what an address inside a network says."""
    if 200 <= status < 300:
        delivery.settle(NoticeDelivery.Status.SUCCEEDED, answer=f"HTTP {status}")
    elif status == 410:
        delivery.settle(NoticeDelivery.Status.FAILED, "The other side wants no more of them (HTTP 410).")
    else:
        delivery.retry(f"The other side answered HTTP {status}.")
