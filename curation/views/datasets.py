"""Versions: what is frozen, what has come since, how they differ, and freezing."""

import json
from collections import Counter
from typing import Any

from django.contrib import messages
from django.db.models import Count, F, QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_safe

from curation.dataset_forms import AgainstForm, ExamplesForm
from curation.datasets import Blocked, NothingToFreeze, Unteachable, difference, freeze, new_rows, withheld_count
from curation.forms import FreezeForm, read_query
from curation.models import DatasetVersion, Example, Pair, Project, Provider
from curation.permissions import Role, role_required
from curation.preview import preview
from curation.prices import price_for
from curation.pricing import usual_epochs
from curation.rendering import Renderer
from curation.tokens import count_text
from curation.turns import turns_of

NEW_ROWS_SHOWN = 10
EXAMPLES_PER_PAGE = 50
CHANGES_SHOWN = 50
BLOCKERS_SHOWN = 50


@role_required(Role.VIEWER)
@require_safe
def index(request: HttpRequest, project: Project) -> HttpResponse:
    return _index(request, project, FreezeForm())


@role_required(Role.OPERATOR)
def freeze_included(request: HttpRequest, project: Project) -> HttpResponse:
    if request.method != "POST":  # a log-in in between comes back as a GET
        return redirect("datasets", project.slug)
    form = FreezeForm(request.POST)
    if not form.is_valid():
        return _index(request, project, form, status=422)
    try:
        frozen = freeze(project, user=request.user, note=form.cleaned_data["note"])  # type: ignore[arg-type]
    except NothingToFreeze as reason:
        return _index(request, project, form, status=422, reason=reason)
    messages.success(request, _said(frozen.version, frozen.is_new))
    return redirect("dataset", project.slug, frozen.version.number)


@role_required(Role.VIEWER)
@require_safe
def version(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    found = get_object_or_404(project.versions.select_related("created_by"), number=number)
    query = read_query(ExamplesForm(request.GET))
    split, start, line = query["split"] or Example.Split.TRAIN, query["start"] or 1, query["line"]
    examples = (
        found.examples.filter(split=split, position__gte=start)
        .defer("body")
        .annotate(excerpt=Left("exchange__user_prompt", 160))
        .order_by("position")[: EXAMPLES_PER_PAGE + 1]
    )
    page = list(examples)
    shown = found.examples.filter(split=split, position=line or start).first()
    providers = list(project.providers.defer("sealed_key"))
    context = {
        "project": project,
        "room": "datasets",
        "version": found,
        "split": split,
        "splits": _splits(found),
        "examples": page[:EXAMPLES_PER_PAGE],
        "next_start": start + EXAMPLES_PER_PAGE if len(page) > EXAMPLES_PER_PAGE else None,
        "previous_start": max(start - EXAMPLES_PER_PAGE, 1) if start > 1 else None,
        "start": start,
        "shown": shown,
        "turns": _turns(shown.body) if shown and shown.body else [],
        "row": shown.exchange_id if shown else None,
        "providers": providers,
        "tokens": list(found.figures.get("tokens", {}).items()),
        "found": _found(found),
        "previous": number - 1 if number > 1 else None,
        "prices": [price for provider in providers if (price := _price(found, provider))],
    }
    return render(request, "datasets/version.html", context)


@role_required(Role.VIEWER)
@require_safe
def changes(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    """What a version has that another had not: by default the one before it."""
    found = get_object_or_404(project.versions, number=number)
    against = read_query(AgainstForm(request.GET))["against"] or max(number - 1, 1)
    older = get_object_or_404(project.versions, number=against)
    changed = difference(older, found)
    context = {
        "project": project,
        "room": "datasets",
        "version": found,
        "older": older,
        "others": project.versions.exclude(pk=found.pk).only("number", "note", "project_id")[:100],
        "parts": [
            ("Added", *_shown(changed.added)),
            ("No longer in it", *_shown(changed.removed)),
            ("With another answer or prompt", *_shown(changed.corrected)),
        ],
    }
    return render(request, "datasets/changes.html", context)


def _shown(examples: QuerySet[Example]) -> tuple[int, list[Example]]:
    return examples.count(), list(examples.annotate(excerpt=Left("exchange__user_prompt", 120))[:CHANGES_SHOWN])


def _splits(version: DatasetVersion) -> list[tuple[str, str, int]]:
    sides = [
        (Example.Split.TRAIN, "Train", version.train_count),
        (Example.Split.VALIDATION, "Validation", version.validation_count),
        (Example.Split.TEST, "Held out", version.test_count),
    ]
    return [side for side in sides if side[0] != Example.Split.VALIDATION or side[2]]


def _found(version: DatasetVersion) -> list[tuple[int, str]]:
    """How many findings of each weight, the worst first."""
    counts: Counter[str] = Counter()
    for _code, severity, count in version.figures.get("findings", []):
        counts[severity] += count
    return [(counts[severity], severity) for severity in ("blocker", "warning", "note") if counts[severity]]


def _price(version: DatasetVersion, provider: Provider) -> dict[str, Any] | None:
    price, tokens = price_for(provider, provider.base_model), version.train_tokens
    dollars = price.training(tokens, epochs := usual_epochs(version.train_count)) if price and tokens else None
    if not dollars:
        return None
    return {
        "model": provider.base_model,
        "where": provider.name,
        "epochs": epochs,
        "dollars": f"{dollars:,.2f}",
        "ends_on": provider.profile.ends_on(provider.base_model),
        "price": price,
    }


def _index(
    request: HttpRequest, project: Project, form: FreezeForm, status: int = 200, reason: NothingToFreeze | None = None
) -> HttpResponse:
    latest = project.versions.first()
    new = new_rows(project, latest)
    included = project.exchanges.included()
    context = {
        "project": project,
        "room": "datasets",
        "versions": project.versions.select_related("created_by")[:100],
        "latest": latest,
        "new_count": new.count(),
        "new_rows": new.only("project_id", "split", "included")
        .annotate(excerpt=Left("user_prompt", 120))
        .order_by("-included")[:NEW_ROWS_SHOWN],
        "gone_count": latest.examples.filter(exchange__included=None).count() if latest else 0,
        "withheld_count": withheld_count(project),
        "pair_count": project.pairs.filter(state=Pair.State.OPEN).count(),
        "counts": {row["split"]: row["n"] for row in included.values("split").annotate(n=Count("pk"))},
        "preview": _preview(project),
        "form": form,
        "reason": reason,
        "found": reason.found[:BLOCKERS_SHOWN] if isinstance(reason, Blocked) else None,
    }
    return render(request, "datasets/index.html", context, status=status)


def _preview(project: Project) -> dict[str, Any] | None:
    """How the newest included row would be taught, and how much shorter that is than what was captured."""
    rows = project.exchanges.included().only("project_id", "messages", "response", "target", "tools")
    row = rows.order_by(F("included").desc(), "-pk").first()
    if row is None:
        return None
    renderer = Renderer(project)
    try:
        body = renderer.body(row)
    except Unteachable:
        return None
    captured = "\n\n".join(turn.text for turn in turns_of(row.messages) if turn.is_system)
    captured_tokens, taught_tokens = count_text(captured), count_text(renderer.prompt_for(captured))
    return {
        "row": row.pk,
        "turns": _turns(body),
        "captured_tokens": captured_tokens,
        "taught_tokens": taught_tokens,
        "saved_tokens": captured_tokens - taught_tokens,
    }


def _turns(body: str) -> list[dict[str, Any]]:
    return [{"role": turn.role, "text": preview(turn.text, 4000)} for turn in turns_of(json.loads(body)["messages"])]


def _said(found: DatasetVersion, is_new: bool) -> str:
    if not is_new:
        return f"Nothing has changed: version {found.number} holds exactly what is included now."
    words = f"Version {found.number} is frozen: {found.train_count} to train, {found.test_count} held out."
    if not found.test_count:
        return f"{words} Nothing is held out, so a model tuned on it cannot be tested. Include more rows first."
    if not found.train_count:
        return f"{words} There is nothing to train on. Include more rows first."
    return words
