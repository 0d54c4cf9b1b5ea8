"""Models that exist, the aliases callers send, and moving an alias from one to the other.

An alias moves through the gate, or over it by a person with a name and a reason; where a project wants two people, one
asks and another one approves.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Subquery
from django.db.models.functions import Now

from curation.models import ModelAlias, Project, Provider, User

from .models import EvaluationRun, GatePolicy, GateResult, ModelVersion, Promotion, PromotionRequest, Watch

log = logging.getLogger(__name__)


class NotPromoted(Exception):
    """The alias was not moved; the message says why."""


class NothingToRollBack(Exception):
    """The alias was never moved, or every move of it has been taken back."""


def main_alias(project: Project) -> ModelAlias | None:
    """The alias that stands for the project: the one of its own name, else its oldest."""
    return main_of(project, ModelAlias.objects.filter(project=project).select_related("provider"))


def main_of(project: Project, aliases: Iterable[ModelAlias]) -> ModelAlias | None:
    """The same, of the project's aliases where they are at hand."""
    return min(aliases, key=lambda alias: (alias.name != project.slug, alias.pk), default=None)


def aliases_of(project: Project) -> list[ModelAlias]:
    """With their providers, and of the tuned model each is answered by `version_number`, that of the data it was tuned
    on, and `is_tainted`, whether rows were withdrawn from that; None and False where it is untuned.
    """
    tuned = ModelVersion.objects.filter(provider=OuterRef("provider"), name=OuterRef("model"))
    return list(
        project.aliases.select_related("provider").annotate(
            version_number=Subquery(tuned.values("version__number")[:1]),
            is_tainted=Exists(tuned.filter(taints__isnull=False)),
        )
    )


def evaluation_of(model_version: ModelVersion) -> EvaluationRun | None:
    """The latest finished evaluation of a model."""
    return model_version.evaluations.filter(status=EvaluationRun.Status.SUCCEEDED).first()


def needs_two_people(project: Project) -> bool:
    return GatePolicy.objects.filter(project=project, needs_two_people=True).exists()


@transaction.atomic
def promote(
    gate: GateResult,
    user: User | None = None,
    note: str = "",
    override_reason: str = "",
    approved_by: User | None = None,
    share: int = 100,
) -> Promotion:
    """Have the alias answered by the model that stood before the gate, from the next call on; both the move and its
    record, or neither. `override_reason`, with a user, moves it although the gate stopped the model. A `share` below
    100 percent has it answer only so many of the calls, as the alias' canary.

    Raises NotPromoted where it is so already, the verdict is of another state of things, or somebody has to agree.
    """
    alias = _locked(gate.alias)
    _check(alias, gate, user, override_reason, share)
    if needs_two_people(alias.project) and approved_by is None:
        raise NotPromoted("In this project one person asks for a promotion and another one approves it.")
    model = gate.model_version
    promotion = Promotion(
        alias=alias,
        kind=Promotion.Kind.PROMOTED if share == 100 else Promotion.Kind.CANARY,
        share=share,
        provider=model.provider,
        model=model.name,
        model_version=model,
        previous_provider=alias.provider,
        previous_model=alias.model,
        evaluation=gate.evaluation,
        gate=gate,
        override_reason="" if gate.is_passed else override_reason,
        note=note,
        promoted_by=user,
        approved_by=approved_by,
    )
    return _move(alias, promotion)


def _check(alias: ModelAlias, gate: GateResult, user: User | None, override_reason: str, share: int) -> None:
    model = gate.model_version
    if alias.project_id != model.project_id:
        raise NotPromoted("This model belongs to another project.")
    if _serves(alias, model.provider, model.name):
        raise NotPromoted(f"“{alias.name}” is answered by this model already.")
    if not 1 <= share <= 100:
        raise NotPromoted("A share is from 1 to 100 percent.")
    if not _serves(alias, gate.compared_provider, gate.compared_model):
        raise NotPromoted(f"“{alias.name}” was moved since the gate judged this model. Have it judged again.")
    if not gate.is_passed and not (override_reason.strip() and user):
        raise NotPromoted(f"The gate did not let it pass. {gate.words}")


# Two people


@transaction.atomic
def ask_for_promotion(
    gate: GateResult, user: User | None = None, override_reason: str = "", share: int = 100
) -> PromotionRequest:
    """Leave a promotion for another person to approve; the rule asks without a user. One at a time for each alias:
    a new wish takes the place of one that waits. Raises NotPromoted.
    """
    alias = _locked(gate.alias)
    if not gate.is_passed and user is None:
        raise NotPromoted(f"The gate did not let it pass. {gate.words}")
    _check(alias, gate, user, override_reason, share)
    waiting = PromotionRequest.objects.filter(alias=alias, state=PromotionRequest.State.WAITING)
    waiting.update(state=PromotionRequest.State.DECLINED, decided_at=Now(), decided_by=user)
    request = PromotionRequest.objects.create(
        alias=alias,
        model_version=gate.model_version,
        gate=gate,
        share=share,
        override_reason="" if gate.is_passed else override_reason,
        requested_by=user,
    )
    log.info("promotion request %s alias=%s", request.pk, alias.pk)
    return request


@transaction.atomic
def approve(request: PromotionRequest, user: User) -> Promotion:
    """Promote what another person asked for. Raises NotPromoted."""
    request = (
        PromotionRequest.objects.select_for_update(of=("self",)).select_related("gate", "alias").get(pk=request.pk)
    )
    if request.state != PromotionRequest.State.WAITING:
        raise NotPromoted("Somebody has decided on this already.")
    if request.requested_by_id == user.pk:
        raise NotPromoted("You asked for this yourself; another person has to approve it.")
    promotion = promote(
        request.gate,
        user=request.requested_by,
        override_reason=request.override_reason,
        note=f"approved by {user}",
        approved_by=user,
        share=request.share,
    )
    PromotionRequest.objects.filter(pk=request.pk).update(
        state=PromotionRequest.State.APPROVED, decided_by=user, decided_at=Now(), promotion=promotion
    )
    return promotion


def decline(request: PromotionRequest, user: User) -> bool:
    """Leave the alias as it is; who asked may take it back so too. False when it was decided already."""
    waiting = PromotionRequest.objects.filter(pk=request.pk, state=PromotionRequest.State.WAITING)
    return bool(waiting.update(state=PromotionRequest.State.DECLINED, decided_by=user, decided_at=Now()))


# Back


@transaction.atomic
def roll_back(
    alias: ModelAlias, user: User | None = None, note: str = "", evidence: dict[str, Any] | None = None
) -> Promotion:
    """Take the last move back that was not taken back yet: a canary first. Raises NothingToRollBack."""
    alias = _locked(alias)
    last = to_take_back(alias)
    if last is None:
        raise NothingToRollBack(f"“{alias.name}” has no promotion to take back.")
    is_canary = last.kind == Promotion.Kind.CANARY
    promotion = Promotion(
        alias=alias,
        kind=Promotion.Kind.ROLLED_BACK,
        provider=last.previous_provider,
        model=last.previous_model,
        model_version=ModelVersion.objects.filter(provider=last.previous_provider, name=last.previous_model).first(),
        previous_provider=alias.canary_provider if is_canary else alias.provider,
        previous_model=alias.canary_model if is_canary else alias.model,
        share=last.share,
        reverses=last,
        note=note,
        evidence=evidence or {},
        promoted_by=user,
    )
    return _move(alias, promotion)


def to_take_back(alias: ModelAlias) -> Promotion | None:
    """What a roll-back would undo: the share that is tried now, else the last move of all calls."""
    return moves_of([alias]).get(alias.pk)


def moves_of(aliases: Sequence[ModelAlias]) -> dict[int, Promotion]:
    """The same of several aliases, by their ids."""
    kinds = [Promotion.Kind.PROMOTED, Promotion.Kind.SET, Promotion.Kind.CANARY]
    standing = Promotion.objects.filter(alias__in=aliases, reversed_by=None, kind__in=kinds)
    latest = standing.order_by("alias_id", "kind", "-pk").distinct("alias_id", "kind")
    tries = {alias.pk for alias in aliases if alias.canary_provider_id is not None}
    found: dict[int, Promotion] = {}
    moves = latest.select_related("previous_provider")
    for move in sorted(moves, key=lambda move: (move.kind == Promotion.Kind.CANARY, move.pk)):
        if move.kind != Promotion.Kind.CANARY or move.alias_id in tries:
            found[move.alias_id] = move
    return found


def note_base_model(alias: ModelAlias, previous_model: str, user: User | None) -> Promotion:
    """Record that an alias follows its provider's base model to another name; it has been moved already."""
    log.info("alias %s follows the base model of provider %s", alias.pk, alias.provider_id)
    return Promotion.objects.create(
        alias=alias,
        kind=Promotion.Kind.SET,
        provider=alias.provider,
        model=alias.model,
        previous_provider=alias.provider,
        previous_model=previous_model,
        note="the provider's base model was changed in the settings",
        promoted_by=user,
    )


def _locked(alias: ModelAlias) -> ModelAlias:
    """Two people moving one alias take turns here."""
    return ModelAlias.objects.select_for_update(of=("self",)).select_related("provider", "project").get(pk=alias.pk)


def _serves(alias: ModelAlias, provider: Provider, model: str) -> bool:
    return (alias.provider_id, alias.model) == (provider.pk, model)


def _move(alias: ModelAlias, promotion: Promotion) -> Promotion:
    promotion.save()
    canary: dict[str, object] = {"canary_provider": None, "canary_model": "", "canary_share": 0}
    if promotion.kind == Promotion.Kind.CANARY:
        changes = {
            "canary_provider": promotion.provider,
            "canary_model": promotion.model,
            "canary_share": promotion.share,
        }
    else:
        changes = canary | {"provider": promotion.provider, "model": promotion.model}
    ModelAlias.objects.filter(pk=alias.pk).update(**changes, updated_at=Now())
    if promotion.kind != Promotion.Kind.ROLLED_BACK and _is_watched(alias.project):
        Watch.objects.create(promotion=promotion)
    log.info("alias %s %s promotion=%s", alias.pk, promotion.kind, promotion.pk)
    return promotion


def _is_watched(project: Project) -> bool:
    return not GatePolicy.objects.filter(project=project, watches=False).exists()
