"""A second person agrees before a fine-tune begins, where the project wants that."""

import logging

from django.db import transaction
from django.db.models.functions import Now

from curation.models import User

from .models import Approval, FineTune

log = logging.getLogger(__name__)
Decision = Approval.Decision


class NotDecided(Exception):
    """The decision does not count; the message says why."""


def request(finetune: FineTune, user: User | None) -> None:
    """Put a new fine-tune down until somebody else agrees; inside the transaction that makes it."""
    Approval.objects.create(finetune=finetune, requested_by=user)
    finetune.next_attempt_at = None
    finetune.save(update_fields=["next_attempt_at"])


def is_open(finetune: FineTune) -> bool:
    return Approval.objects.filter(finetune=finetune, decision=Decision.OPEN).exists()


@transaction.atomic
def decide(finetune: FineTune, user: User, decision: Approval.Decision, reason: str = "") -> None:
    """Let the fine-tune begin, or end it before anything was sent. Raises NotDecided."""
    approval = Approval.objects.select_for_update(of=("self",)).filter(finetune=finetune).first()
    if approval is None or approval.decision != Decision.OPEN:
        raise NotDecided("Somebody has decided on this fine-tune already.")
    if approval.requested_by_id == user.pk:
        raise NotDecided("You started this fine-tune; another operator of the project has to agree.")
    waiting = FineTune.objects.unfinished().filter(pk=finetune.pk)
    if decision == Decision.APPROVED:
        changed = waiting.update(next_attempt_at=Now())
    else:
        words = f"Declined by {user}.{f' {reason}' if reason else ''} Nothing was sent."
        changed = waiting.update(status=FineTune.Status.CANCELLED, error=words, finished_at=Now())
    if not changed:
        raise NotDecided("This fine-tune is finished already.")
    approval.decision, approval.decided_by, approval.reason = decision, user, reason
    approval.decided_at = Now()
    approval.save()
    log.info("finetune %s %s by user %s", finetune.pk, decision.value, user.pk)
