from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from curation.models import Project
from curation.permissions import Role, role_required
from jobs import finetunes
from jobs.forms import ApprovalForm, DecideForm, FineTunesForm, PauseForm
from jobs.models import Approval, FineTune
from jobs.tasks import nudge

MOST_SHOWN = 100
MOST_METRICS = 20_000


@require_safe
@role_required(Role.VIEWER)
def index(request: HttpRequest, project: Project) -> HttpResponse:
    rows = project.finetunes.select_related("version", "provider", "created_by", "approval")
    rows = rows.defer("error", "hyperparameters", "version__training_prompt")
    form = FineTunesForm(project, request.GET)
    context = {
        "project": project,
        "room": "finetunes",
        "form": form,
        "is_filtered": bool(request.GET),
        "finetunes": form.chosen(rows)[:MOST_SHOWN],
    }
    return render(request, "finetunes/index.html", context)


@require_safe
@role_required(Role.VIEWER)
def show(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """One fine-tune; its live part alone where htmx asks for that."""
    finetune = get_object_or_404(
        project.finetunes.select_related(
            *["version", "provider", "created_by", "export", "model_version", "quote"],
            *["approval__requested_by", "approval__decided_by"],
        ),
        pk=pk,
    )
    model = getattr(finetune, "model_version", None)
    evaluation = model.evaluations.first() if model else None
    context = {
        "project": project,
        "room": "finetunes",
        "finetune": finetune,
        "model": model,
        "evaluation": evaluation,
        # Until the last thing on the page has come to rest.
        "is_live": not finetune.is_parked and not all(job.is_finished for job in (finetune, evaluation) if job),
        "events": finetune.events.order_by("-created_at", "-id")[:MOST_SHOWN],
        "stages": _stages(finetune),
        "metrics": list(finetune.metrics.all()[:MOST_METRICS]),
        "checkpoints": finetune.checkpoints.order_by("-step", "-pk")[:MOST_SHOWN],
    }
    return render(
        request, "finetunes/_live.html" if request.headers.get("HX-Request") else "finetunes/show.html", context
    )


def _stages(finetune: FineTune) -> list[tuple[str, str]]:
    """(name, "done" | "now" | "" ) for the way a fine-tune goes."""
    step = FineTune.Step
    way = [
        ("Write the file", [step.INTENT]),
        ("Upload it", [step.UPLOADING]),
        ("Create the job", [step.UPLOADED, step.CREATING, step.UNKNOWN]),
        ("Wait in the queue", [step.LAUNCHED]),
        ("Train", [step.RUNNING]),
    ]
    if finetune.status == FineTune.Status.SUCCEEDED:
        return [(name, "done") for name, _ in way]
    at = finetune.step
    if at == step.BLOCKED:
        at = step.RUNNING if finetune.provider_job_id else step.UNKNOWN
    now = next(index for index, (_, steps) in enumerate(way) if at in steps)
    return [(name, "done" if index < now else "now" if index == now else "") for index, (name, _) in enumerate(way)]


@require_POST
@role_required(Role.OPERATOR)
def cancel(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    finetune = get_object_or_404(project.finetunes, pk=pk)
    if finetunes.request_cancel(finetune):
        nudge(finetune)
        messages.info(request, "It stops at the next step, at the provider too.")
    else:
        messages.info(request, "It had finished already.")
    return redirect("finetune", project.slug, pk)


@require_POST
@role_required(Role.OPERATOR)
def pause(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Have the provider pause the job, or go on with it."""
    finetune = get_object_or_404(project.finetunes, pk=pk)
    form = PauseForm(request.POST)
    if not form.is_valid():
        return HttpResponse("Unknown verb.", status=422, content_type="text/plain")
    is_pause = form.cleaned_data["verb"] == "pause"
    asked = (finetunes.request_pause if is_pause else finetunes.request_resume)(finetune)
    if asked:
        nudge(finetune)
    else:
        messages.info(request, "There is nothing to pause now." if is_pause else "It is not paused.")
    return redirect("finetune", project.slug, pk)


@require_POST
@role_required(Role.OPERATOR)
def approve(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """The second person's word."""
    finetune = get_object_or_404(project.finetunes, pk=pk)
    form = ApprovalForm(request.POST)
    if not form.is_valid():
        return HttpResponse("Unknown decision.", status=422, content_type="text/plain")
    decision = Approval.Decision(form.cleaned_data["decision"])
    try:
        finetunes.decide(finetune, request.user, decision, form.cleaned_data["reason"])  # type: ignore[arg-type]
    except finetunes.NotPossible as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{decision.label}, under your name.")
        nudge(finetune)
    return redirect("finetune", project.slug, pk)


@require_POST
@role_required(Role.OPERATOR)
def decide(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """What to do about a blocked fine-tune."""
    finetune = get_object_or_404(project.finetunes, pk=pk)
    form = DecideForm(request.POST)
    if not form.is_valid():
        return HttpResponse("Unknown decision.", status=422, content_type="text/plain")
    try:
        match form.cleaned_data["verb"]:
            case "look":
                finetunes.look_again(finetune)
                nudge(finetune)
            case "relaunch":
                finetune = finetunes.relaunch(finetune, request.user)  # type: ignore[arg-type]
                nudge(finetune)
            case "give_up":
                finetunes.give_up(finetune, request.user)  # type: ignore[arg-type]
    except finetunes.NotPossible as error:
        messages.error(request, str(error))
    return redirect("finetune", project.slug, finetune.pk)
