"""The log of calls, newest first, and one call as it was."""

from django.db.models import Q
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from curation import calls
from curation.call_forms import CallsForm, PlaceForm
from curation.forms import read_query
from curation.json_layout import fault_in, laid_out
from curation.models import Project
from curation.permissions import Role, role_required
from curation.preview import Preview, preview
from curation.views.files import text_file

CALLS_PER_PAGE = 50
FEEDBACK_SHOWN = 20


@role_required(Role.VIEWER)
@require_safe
def index(request: HttpRequest, project: Project) -> HttpResponse:
    """A page of calls; no body is read. Pages go by the last call's time and id, so that each costs the same."""
    form, place = CallsForm(request.GET), read_query(PlaceForm(request.GET))
    filters = form.filters()
    found = calls.find(project, filters).annotate(excerpt=Left("exchange__user_prompt", 100))
    if place["before_at"] and place["before"]:
        found = found.filter(
            Q(started_at__lt=place["before_at"]) | Q(pk__lt=place["before"]), started_at__lte=place["before_at"]
        )
    page = list(found[: CALLS_PER_PAGE + 1])
    context = {
        "project": project,
        "room": "calls",
        "calls": page[:CALLS_PER_PAGE],
        "has_more": len(page) > CALLS_PER_PAGE,
        "form": form,
        "filters": filters,
        "is_first": not place["before"],
        "last_hour": calls.last_hour(project),
    }
    return render(request, "calls/index.html", context)


@role_required(Role.VIEWER)
@require_safe
def figures(request: HttpRequest, project: Project) -> HttpResponse:
    """The counters alone, for the page that asks again and again."""
    return render(request, "calls/_figures.html", {"project": project, "last_hour": calls.last_hour(project)})


@role_required(Role.VIEWER)
@require_safe
def show(request: HttpRequest, project: Project, call_id: str) -> HttpResponse:
    call = get_object_or_404(project.calls.select_related("exchange").defer("exchange__messages"), pk=call_id)
    context = {
        "project": project,
        "room": "calls",
        "call": call,
        "request_body": _body(call.request_body),
        "response_body": _body(call.response_body),
        "answer": preview(call.answer) if call.answer else None,
        "price": calls.price_of_call(call),
        "feedback": call.feedback()[:FEEDBACK_SHOWN],
    }
    return render(request, "calls/call.html", context)


@role_required(Role.VIEWER)
@require_safe
def raw(request: HttpRequest, project: Project, call_id: str, part: str) -> HttpResponse:
    call = get_object_or_404(project.calls, pk=call_id)
    texts = {"request": call.request_body, "response": call.response_body, "answer": call.answer}
    return text_file(texts.get(part), f"{project.slug}-{call.pk}-{part}")


def _body(text: str) -> Preview:
    # Laying out a body of many megabytes would cost seconds and show nothing more.
    return preview(laid_out(text) if len(text) < 200_000 and text and not fault_in(text) else text)
