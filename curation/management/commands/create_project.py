import os
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from curation.management.named import person_named
from curation.models import Project, Provider
from curation.projects import LOCAL_BASE_MODEL, create_project


class Command(BaseCommand):
    help = "Make a project that can be called at once. Prints its slug."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="Short name for URLs, commands and callers: letters, digits, - and _.")
        parser.add_argument("--name", default="", help="What people read; the slug in words unless given.")
        parser.add_argument("--provider-url", default="", help="Base URL ending in /v1; else the local trainer.")
        parser.add_argument(
            "--provider-key",
            default="",
            help="The provider's key, or env:NAME to take it from that variable (others can read a command line).",
        )
        parser.add_argument("--base-model", default="", help="The model that answers before anything is tuned.")
        parser.add_argument("--training-prompt", default="", help="The short system prompt of every training example.")
        parser.add_argument("--answer-format", choices=Project.AnswerFormat.values, default=Project.AnswerFormat.TEXT)
        parser.add_argument(
            "--split-key",
            default="",
            help="Keys what is held out, for life. Give another installation's to hold out the same prompts there.",
        )
        parser.add_argument("--owner", default="", metavar="USERNAME", help="A person who owns the project.")

    def handle(self, *, slug: str, name: str, owner: str, **options: Any) -> str:
        settings = {key: options[key] for key in ("training_prompt", "answer_format")}
        if options["split_key"]:
            settings["split_key"] = options["split_key"]
        self._check(Project(slug=slug, name=name or slug, **settings), "slug", "name", *settings)
        return create_project(
            slug, name=name, owner=person_named(owner) if owner else None, **self._provider(options), **settings
        ).slug

    def _provider(self, options: dict[str, Any]) -> dict[str, Any]:
        url, base_model = options["provider_url"], options["base_model"]
        if not url:
            if options["provider_key"]:
                raise CommandError("--provider-key needs --provider-url: the local trainer's key is known.")
            return {"base_model": base_model or LOCAL_BASE_MODEL}
        if not base_model:
            raise CommandError("--provider-url needs --base-model: the model that answers before anything is tuned.")
        self._check(Provider(base_url=url, vouched_url=url, base_model=base_model), "base_url", "base_model")
        key = _key(options["provider_key"])
        return {"provider_url": url, "vouches": True, "provider_key": key, "base_model": base_model}

    def _check(self, row: Project | Provider, *fields: str) -> None:
        unchecked = {field.name for field in row._meta.fields} - set(fields)
        try:
            row.full_clean(exclude=unchecked, validate_constraints=False)
        except ValidationError as error:
            words = [f"{field}: {' '.join(texts)}" for field, texts in error.message_dict.items()]
            raise CommandError("\n".join(words)) from None


def _key(given: str) -> str:
    if not given.startswith("env:"):
        return given
    variable = given.removeprefix("env:")
    key = os.environ.get(variable, "")
    if not key:
        raise CommandError(f"The variable {variable} that --provider-key names is not set.")
    return key
