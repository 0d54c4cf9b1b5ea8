from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from curation.management.named import project_named
from curation.models import ApiKey


class Command(BaseCommand):
    help = "Make a key applications call the gateway with. The key is the last word printed and is shown only once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="The project the key opens.")
        parser.add_argument("--name", default="command line", help="What to recognise the key by.")

        parser.add_argument("--scope", action="append", choices=ApiKey.Scope.values, help="Only for this; may repeat.")
        parser.add_argument("--per-minute", type=int, help="How many requests it may make in a minute.")

    def handle(self, *, slug: str, name: str, scope: list[str] | None, per_minute: int | None, **options: Any) -> str:
        if len(name) > 80:
            raise CommandError(f"--name has {len(name)} characters; 80 are kept.")
        if per_minute is not None and not 1 <= per_minute <= 1_000_000:
            raise CommandError("--per-minute must be from 1 to 1000000.")
        project = project_named(slug)
        if project.archived_at:
            raise CommandError(f"Project “{slug}” is archived, so a key opens nothing. Take it out of the archive.")
        _row, key = ApiKey.issue(project, name, scopes=scope or ApiKey.Scope.values, requests_per_minute=per_minute)
        return f"Key “{name}” of project {slug}, shown only this once: {key}"
