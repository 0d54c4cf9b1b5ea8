"""Import a file of past calls into a project."""

import time
from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.management.base import BaseCommand, CommandError, CommandParser

from curation.management.named import project_named
from jobs import imports, uploads
from jobs.models import Import
from jobs.past_files import FileError
from jobs.tables import TableError


class Command(BaseCommand):
    help = (
        "Import past calls from a file (also gzipped): JSON lines with messages, with prompt and completion, with "
        "request and response, or as Langfuse and Helicone export them; or a table. What was imported before is not "
        "imported again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", metavar="SLUG", help="The project.")
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument("--strict", action="store_true", help="Import nothing when any line cannot be read.")
        for part, words in imports.PARTS.items():
            parser.add_argument(f"--{part}", default="", metavar="COLUMN", help=f"For files with columns: {words}.")

    def handle(self, *, slug: str, file: Path, strict: bool, **options: Any) -> None:
        project = project_named(slug)
        try:
            with file.open("rb") as stream:
                upload = uploads.draft(project, File(stream, file.name))
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
        except (FileError, TableError) as error:
            raise CommandError(str(error)) from error
        imports.start(upload, mapping=self._mapping(upload, options), is_strict=strict)
        self._drive(upload)
        self._tell(upload)
        if upload.status != Import.Status.SUCCEEDED:
            raise CommandError(upload.error or "The import was cancelled.")

    def _mapping(self, upload: Import, options: dict[str, Any]) -> dict[str, str]:
        """What was named, else what the columns' names tell."""
        if not upload.columns:
            return {}
        named = {part: options[part] for part in imports.PARTS if options[part]}
        if unknown := [name for name in named.values() if name not in upload.columns]:
            raise CommandError(f"There is no column “{unknown[0]}”. There are: {', '.join(upload.columns)}.")
        mapping: dict[str, str] = named or upload.mapping
        if not mapping.get("prompt") or not mapping.get("answer"):
            raise CommandError(f"Say which columns are --prompt and --answer. There are: {', '.join(upload.columns)}.")
        return mapping

    def _drive(self, upload: Import) -> None:
        """Do the work here, unless a worker was faster."""
        while not upload.is_finished:
            imports.advance(upload.pk)
            upload.refresh_from_db()
            if not upload.is_finished and (upload.lease_until or upload.error):
                time.sleep(0.5)

    def _tell(self, upload: Import) -> None:
        for remark in upload.remarks.all():
            self.stderr.write(f"line {remark.line_number}: {remark.reason}")
        if upload.refused_count + upload.noted_count > imports.MOST_REMARKS:
            self.stderr.write(f"Only the first {imports.MOST_REMARKS:,} remarks are kept.")
        masked = f", masked {upload.masked_count}" if upload.masked_count else ""
        self.stdout.write(
            f"imported {upload.imported_count}, already there {upload.known_count}, "
            f"rejected {upload.refused_count}{masked}"
        )
