"""Finding calls in the log, and how the last hour went. Nothing here reads a body."""

from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Aggregate, Count, FloatField, Max, Q, QuerySet, Sum
from django.db.models.functions import Now

from . import search
from .models import LoggedCall, Project
from .profiles import OPENAI, profile_named

# The counters look no further back, in time and in calls.
SPAN = timedelta(hours=1)
COUNTED = 10_000


@dataclass(frozen=True)
class CallFilters:
    """Which calls. What is None or empty does not narrow them."""

    q: str = ""
    outcome: str = ""
    source: str = ""
    model: str = ""
    tag: str = ""
    since: date | None = None
    until: date | None = None

    @property
    def query(self) -> str:
        """As a query string, in a fixed order and without what is not set."""
        return urlencode({name: value for name, value in asdict(self).items() if value})

    @property
    def narrows(self) -> bool:
        return self != CallFilters()


NAMES = tuple(field.name for field in fields(CallFilters))


def find(project: Project, filters: CallFilters) -> QuerySet[LoggedCall]:
    """The calls, without their bodies, the newest first."""
    calls = project.calls.defer("request_body", "response_body", "answer").order_by("-started_at", "-pk")
    wanted = {
        "outcome": filters.outcome,
        "source": filters.source,
        "started_at__date__gte": filters.since,
        "started_at__date__lte": filters.until,
        "tags__contains": [filters.tag] if filters.tag else None,
    }
    calls = calls.filter(**{name: value for name, value in wanted.items() if value})
    if filters.model:
        calls = calls.filter(Q(served_model=filters.model) | Q(requested_model=filters.model))
    return calls.filter(_text(project, filters.q)) if filters.q else calls


def _text(project: Project, q: str) -> Q:
    """Calls of rows that hold the words; and the call of that id, ours or the caller's own."""
    rows = search.find(project, search.Filters(q=q)).order_by().values("pk")
    wanted = Q(exchange__in=rows) | Q(own_id=q.strip())
    try:
        return wanted | Q(pk=UUID(q.strip()))
    except ValueError:
        return wanted


class _Median(Aggregate):
    template = "percentile_cont(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


@dataclass(frozen=True)
class LastHour:
    """How calls went in SPAN, of at most the newest COUNTED. `median_ms` is None without a timed call."""

    count: int
    failed: int
    median_ms: float | None
    tokens: int
    masked: int
    last_at: datetime | None

    @property
    def is_capped(self) -> bool:
        return self.count >= COUNTED


def last_hour(project: Project) -> LastHour:
    """One query over an index; a busy project costs no more than COUNTED rows."""
    latest = project.calls.filter(started_at__gt=Now() - SPAN).order_by("-started_at")
    columns = ("outcome", "duration_ms", "prompt_tokens", "completion_tokens", "masked_count", "started_at")
    found = latest.values(*columns)[:COUNTED].aggregate(
        count=Count("started_at"),
        failed=Count("started_at", filter=~Q(outcome=LoggedCall.Outcome.COMPLETED)),
        median_ms=_Median("duration_ms"),
        asked=Sum("prompt_tokens", default=0),
        answered=Sum("completion_tokens", default=0),
        masked=Sum("masked_count", default=0),
        last_at=Max("started_at"),
    )
    return LastHour(tokens=found.pop("asked") + found.pop("answered"), **found)


def price_of_call(call: LoggedCall) -> float | None:
    """US dollars, where the price of the tuned model is known. The list has no prices of models as they come."""
    kind, _, rest = call.served_model.partition(":")
    price = profile_named(OPENAI).price_of(rest.partition(":")[0]) if kind == "ft" else None
    if price is None or call.prompt_tokens is None or call.completion_tokens is None:
        return None
    return price.answering(call.prompt_tokens, call.completion_tokens)
