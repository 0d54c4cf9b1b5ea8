"""Finding rows: full text, parts of words, filters; what a list of rows, a kept search or a bulk change needs."""

from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.db.models import BooleanField, Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce, Left

from .models import Answer, Exchange, Project, ReviewSlot, RowRegion, SearchText

COUNTED = 10_000
EXCERPT = 160
# Written as the indexes search_words and search_letters have it.
_WORDS = "curation_words(prompt, answer) @@ websearch_to_tsquery('simple', %s)"
_LETTERS = "curation_letters(prompt, answer) ILIKE %s"
_ALIKE = "%s <%% curation_letters(prompt, answer)"
LEAST_LETTERS = 3  # an index of three-letter pieces finds nothing shorter


@dataclass(frozen=True)
class Filters:
    """Which rows. What is None or empty does not narrow them."""

    q: str = ""
    state: str = ""
    split: str = ""
    seen: int | None = None  # at least so often
    differs: bool = False  # answered in more than one way
    reason: str = ""  # a signal that speaks for a look
    model: str = ""
    tag: str = ""
    region: int | None = None
    since: date | None = None  # last asked
    until: date | None = None

    @property
    def query(self) -> str:
        """As a query string, in a fixed order and without what is not set."""
        set_ones = {name: value for name, value in asdict(self).items() if value not in (None, "", False)}
        return urlencode({name: "on" if value is True else value for name, value in set_ones.items()})

    @property
    def narrows(self) -> bool:
        return self != Filters()


NAMES = tuple(field.name for field in fields(Filters))


def find(project: Project, filters: Filters) -> QuerySet[Exchange]:
    """The rows, without their bodies, the newest first."""
    rows = project.exchanges.without_bodies().filter(_columns(filters)).order_by("-pk")
    if filters.q:
        rows = rows.filter(_says(project, _text(filters.q)))
    if filters.model:
        rows = rows.filter(Exists(Answer.objects.filter(exchange=OuterRef("pk"), model=filters.model)))
    if filters.region:
        rows = rows.filter(Exists(RowRegion.objects.filter(exchange=OuterRef("pk"), region=filters.region)))
    if filters.tag:
        rows = rows.filter(tags__name=filters.tag)
    if filters.reason:
        because = ReviewSlot.objects.filter(project=project, exchange=OuterRef("pk"), done_at=None)
        rows = rows.filter(Exists(because.filter(reasons__contains=[{"code": filters.reason}])))
    return rows


def find_alike(project: Project, filters: Filters) -> QuerySet[Exchange]:
    """Rows that hold something spelt nearly like what was searched, for when nothing holds it as it is."""
    rows = project.exchanges.without_bodies().filter(_columns(filters)).order_by("-pk")
    return rows.filter(_says(project, Q(_condition(_ALIKE, filters.q))))


def with_excerpts(rows: QuerySet[Exchange]) -> QuerySet[Exchange]:
    """With the beginnings of prompt and answer as `excerpt` and `answer_excerpt`."""
    return rows.annotate(
        excerpt=Left("user_prompt", EXCERPT), answer_excerpt=Left(Coalesce("target", "response"), EXCERPT)
    )


def count(rows: QuerySet[Exchange]) -> int:
    """How many rows; counting stops beyond COUNTED."""
    return rows.order_by()[: COUNTED + 1].count()


def _columns(filters: Filters) -> Q:
    wanted: dict[str, Any] = {
        "state": filters.state,
        "split": filters.split,
        "seen_count__gte": filters.seen,
        "answer_count__gt": 1 if filters.differs else None,
        "last_seen_at__date__gte": filters.since,
        "last_seen_at__date__lte": filters.until,
    }
    return Q(**{name: value for name, value in wanted.items() if value not in (None, "")})


def _says(project: Project, texts: Q) -> Q:
    return Q(pk__in=SearchText.objects.filter(texts, project=project).values("exchange"))


def _text(query: str) -> Q:
    """Holds the words (quotes, OR and a minus sign work), or the text as typed as a part of it."""
    words = Q(_condition(_WORDS, query))
    if len(query.strip()) < LEAST_LETTERS:
        return words
    literal = query.strip().replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return words | Q(_condition(_LETTERS, f"%{literal}%"))


def _condition(sql: str, *values: str) -> RawSQL:
    return RawSQL(sql, values, output_field=BooleanField())  # noqa: S611 - constants above, values as parameters
