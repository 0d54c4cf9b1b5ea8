import shutil
import sys
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from curation.datasets import version_of
from curation.management.named import project_named
from curation.models import DatasetVersion, Example
from jobs import exports
from jobs.formats import FORMATS
from jobs.models import Export


class Command(BaseCommand):
    help = "Write one split of a frozen version to a file. Works with and without a running worker."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", metavar="SLUG", help="The project.")
        parser.add_argument("--format", choices=list(FORMATS), default="openai-chat")
        parser.add_argument("--split", choices=Example.Split.values, default=Example.Split.TRAIN)
        parser.add_argument("--output", required=True, metavar="PATH", help="Where to write; - is standard output.")
        parser.add_argument("--version", type=int, dest="number", metavar="N", help="The latest unless given.")

    def create_parser(self, *args: Any, **kwargs: Any) -> CommandParser:
        # Django's own --version would be in the way.
        return super().create_parser(*args, conflict_handler="resolve", **kwargs)

    def handle(self, *, slug: str, format: str, split: str, output: str, number: int | None, **options: Any) -> None:
        try:
            version = version_of(project_named(slug), number)
        except DatasetVersion.DoesNotExist:
            wanted = "no frozen version" if number is None else f"no version {number}"
            raise CommandError(f"Project {slug} has {wanted}. Freeze one with: freeze {slug}") from None
        export = _written(exports.request_export(version, split, format))
        try:
            with exports.open_file(export) as stream:
                if output == "-":
                    shutil.copyfileobj(stream, sys.stdout.buffer)
                    return
                _copy(stream, Path(output))
        except (exports.ExportNotReady, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{export.line_count} lines of {slug} {export} in {output}")


def _written(export: Export) -> Export:
    """Write it here, or wait for the worker that does already."""
    while not export.is_finished:
        exports.run(export.pk)
        export.refresh_from_db()
        if not export.is_finished:
            time.sleep(0.2)
    return export


def _copy(source: Any, path: Path) -> None:
    """A file of that name is whole or not there, like the export itself."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as target:
            shutil.copyfileobj(source, target)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
