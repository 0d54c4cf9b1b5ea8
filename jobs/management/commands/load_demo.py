from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from curation.management.named import person_named
from curation.models import User
from jobs.demo import SLUGS, DemoError, load


class Command(BaseCommand):
    help = "Load four small projects on real data, or complete them. Needs the local trainer, which ./run starts."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "slugs", nargs="*", metavar="SLUG", help=f"Only these of {', '.join(SLUGS)}; all of them unless given."
        )
        parser.add_argument(
            "--owner", default="", metavar="USERNAME", help="Who owns them; the first administrator unless given."
        )

    def handle(self, *, slugs: list[str], owner: str, **options: Any) -> None:
        if unknown := set(slugs) - set(SLUGS):
            raise CommandError(f"The demo has no {', '.join(sorted(unknown))}. It has {', '.join(SLUGS)}.")
        first = User.objects.filter(is_superuser=True).order_by("pk").first()
        try:
            load(person_named(owner) if owner else first, self._report, slugs or SLUGS)
        except DemoError as error:
            raise CommandError(str(error)) from error

    def _report(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
