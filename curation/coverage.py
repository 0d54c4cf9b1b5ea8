"""How much of what is asked the included rows stand for, in all and by region. Found and counted in the background."""

import logging
import time
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.db.models.functions import Left, Now
from django.utils import timezone

from .models import Coverage, Project, RowRegion
from .regions import Regions, find_regions

logger = logging.getLogger(__name__)
SAMPLE, BATCH = 4000, 1000  # rows
LENGTH = 2000  # characters of a prompt that are read
SECONDS = 5.0
COUNTED_EVERY = timedelta(minutes=10)
GROWN = 4  # regions are found again when there are so many times as many rows
THIN_SHARE, THIN_LEAST = 0.02, 3
_COUNT = """
WITH asked AS (
    SELECT exchange_id, count(*) AS calls FROM curation_loggedcall
    WHERE project_id = %(project)s AND exchange_id IS NOT NULL
        AND started_at > statement_timestamp() - interval '30 days'
    GROUP BY exchange_id
)
SELECT COALESCE(r.region, 0), count(*), count(e.included), COALESCE(sum(a.calls), 0)::bigint,
    COALESCE(sum(a.calls) FILTER (WHERE e.included IS NOT NULL), 0)::bigint
FROM curation_exchange e
LEFT JOIN curation_rowregion r ON r.exchange_id = e.id
LEFT JOIN asked a ON a.exchange_id = e.id
WHERE e.project_id = %(project)s GROUP BY 1
"""


@dataclass(frozen=True)
class Region:
    """`calls` and `covered` (those whose row is included) are of the last thirty days."""

    region: int
    name: str
    rows: int
    included: int
    calls: int
    covered: int

    @property
    def state(self) -> str:
        if not self.included:
            return "empty"
        enough = min(self.rows, max(THIN_LEAST, self.rows * THIN_SHARE))
        return "covered" if self.included >= enough else "thin"


def figures(coverage: Coverage) -> list[Region]:
    """The regions as last counted, the most asked first."""
    return sorted((Region(**counted) for counted in coverage.figures), key=lambda r: (-r.calls, -r.rows, r.region))


def share(regions: list[Region]) -> float | None:
    """Which part of the last thirty days' calls the included rows stand for; None without calls."""
    calls = sum(region.calls for region in regions)
    return sum(region.covered for region in regions) / calls if calls else None


def sweep() -> None:
    """Bring every project's coverage up to date. Safe to be done twice at once: each step writes the same again."""
    for project in Project.objects.filter(archived_at=None):
        catch_up(project)


def catch_up(project: Project, seconds: float = SECONDS) -> None:
    """Find the regions when there are none yet or the rows have grown much, place new rows, count now and then."""
    coverage, _ = Coverage.objects.get_or_create(project=project)
    is_old = coverage.counted_at is None or coverage.counted_at < timezone.now() - COUNTED_EVERY
    if is_old:
        _find(project, coverage)
    if _place(project, coverage, time.monotonic() + seconds) and is_old:
        _count(project, coverage)


def _find(project: Project, coverage: Coverage) -> None:
    count = project.exchanges.count()
    if coverage.regions and count < coverage.sampled_count * GROWN:
        return
    # Ids are spread evenly enough, and no row is read that is not in the sample.
    rows = project.exchanges.extra(where=["curation_exchange.id %% %s = 0"], params=[max(1, count // SAMPLE)])
    texts = rows.order_by("pk").values_list(Left("user_prompt", LENGTH), flat=True)[:SAMPLE]
    if regions := find_regions(list(texts)):
        coverage.regions, coverage.sampled_count, coverage.placed_id = regions.as_json(), count, 0
        coverage.save(update_fields=["regions", "sampled_count", "placed_id"])
        logger.info("project %s: %s regions found", project.pk, len(regions.names))


def _place(project: Project, coverage: Coverage, deadline: float) -> bool:
    """Give the rows that have none a region; False when time was over before all had one."""
    if not coverage.regions:
        return True
    regions = Regions.of_json(coverage.regions)
    while time.monotonic() < deadline:
        rows = project.exchanges.filter(pk__gt=coverage.placed_id).order_by("pk")
        found = dict(rows.values_list("pk", Left("user_prompt", LENGTH))[:BATCH])
        if not found:
            return True
        placed = zip(found, regions.place([str(text) for text in found.values()]), strict=True)
        RowRegion.objects.bulk_create(
            [RowRegion(exchange_id=pk, project=project, region=region) for pk, region in placed],
            update_conflicts=True,
            unique_fields=["exchange"],
            update_fields=["region"],
        )
        coverage.placed_id = max(found)
        coverage.save(update_fields=["placed_id"])
    return False


def _count(project: Project, coverage: Coverage) -> None:
    regions = Regions.of_json(coverage.regions) if coverage.regions else None
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"project": project.pk})
        coverage.figures = [
            {
                "region": region,
                "name": regions.name(region) if regions and region else "all",
                "rows": rows,
                "included": included,
                "calls": calls,
                "covered": covered,
            }
            for region, rows, included, calls, covered in cursor
        ]
    Coverage.objects.filter(pk=project.pk).update(figures=coverage.figures, counted_at=Now())
