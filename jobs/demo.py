"""The demo: four small projects on real data.

Its prompts really go to the local trainer's untrained model, each with the long system prompt an application would
send, and what comes back is recorded as it came. Where the data has a human label, that enters as a verdict naming its
source; the other rows wait for a person.
"""

import gzip
import json
import logging
import time
import tomllib
import uuid
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from curation.egress import EVERYWHERE
from curation.models import LoggedCall, Project, Provider, User
from curation.projects import LOCAL_BASE_MODEL, create_project
from curation.recording import Call, record
from curation.review import label

from .prompts import parse
from .providers.base import ProviderError
from .providers.openai import Service

logger = logging.getLogger(__name__)
DATA = Path(__file__).with_name("demo_data")
SLUGS = ("moderation", "airport", "locations", "products")
# Small enough that little is sent twice after an interruption.
BATCH = 30
SENDERS = 4
LOCK = int.from_bytes(b"demo")

Report = Callable[[str], None]


class DemoError(Exception):
    """The demo cannot be loaded, or only in part; the message says what to do."""


@dataclass(frozen=True)
class Row:
    """One prompt. `answer` is the one its human label stands for; None where a person shall decide."""

    prompt: str
    answer: str | None


@dataclass(frozen=True)
class Demo:
    """What `demo_data` says of one project. `settings` are columns of Project."""

    slug: str
    settings: dict[str, Any]
    system_prompt: str
    source: str
    rows: list[Row]


def load(owner: User | None = None, report: Report = lambda line: None, slugs: Collection[str] = SLUGS) -> None:
    """Make the projects, or complete them; what is there already is neither sent nor labelled again.

    New projects belong to `owner` (administrators see them all anyway). `report` gets a sentence now and then. Raises
    DemoError; then calling again goes on from there.
    """
    check_trainer()
    with _alone():
        for slug in slugs:
            _load(read(slug), owner, report)


def check_trainer() -> None:
    """Raises DemoError, with what to do, unless the local trainer answers."""
    try:
        with Service(settings.TRAINER_URL, settings.TRAINER_KEY, EVERYWHERE) as service:
            service.model(LOCAL_BASE_MODEL)
    except ProviderError as error:
        raise DemoError(
            f"The demo's prompts are answered by the local trainer, which does not answer at {settings.TRAINER_URL}. "
            f"Start everything with ./run and load the demo again. ({error})"
        ) from error


def read(slug: str) -> Demo:
    """The prompts of one project as `demo_data` has them, in its order."""
    told = tomllib.loads((DATA / f"{slug}.toml").read_text("utf-8"))
    answers = told.get("answers", {})
    with gzip.open(DATA / f"{slug}.jsonl.gz", "rt", encoding="utf-8", newline="\n") as lines:
        columns = [json.loads(line) for line in lines]
    template = parse(told["prompt"].strip(), list(columns[0]))
    return Demo(
        slug=slug,
        settings={
            "name": told["name"],
            "answer_format": told["answer_format"],
            "training_prompt": told["training_prompt"],
            "instructions": "\n\n".join([told["instructions"].strip(), *_to_copy(answers)]),
        },
        system_prompt=told["system_prompt"].strip(),
        source=told["source"],
        rows=[Row(template.render(row), _answer(row, answers)) for row in columns],
    )


def _to_copy(answers: dict[str, str]) -> list[str]:
    """For reviewers, who choose among these answers: nobody should have to type them."""
    return [f"{label}:\n{answer}" for label, answer in answers.items()]


def _answer(row: dict[str, Any], answers: dict[str, str]) -> str | None:
    if row.get("waits"):
        return None
    if "answer" in row:
        return json.dumps(row["answer"], ensure_ascii=False, separators=(",", ":"))
    return answers[row["label"]] if "label" in row else None


@contextmanager
def _alone() -> Iterator[None]:
    """A second click while the first is at work does nothing. The lock goes with the connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        if cursor.fetchone() != (True,):
            raise DemoError("The demo is being loaded already. Wait a minute, then look at the projects.")
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def _load(demo: Demo, owner: User | None, report: Report) -> None:
    project = Project.objects.filter(slug=demo.slug).first()
    if project is None:
        project = create_project(demo.slug, owner=owner, **demo.settings)
    calls = {_call_id(project, row): row for row in demo.rows}
    stored = set(LoggedCall.objects.filter(pk__in=calls).values_list("pk", flat=True))
    if project.archived_at or not (stored or _is_untouched(project, demo)):
        return report(
            f"{demo.slug}: a project of that name is there and not the demo's, or archived. It stays as it is."
        )
    missing = {pk: row for pk, row in calls.items() if pk not in stored}
    if missing:
        _send(demo, project, missing, report)
    labelled = _label(demo, project, calls)
    if missing or labelled:
        logger.info("demo project %s: %s calls sent, %s rows labelled", project.pk, len(missing), labelled)
    return report(_summary(demo, project, len(missing), labelled))


def _is_untouched(project: Project, demo: Demo) -> bool:
    """Made by an earlier load that was interrupted before its first answer, rather than by somebody for their own."""
    is_alike = all(getattr(project, name) == value for name, value in demo.settings.items())
    return is_alike and not project.calls.exists()


def _call_id(project: Project, row: Row) -> uuid.UUID:
    """Always the same for the same prompt of a project, so that loading twice stores once."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"demo:{project.pk}:{row.prompt}")


def _send(demo: Demo, project: Project, missing: dict[uuid.UUID, Row], report: Report) -> None:
    """Ask the provider for each prompt and record what it answers, a batch at a time."""
    provider = project.providers.filter(kind=Provider.Kind.LOCAL_TRAINER).first()
    if provider is None:
        raise DemoError(f"Project {demo.slug} has no local trainer among its providers any more. Add it in the admin.")
    left = list(missing.items())
    report(f"{demo.slug}: sending {len(left)} prompts to {provider.base_model} …")
    with Service(provider.url, provider.open_key(), provider.reach) as service, ThreadPoolExecutor(SENDERS) as threads:
        ask = partial(_ask, service, demo.system_prompt, provider)
        while left:
            batch, left = left[:BATCH], left[BATCH:]
            try:
                calls = list(threads.map(ask, batch))
            except ProviderError as error:
                raise DemoError(
                    f"{demo.slug}: {error} {len(batch) + len(left)} prompts are left; load it again."
                ) from error
            record(calls)


def _ask(service: Service, system_prompt: str, provider: Provider, item: tuple[uuid.UUID, Row]) -> Call:
    call_id, row = item
    messages = [{"role": "system", "content": system_prompt}, {"role": "user", "content": row.prompt}]
    body = json.dumps({"model": provider.base_model, "messages": messages}, ensure_ascii=False).encode()
    started_at, started = datetime.now(UTC), time.perf_counter()
    answer = service.answer(body)
    return Call(
        id=call_id,
        project_id=provider.project_id,
        provider_id=provider.pk,
        # No caller sent it: this application did, prompt by prompt from a table.
        source=LoggedCall.Source.GENERATION,
        endpoint="/v1/chat/completions",
        requested_model=provider.base_model,
        served_model=provider.base_model,
        request_body=body,
        response_body=answer,
        status_code=200,
        started_at=started_at,
        duration_ms=(time.perf_counter() - started) * 1000,
    )


def _label(demo: Demo, project: Project, calls: dict[uuid.UUID, Row]) -> int:
    """Enter the human labels of rows that nobody, and no earlier load, has given a verdict on."""
    undecided = LoggedCall.objects.filter(pk__in=calls, exchange__isnull=False, exchange__reviews=None)
    answers = {exchange: calls[pk].answer for pk, exchange in undecided.values_list("pk", "exchange_id")}
    return label(project, ((exchange, answer) for exchange, answer in answers.items() if answer), demo.source)


def _summary(demo: Demo, project: Project, sent: int, labelled: int) -> str:
    waiting = f"{project.exchanges.pending().count()} wait for a person"
    if not (sent or labelled):
        return f"{demo.slug}: is loaded already, nothing was added; {waiting}."
    return f"{demo.slug}: {sent} answers recorded, {labelled} rows labelled by the corpus; {waiting}."
