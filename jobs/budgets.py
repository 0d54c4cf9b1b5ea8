"""What a project may spend on training in a calendar month (UTC), and what of it is held already.

The sum is held before anything is sent, in the transaction that starts the fine-tune and under the project's row lock:
two who start at once take turns, and the second sees what the first has taken.
"""

from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from curation.models import Project

from .models import FineTune, Quote
from .plans import Estimate


class OverBudget(Exception):
    """It is not started; the message says what is left and what to do."""


def month_start(now: datetime | None = None) -> datetime:
    return (now or timezone.now()).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def spent(project: Project) -> Decimal:
    """What this month's fine-tunes cost or may still cost, in US dollars."""
    return Quote.objects.since(project, month_start()).cost()


def left(project: Project) -> Decimal | None:
    """What is left of this month's budget; None where there is none."""
    return None if project.monthly_budget is None else project.monthly_budget - spent(project)


def objection(project: Project, cost: Estimate) -> str:
    """Why the budget does not allow it, in a sentence; "" when it does."""
    rest = left(project)
    if rest is None or cost.is_free:
        return ""
    if cost.amount is None:
        return (
            f"This project may spend US$ {project.monthly_budget:,.2f} a month on training, and no price is known for "
            "this model at this provider. Type the price, so that the sum can be held."
        )
    if cost.amount > rest:
        return (
            f"This would cost about US$ {cost.amount:,.2f}, and of this month's US$ {project.monthly_budget:,.2f} only "
            f"US$ {max(rest, Decimal(0)):,.2f} are left. Wait for the next month, choose a cheaper model or fewer "
            "passes, or have an owner raise the budget in the settings."
        )
    return ""


def hold(finetune: FineTune, cost: Estimate) -> Quote:
    """Hold the sum in this month's budget; inside the transaction that starts it. Raises OverBudget."""
    project = Project.objects.select_for_update(of=("self",), no_key=True).get(pk=finetune.project_id)
    if words := objection(project, cost):
        raise OverBudget(words)
    price = cost.price
    return Quote.objects.create(
        finetune=finetune,
        token_count=cost.token_count,
        passes=cost.passes,
        price=None if price is None or price.train is None else Decimal(str(price.train)),
        amount=cost.amount,
        source=price.source if price else "",
        read_on=price.read_on if price else None,
    )
