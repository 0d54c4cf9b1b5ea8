from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from curation.datasets import verify, version_of
from curation.management.named import project_named
from curation.models import DatasetVersion
from jobs import exports
from jobs.models import Export


class Command(BaseCommand):
    help = "Recompute every hash of a project's versions and of the files written from them, and say what does not fit."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", metavar="SLUG", help="The project.")
        parser.add_argument("--version", type=int, dest="number", metavar="N", help="All versions unless given.")

    def create_parser(self, *args: Any, **kwargs: Any) -> CommandParser:
        # Django's own --version would be in the way.
        return super().create_parser(*args, conflict_handler="resolve", **kwargs)

    def handle(self, *, slug: str, number: int | None, **options: Any) -> None:
        project = project_named(slug)
        try:
            versions = list(project.versions.order_by("number")) if number is None else [version_of(project, number)]
        except DatasetVersion.DoesNotExist:
            raise CommandError(f"Project {slug} has no version {number}.") from None
        faults = [fault for version in versions for fault in _faults(version)]
        for fault in faults:
            self.stderr.write(fault)
        if faults:
            raise CommandError(f"{len(faults)} thing(s) of {slug} do not fit.")
        self.stdout.write(f"{len(versions)} version(s) of {slug} are what was frozen, and so are their files.")


def _faults(version: DatasetVersion) -> list[str]:
    faults = list(verify(version))
    for export in version.exports.filter(status=Export.Status.SUCCEEDED):
        faults += exports.faults_of(export)
    return faults
