from dataclasses import dataclass
from datetime import date

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from curation.models import ModelAlias, Project, Provider
from curation.permissions import Role, role_required
from jobs import gating, registry, reports, shadowing
from jobs.gate_forms import PromoteForm, ShadowForm
from jobs.models import (
    EvaluationCandidate,
    EvaluationRun,
    GateResult,
    ModelVersion,
    Promotion,
    PromotionRequest,
    Retirement,
    Shadow,
    Watch,
)
from jobs.tasks import nudge

MOST_SHOWN = 50
FEW = 5


@require_safe
@role_required(Role.VIEWER)
def index(request: HttpRequest, project: Project) -> HttpResponse:
    aliases = registry.aliases_of(project)
    moves_now = registry.moves_of(aliases)
    providers = list(project.providers.defer("sealed_key"))
    models = project.model_versions.select_related("provider", "version", "finetune").prefetch_related("taints")
    models = models[:MOST_SHOWN]
    moves = Promotion.objects.filter(alias__project=project).select_related(
        "alias", "provider", "previous_provider", "promoted_by", "approved_by", "model_version__version", "evaluation",
        "gate",
    )  # fmt: skip
    waiting = PromotionRequest.objects.filter(alias__project=project, state=PromotionRequest.State.WAITING)
    return render(
        request,
        "registry/index.html",
        {
            "project": project,
            "room": "registry",
            "aliases": [(alias, moves_now.get(alias.pk)) for alias in aliases],
            "bases": _bases(providers),
            "models": _cards(list(models), aliases, providers),
            "promotions": moves.defer("gate__words", "gate__limits", "gate__figures")[:MOST_SHOWN],
            "watches": _watches(project),
            "shadows": Shadow.objects.filter(alias__project=project).select_related("alias", "model_version")[:FEW],
            "shadow_form": ShadowForm(project).offering(models, aliases) if models else None,
            "waiting": waiting.select_related("alias", "model_version", "gate", "requested_by"),
        },
    )


def _watches(project: Project) -> QuerySet[Watch]:
    """What is watched now, and the last that ended."""
    watches = Watch.objects.filter(promotion__alias__project=project)
    return watches.select_related("promotion__alias", "rolled_back")[:FEW]


@dataclass(frozen=True)
class Base:
    """An untuned model that the project begins with or is served by, and the day it goes, where anybody says."""

    provider: Provider
    model: str
    day: date | None

    @property
    def days_left(self) -> int | None:
        return _days_left(self.day)


def _bases(providers: list[Provider]) -> list[Base]:
    known = {(each.provider_id, each.model): each.day for each in Retirement.objects.filter(provider__in=providers)}
    own = {provider.pk: provider for provider in providers}
    names = {*known, *((provider.pk, provider.base_model) for provider in providers if provider.base_model)}
    return [Base(own[pk], model, known.get((pk, model))) for pk, model in sorted(names)]


def _days_left(day: date | None) -> int | None:
    """Until that day, below 0 after it."""
    return (day - timezone.now().date()).days if day else None


@dataclass(frozen=True)
class Card:
    """A model with the counts of its latest finished evaluation, and the aliases it answers."""

    model: ModelVersion
    evaluation: EvaluationRun | None
    tallies: dict[str, EvaluationCandidate]
    aliases: list[ModelAlias]
    # Where the same version can be trained instead, when its base goes.
    elsewhere: Provider | None

    @property
    def days_left(self) -> int | None:
        """Until its base goes, below 0 after that; None where nobody says."""
        return _days_left(self.model.retires_on)


def _cards(models: list[ModelVersion], aliases: list[ModelAlias], providers: list[Provider]) -> list[Card]:
    finished = EvaluationRun.objects.filter(model_version__in=models, status=EvaluationRun.Status.SUCCEEDED)
    latest = {run.model_version_id: run for run in finished.defer("error").order_by("pk")}
    tallies = reports.tallies(list(latest.values()))
    return [
        Card(
            model=model,
            evaluation=(evaluation := latest.get(model.pk)),
            tallies=reports.by_role(tallies.get(evaluation.pk, [])) if evaluation else {},
            aliases=[a for a in aliases if (a.provider_id, a.model) == (model.provider_id, model.name)],
            elsewhere=next((each for each in providers if each.pk != model.provider_id), None),
        )
        for model in models
    ]


@require_POST
@role_required(Role.OPERATOR)
def promote(request: HttpRequest, project: Project) -> HttpResponse:
    """Have a model judged, and move the alias where it passes; else show why not, and move it only with a reason."""
    form = PromoteForm(project, request.POST)
    if not form.is_valid():
        messages.error(request, "Choose a model and an alias of this project.")
        return redirect("registry", project.slug)
    model, alias = form.cleaned_data["model_version"], form.cleaned_data["alias"]
    reason, share = form.cleaned_data["override_reason"], form.cleaned_data["share"] or 100
    judged = gating.look(alias, model)
    if not judged.is_passed and not reason:
        context = {
            "project": project, "room": "registry", "model": model, "alias": alias, "judged": judged, "share": share,
            "is_refused": "override_reason" in request.POST,
        }  # fmt: skip
        return render(request, "registry/stopped.html", context, status=422 if context["is_refused"] else 200)
    try:
        messages.success(request, _promoted(request, project, alias, model, reason, share))
    except registry.NotPromoted as error:
        messages.error(request, str(error))
    return redirect("registry", project.slug)


def _promoted(
    request: HttpRequest, project: Project, alias: ModelAlias, model: ModelVersion, reason: str, share: int
) -> str:
    user = request.user
    gate: GateResult = gating.pass_judgement(alias, model, user=user)  # type: ignore[arg-type]
    if registry.needs_two_people(project):
        registry.ask_for_promotion(gate, user, reason, share)  # type: ignore[arg-type]
        return f"{model.name} waits for another person, who approves it on this page."
    registry.promote(gate, user, override_reason=reason, share=share)  # type: ignore[arg-type]
    if share < 100:
        return f"{share} % of the calls to “{alias.name}” are answered by {model.name} from the next call on."
    return f"“{alias.name}” is answered by {model.name} from the next call on."


@require_POST
@role_required(Role.OPERATOR)
def decide(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """The second person's word on a promotion that waits."""
    waiting = get_object_or_404(PromotionRequest, pk=pk, alias__project=project)
    user = request.user
    if request.POST.get("verb") == "approve":
        try:
            promotion = registry.approve(waiting, user)  # type: ignore[arg-type]
            messages.success(
                request, f"“{promotion.alias.name}” is answered by {promotion.model} from the next call on."
            )
        except registry.NotPromoted as error:
            messages.error(request, str(error))
    elif registry.decline(waiting, user):  # type: ignore[arg-type]
        messages.success(request, "Declined. The alias stays as it is.")
    else:
        messages.info(request, "Somebody has decided on this already.")
    return redirect("registry", project.slug)


@require_POST
@role_required(Role.OPERATOR)
def roll_back(request: HttpRequest, project: Project) -> HttpResponse:
    alias = project.aliases.filter(name=request.POST.get("alias", "").replace("\0", "")).first()
    if alias is None:
        messages.error(request, "The project has no such alias.")
        return redirect("registry", project.slug)
    try:
        promotion = registry.roll_back(alias, user=request.user)  # type: ignore[arg-type]
        messages.success(request, f"“{alias.name}” is answered by {promotion.model} again.")
    except registry.NothingToRollBack as error:
        messages.error(request, str(error))
    return redirect("registry", project.slug)


@require_POST
@role_required(Role.OPERATOR)
def start_shadow(request: HttpRequest, project: Project) -> HttpResponse:
    """Have a model answer beside an alias, unseen."""
    form = ShadowForm(project, request.POST)
    if not form.is_valid():
        messages.error(request, "Choose a model, an alias, a share from 1 to 100 percent, and how many calls at most.")
        return redirect("registry", project.slug)
    values = form.cleaned_data
    try:
        shadow = shadowing.start(
            values["alias"],
            values["model_version"],
            values["share"],
            values["most"],
            request.user,  # type: ignore[arg-type]
        )
        nudge(shadow)
        messages.success(request, f"{shadow.model_version.name} answers beside “{shadow.alias.name}” now, unseen.")
    except shadowing.NotStarted as error:
        messages.error(request, str(error))
    return redirect("registry", project.slug)


@require_POST
@role_required(Role.OPERATOR)
def stop_shadow(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    shadow = get_object_or_404(Shadow, pk=pk, alias__project=project)
    if shadow.ask_to_cancel():
        nudge(shadow)
        messages.success(request, "It stops. What it answered stays.")
    else:
        messages.info(request, "It had ended already.")
    return redirect("registry", project.slug)
