"""A table and a template become prompts: rows that cost nothing until somebody says that they are to be asked."""

import hashlib
import json
import logging
import tomllib
import uuid
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePath
from typing import BinaryIO, NamedTuple, cast

from django.core.files import File
from django.db import connection, transaction

from curation.models import Project, User

from .models import Generation, GenerationItem
from .prompts import Template, TemplateError, parse
from .tables import Row, Table, TableError, open_table

log = logging.getLogger(__name__)

SEPARATORS: dict[str, str] = {
    Generation.Separator.SEMICOLON: ";",
    Generation.Separator.COMMA: ",",
    Generation.Separator.BAR: "|",
    Generation.Separator.LINE: "\n",
}
MAX_PROMPTS = 50_000
MANY = 1_000  # prompts
MAX_CHARACTERS = 50_000_000  # of all prompts of one generation together


# A table anybody may try: products of the public Drugs@FDA list. Its template is that of the demo's project.
EXAMPLE = Path(__file__).with_name("demo_data") / "medicines.csv"
EXAMPLE_TEMPLATE = EXAMPLE.with_name("products.toml")


class NotPossible(Exception):
    """What was asked for cannot be done now; the message says why."""


class Prompt(NamedTuple):
    row_number: int
    variables: dict[str, str]
    text: str


def draft(project: Project, table: File, *, name: str = "", user: User | None = None) -> Generation:
    """Keep an uploaded table. It has no prompts yet: `write` makes them.

    Raises TableError, and NotPossible when the project has no provider.
    """
    provider = project.default_provider
    if provider is None:
        raise NotPossible("The project has no provider that could answer. Choose one in its settings.")
    opened = _opened(table)
    row_count = sum(1 for _ in opened)
    if not row_count:
        raise TableError("The table has columns and no row below them.")
    digest = hashlib.sha256()
    for piece in table.chunks():
        digest.update(piece)
    file_name = "".join(letter for letter in PurePath(table.name or "table").name if letter.isprintable())
    generation = Generation.objects.create(
        project=project,
        name=name or PurePath(file_name).stem[:120],
        table=table,
        table_name=file_name[:200],
        table_sha256=digest.hexdigest(),
        columns=list(opened.columns),
        row_count=row_count,
        provider=provider,
        model=provider.base_model,
        next_attempt_at=None,
        created_by=user,
    )
    log.info("%s drafted project=%s rows=%s", generation, project.slug, row_count)
    return generation


def draft_example(project: Project, user: User | None = None) -> Generation:
    """A draft that shows how it goes: a table of medicines, and a template that asks for their catalogue texts."""
    told = tomllib.loads(EXAMPLE_TEMPLATE.read_text("utf-8"))
    with EXAMPLE.open("rb") as stream:
        generation = draft(project, File(stream, EXAMPLE.name), name="Medicines", user=user)
    write(generation, template=told["prompt"].strip(), system_prompt=told["system_prompt"].strip())
    return generation


def write(generation: Generation, *, template: str, **settings: object) -> None:
    """Set the template and the settings of a draft, and make its prompts anew.

    Raises TemplateError, TableError, and NotPossible when something was asked already.
    """
    settings |= {"template": template}
    for name, value in settings.items():
        setattr(generation, name, value)
    prompts = list(_within_limits(_prompts(generation, parse(template, generation.columns))))
    if not prompts:
        raise TemplateError("No row makes a prompt with this template: the cells it names are empty.")
    with transaction.atomic():
        if not Generation.locked(generation.pk).is_draft:
            raise NotPossible("Prompts of this generation were asked already. Copy it to change its template.")
        generation.items.all().delete()
        generation.save(update_fields=list(settings))
        _insert(generation, prompts)
        _mark_repeated(generation)
    log.info("%s written prompts=%s", generation, len(prompts))


def copy(generation: Generation, user: User | None = None) -> Generation:
    """A new draft with the same table and settings, to try another template."""
    kept = ["project", "name", "table", "table_name", "table_sha256", "columns", "row_count", "template"]
    kept += ["system_prompt", "separator", "skips_empty", "provider", "model", "per_second"]
    kept += ["request_limit", "token_limit"]
    values = {name: getattr(generation, name) for name in kept}
    return Generation.objects.create(**values, next_attempt_at=None, created_by=user)


def first_rows(generation: Generation, count: int) -> list[Row]:
    """The first rows of the kept table. Raises TableError when it is gone."""
    with _kept(generation) as stream:
        return list(islice(_opened(stream), count))


def _kept(generation: Generation) -> File:
    """The kept table, to be read and closed. Raises TableError when it is gone."""
    try:
        return generation.table.open("rb")
    except FileNotFoundError:
        raise TableError("The table is not in the storage any more. Upload it again.") from None


def _opened(file: File) -> Table:
    return open_table(cast(BinaryIO, file))  # Django's File is one in all that matters here


def _prompts(generation: Generation, template: Template) -> Iterator[Prompt]:
    with _kept(generation) as stream:
        for number, row in enumerate(_opened(stream), start=1):
            try:
                for variables in template.expand(row, SEPARATORS[generation.separator]):
                    if generation.skips_empty and not all(value.strip() for value in variables.values()):
                        continue
                    yield Prompt(number, variables, template.render(variables))
            except TemplateError as error:
                raise TemplateError(f"With row {number} of the table: {error}") from None


def _within_limits(prompts: Iterator[Prompt]) -> Iterator[Prompt]:
    length = 0
    for count, prompt in enumerate(prompts, start=1):
        length += len(prompt.text)
        if count > MAX_PROMPTS:
            raise TemplateError(f"That makes more than {MAX_PROMPTS:,} prompts. Use a smaller table.")
        if length > MAX_CHARACTERS:
            raise TemplateError(f"The prompts have more than {MAX_CHARACTERS:,} characters. Use a smaller table.")
        yield prompt


def _insert(generation: Generation, prompts: list[Prompt]) -> None:
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(
            "COPY jobs_generationitem (generation_id, position, row_number, variables, prompt, call_id, status,"
            " attempts, error) FROM STDIN"
        ) as rows,
    ):
        for position, (row_number, variables, text) in enumerate(prompts, start=1):
            cells = json.dumps(variables, ensure_ascii=False)
            status = GenerationItem.Status.DRAFT.value
            rows.write_row([generation.pk, position, row_number, cells, text, uuid.uuid4(), status, 0, ""])
    if len(prompts) >= MANY:
        # Until the planner knows of them, it takes tens of thousands of rows for a handful.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE jobs_generationitem")


def _mark_repeated(generation: Generation) -> None:
    """Two rows that make the same prompt are one question. Which are the same is for the database to say."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE jobs_generationitem AS item SET status = %s FROM ("
            "  SELECT id, row_number() OVER (PARTITION BY prompt_key ORDER BY position) AS place"
            "  FROM jobs_generationitem WHERE generation_id = %s"
            ") AS same WHERE same.id = item.id AND same.place > 1",
            [GenerationItem.Status.REPEATED, generation.pk],
        )
