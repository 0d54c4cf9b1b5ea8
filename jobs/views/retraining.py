from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from curation.datasets import new_rows_count
from curation.models import Project
from curation.permissions import Role, role_required
from curation.prices import price_for
from curation.pricing import usual_epochs
from jobs import readiness, retraining
from jobs.models import RetrainingPolicy, RetrainingRun
from jobs.retraining_forms import PolicyForm
from jobs.tasks import nudge

MOST_SHOWN = 50


@require_safe
@role_required(Role.VIEWER)
def index(request: HttpRequest, project: Project) -> HttpResponse:
    policy = readiness.policy_of(project)
    if request.headers.get("HX-Request"):
        runs = _runs(project, policy)
        # When the round has ended the rest of the page is out of date too.
        response = render(request, "retraining/_runs.html", runs)
        if not runs["live"]:
            response["HX-Refresh"] = "true"
        return response
    return _page(request, project, policy, PolicyForm(instance=policy), 200)


def _page(
    request: HttpRequest, project: Project, policy: RetrainingPolicy, form: PolicyForm, status: int
) -> HttpResponse:
    new_count = new_rows_count(project)
    context = {
        "policy": policy,
        "form": form,
        "finding": readiness.find(policy, new_count),
        "new_count": new_count,
        "trained": retraining.trained_latest(project),
        "room": "retraining",
        "next_due": readiness.next_due(policy),
        "checks": policy.checks.all()[:MOST_SHOWN],
    }
    return render(request, "retraining/index.html", context | _runs(project, policy), status=status)


def _runs(project: Project, policy: RetrainingPolicy) -> dict[str, object]:
    runs = policy.runs.select_related("version", "finetune", "evaluation", "promotion__alias", "created_by")
    shown = list(runs[:MOST_SHOWN])
    return {"project": project, "runs": shown, "live": next((run for run in shown if not run.is_finished), None)}


@require_POST
@role_required(Role.OWNER)
def save(request: HttpRequest, project: Project) -> HttpResponse:
    policy = readiness.policy_of(project)
    form = PolicyForm(request.POST, instance=policy)
    if not form.is_valid():
        return _page(request, project, readiness.policy_of(project), form, 422)
    form.save()
    messages.success(request, f"Saved. {readiness.find(policy).sentence}")
    return redirect("retraining", project.slug)


@require_POST
@role_required(Role.OPERATOR)
def pause(request: HttpRequest, project: Project) -> HttpResponse:
    """Stop checking, or go on; what a round has begun goes on in any case."""
    policy = readiness.policy_of(project)
    policy.is_enabled = request.POST.get("verb") == "resume"
    policy.starts_at = timezone.now()
    policy.save(update_fields=["is_enabled", "starts_at"])
    messages.success(request, "It goes on." if policy.is_enabled else "Paused. A round that has begun goes on.")
    return redirect("retraining", project.slug)


@require_safe
@role_required(Role.VIEWER)
def dry_run(request: HttpRequest, project: Project) -> HttpResponse:
    """All that a check looks at, and what a round would do now; nothing is written or sent to train."""
    policy = readiness.policy_of(project)
    finding, rehearsal = readiness.dry_run(policy)
    provider = project.default_provider
    price = price_for(provider, provider.base_model) if provider else None
    epochs = usual_epochs(rehearsal.train_count)
    context = {
        "project": project,
        "room": "retraining",
        "policy": policy,
        "finding": finding,
        "rehearsal": rehearsal,
        "provider": provider,
        "epochs": epochs,
        "price": price.training(rehearsal.tokens, epochs) if price else None,
    }
    return render(request, "retraining/dry_run.html", context)


@require_POST
@role_required(Role.OPERATOR)
def start(request: HttpRequest, project: Project) -> HttpResponse:
    try:
        run = readiness.start(readiness.policy_of(project), RetrainingRun.Trigger.PERSON, request.user)  # type: ignore[arg-type]
        nudge(run)
    except readiness.AlreadyRunning as error:
        messages.info(request, str(error))
    return redirect("retraining", project.slug)


@require_POST
@role_required(Role.OPERATOR)
def cancel(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    run = get_object_or_404(RetrainingRun, pk=pk, policy__project=project)
    if retraining.request_cancel(run):
        nudge(run)
        messages.info(request, "It stops, with the fine-tune or the evaluation it has begun.")
    else:
        messages.info(request, "It had finished already.")
    return redirect("retraining", project.slug)
