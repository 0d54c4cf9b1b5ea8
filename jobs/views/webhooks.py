"""Providers call here when a job has ended; and the page on which an owner sees and sets that up."""

import logging
import time
from collections import deque
from threading import Lock

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from curation.models import Project, SealedKeyUnreadable
from curation.permissions import Role, role_required
from jobs import webhooks
from jobs.forms import SecretForm
from jobs.models import WebhookEndpoint
from jobs.providers.base import ProviderError
from jobs.tasks import nudge

log = logging.getLogger(__name__)

# The protocol's messages have a few hundred bytes.
MOST_BYTES = 64 * 1024
MOST_SHOWN = 50
# Beyond so many refused messages a minute in one process, no line is logged for each and the answer is 429.
MOST_REFUSED = 60


class _Refusals:
    """Counts refused messages of the last minute, so that a flood of them costs neither the log nor the disk."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=MOST_REFUSED)
        self._lock = Lock()

    def are_too_many(self) -> bool:
        now = time.monotonic()
        with self._lock:
            is_flood = len(self._times) == MOST_REFUSED and now - self._times[0] < 60
            self._times.append(now)
        return is_flood


_refusals = _Refusals()


@csrf_exempt
@login_not_required
@require_POST
def receive(request: HttpRequest, token: str) -> HttpResponse:
    """2xx means taken, and never a redirect: whatever else is answered, the provider sends it again for days."""
    endpoint = WebhookEndpoint.objects.select_related("provider").filter(token=token).first()
    if endpoint is None:
        return _answer(404, "There is no such webhook.")
    try:
        received = webhooks.receive(endpoint, _headers(request), _body(request))
    except webhooks.Refused as error:
        return _refused(endpoint, error)
    except SealedKeyUnreadable as error:
        log.error("webhook endpoint %s: %s", endpoint.pk, error)
        return _answer(503, "The signature cannot be checked here just now.")
    if received.finetune:
        nudge(received.finetune)
    return _answer(200, received.outcome)


def _headers(request: HttpRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items() if name.lower().startswith("webhook-")}


def _body(request: HttpRequest) -> bytes:
    body = request.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        raise webhooks.Refused(f"A message has at most {MOST_BYTES} bytes.")
    return body


def _refused(endpoint: WebhookEndpoint, error: webhooks.Refused) -> HttpResponse:
    if error.is_conflict:
        return _answer(409, str(error))
    if _refusals.are_too_many():
        return _answer(429, "Too many messages are refused; try again in a minute.")
    log.warning("webhook endpoint %s refused a message: %s", endpoint.pk, error)
    return _answer(400, str(error))


def _answer(status: int, words: str) -> HttpResponse:
    return JsonResponse({"status" if status == 200 else "error": words}, status=status)


@require_safe
@role_required(Role.OWNER)
def show(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Whether a provider tells us when a job has ended, by which address, and what it has sent."""
    return _page(request, project, pk, SecretForm())


@require_POST
@role_required(Role.OWNER)
def keep_secret(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Enter the secret that the provider showed when the webhook was made there."""
    form = SecretForm(request.POST)
    if not form.is_valid():
        return _page(request, project, pk, form)
    webhooks.keep_secret(get_object_or_404(project.providers, pk=pk), form.cleaned_data["secret"])
    messages.success(request, "Saved. A secret that was here before stays good for a day.")
    return redirect("webhook_of", project.slug, pk)


@require_POST
@role_required(Role.OWNER)
def register(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Ask the provider to make the webhook itself."""
    provider = get_object_or_404(project.providers, pk=pk)
    endpoint = webhooks.endpoint_of(provider)
    try:
        webhooks.register(provider, _address(request, endpoint))
        messages.success(request, "The provider sends its messages here from now on.")
    except (ProviderError, SealedKeyUnreadable) as error:
        messages.error(request, f"{error} Make the webhook in your account there and enter its secret here.")
    return redirect("webhook_of", project.slug, pk)


def _page(request: HttpRequest, project: Project, pk: int, form: SecretForm) -> HttpResponse:
    provider = get_object_or_404(project.providers, pk=pk)
    endpoint = webhooks.endpoint_of(provider)
    context = {
        "project": project,
        "room": "settings",
        "provider": provider,
        "endpoint": endpoint,
        "address": _address(request, endpoint),
        "events": webhooks.EVENTS,
        "form": form,
        "deliveries": endpoint.deliveries.select_related("finetune")[:MOST_SHOWN],
    }
    return render(request, "webhooks/show.html", context, status=422 if form.errors else 200)


def _address(request: HttpRequest, endpoint: WebhookEndpoint) -> str:
    return request.build_absolute_uri(reverse("webhook", args=[endpoint.token]))
