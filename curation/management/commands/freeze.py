from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from curation.datasets import NothingToFreeze, freeze
from curation.management.named import project_named


class Command(BaseCommand):
    help = "Freeze what is included now into a dataset version. Prints its number; the same content keeps its number."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="The project to freeze.")
        parser.add_argument("--note", default="", help="Why, for people who read the list of versions.")

    def handle(self, *, slug: str, note: str, **options: Any) -> str:
        if len(note) > 200:
            raise CommandError(f"--note has {len(note)} characters; 200 are kept.")
        project = project_named(slug)
        try:
            frozen = freeze(project, note=note)
        except NothingToFreeze as error:
            raise CommandError(str(error)) from error
        if not frozen.is_new:
            self.stderr.write(f"Nothing changed: this is what version {frozen.version.number} holds already.")
        return str(frozen.version.number)
