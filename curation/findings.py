"""What the preflight found in a set of rows, what of it a person has waived, and how often each kind was found."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from .models import DatasetVersion, Project, VersionFinding, Waiver
from .preflight import Finding, Severity

# What no reason makes right.
UNWAIVABLE = ("leak", "unteachable", "no-messages", "no-answer")
KEPT = 200  # of each kind; the counts have the others


class Found(NamedTuple):
    """A finding of a row, or of a pair of rows; of the whole set where there is no row."""

    finding: Finding
    exchange_id: int | None = None
    other_id: int | None = None
    # The state of the row that was looked at, where the finding can be waived.
    version: int | None = None
    waiver: Waiver | None = None


@dataclass(frozen=True)
class Count:
    """How often a kind was found."""

    code: str
    severity: str
    count: int


class Findings:
    """Collects, in the order in which the rows come."""

    def __init__(self, project: Project) -> None:
        self._waivers = {(w.exchange_id, w.exchange_version, w.code): w for w in project.waivers.all()}
        self._kept: dict[str, list[Found]] = defaultdict(list)
        self._counts: Counter[tuple[str, str]] = Counter()
        self.open_count = 0

    def add(
        self, found: Iterable[Finding], exchange_id: int, exchange_version: int, other_id: int | None = None
    ) -> None:
        """Take what was found in a row in this state."""
        for finding in found:
            if finding.code in UNWAIVABLE:
                self._take(Found(finding, exchange_id, other_id))
            else:
                waiver = self._waivers.get((exchange_id, exchange_version, finding.code))
                self._take(Found(finding, exchange_id, other_id, exchange_version, waiver))

    def add_of_all(self, found: Iterable[Finding]) -> None:
        """Take what concerns the whole set. A version may be frozen all the same: it can still be downloaded."""
        for finding in found:
            is_blocker = finding.severity == Severity.BLOCKER
            self._take(Found(replace(finding, severity=Severity.WARNING) if is_blocker else finding))

    def _take(self, found: Found) -> None:
        code, severity = found.finding.code, found.finding.severity
        self._counts[code, severity] += 1
        is_open = severity == Severity.BLOCKER and found.waiver is None
        self.open_count += is_open
        kept = self._kept[f"{code} {is_open}"]
        if len(kept) < KEPT:
            kept.append(found)

    @property
    def blockers(self) -> list[Found]:
        """Those nobody has waived, as far as they are kept."""
        return [f for f in self.all() if f.finding.severity == Severity.BLOCKER and f.waiver is None]

    def all(self) -> list[Found]:
        return [found for kept in self._kept.values() for found in kept]

    def counts(self) -> list[Count]:
        """By kind, the worst first."""
        order = list(Severity)
        counted = [Count(code, severity, count) for (code, severity), count in self._counts.items()]
        return sorted(counted, key=lambda c: (order.index(Severity(c.severity)), -c.count, c.code))

    def store(self, version: DatasetVersion) -> None:
        rows = (
            VersionFinding(
                version=version,
                exchange_id=found.exchange_id,
                other_id=found.other_id,
                code=found.finding.code,
                severity=found.finding.severity,
                words=found.finding.words,
                place=found.finding.place,
                fix=found.finding.fix,
                waiver=found.waiver,
            )
            for found in self.all()
        )
        VersionFinding.objects.bulk_create(rows, batch_size=1000)
