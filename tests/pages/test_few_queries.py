"""However much a project holds, a page asks the database a few times and not once for each thing on it."""

import html
import re
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from curation.datasets import freeze
from curation.models import DatasetVersion, Exchange, Membership, ModelAlias, MustPass, Project, SavedView, Tag, User
from curation.review import label
from jobs import registry
from jobs.models import EvaluationRun, Export, InputDraft, ModelVersion, PaybackForecast, RetrainingRun
from jobs.readiness import check, policy_of
from tests.asking import ask
from tests.machines import include, make_model, media, passed, provider, stub, version  # noqa: F401

MOST = 15
# A freeze is rehearsed and taken back for it: a table is made, filled and looked through.
REHEARSES = {"/projects/support/retraining/dry-run/"}


@pytest.fixture
def owner(
    project: Project,
    person: Callable[..., User],
    version: DatasetVersion,  # noqa: F811
    include: Callable[..., Exchange],  # noqa: F811
    make_model: Callable[..., ModelVersion],  # noqa: F811
) -> User:
    """Of a project that went round several times and has several of each thing."""
    ana = person("ana", Membership.Role.OWNER)
    words = ["apples", "boats", "clouds", "doors", "eggs", "forks", "gates", "horses"]
    rows = [ask(project, f"How many {word} are there?") for word in words]
    label(project, [(row.pk, "Yes.") for row in rows[:4]], "A corpus")
    for answer in ("This way.", "That way."):
        ask(project, "Twice?", answer)
    include("New?", "Yes.", split="test")
    for row in project.exchanges.filter(slots=None):
        row.slots.create(project=project, position=1, done_at=row.included)
    for row in rows[:3]:
        Tag.objects.create(project=project, name=f"kind {row.pk}").exchanges.add(row)
        MustPass.objects.create(project=project, exchange=row, marked_by=ana)
    provider = project.default_provider  # noqa: F811
    main, *_ = [
        ModelAlias.objects.get_or_create(project=project, name=name, defaults={"provider": provider, "model": "base"})[
            0
        ]
        for name in (project.slug, "other", "third")
    ]
    for number, of in enumerate((version, version, freeze(project).version)):
        model = make_model(f"ft:{number}", of)
        for right in (1, 2):
            evaluated(model, right)
        registry.promote(passed(model, main), override_reason="A try.")
    for split in ("train", "test"):
        Export.objects.create(version=version, split=split, status="failed", error="The disk is full.")
    RetrainingRun.objects.create(policy=policy_of(project), trigger="schedule", status="failed", error="No provider.")
    check(policy_of(project))
    draft = InputDraft.objects.create(project=project, provider=provider, model="base", status="succeeded")
    for number in range(6):
        draft.inputs.create(text=f"Input {number}?")
        SavedView.objects.create(project=project, user=ana, name=f"View {number}", query="state=included")
        PaybackForecast.objects.create(project=project, inputs={}, saving_per_day=1, outlay=2, created_by=ana)
    return ana


def evaluated(model: ModelVersion, right: int) -> None:
    run = EvaluationRun.objects.create(
        project=model.project, version=model.version, model_version=model, status="succeeded"
    )
    examples = list(model.version.examples.filter(split="test"))
    run.must_pass.set(examples[:2])
    for role, name in (("base", "base"), ("tuned", model.name)):
        candidate = run.candidates.create(role=role, provider=model.provider, model=name)
        for number, example in enumerate(examples):
            candidate.results.create(example=example, answer="an answer", is_right=number < right, latency_ms=5)


def addresses(page: str, slug: str) -> Iterator[str]:
    """Where a page leads within its project, and what its script would load."""
    for link in re.findall(r'(?:href|data-loads|data-ahead)="([^"#]+)', page):
        address = html.unescape(link)
        if address.startswith(f"/projects/{slug}/"):
            yield address


def test_no_page_asks_more_than_fifteen_times(project: Project, owner: User, client: Client) -> None:
    client.force_login(owner)
    asked: dict[str, int] = {}
    kinds: Counter[str] = Counter()
    waiting = ["/", f"/projects/{project.slug}/"]
    while waiting:
        address = waiting.pop()
        kind = re.sub(r"\d+|[0-9a-f]{8}-[0-9a-f-]{27}", "N", re.sub(r"=[^&]*", "", address))
        if address in asked or kinds[kind] == 2:
            continue
        kinds[kind] += 1
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(address)
        assert answer.status_code in (200, 204, 302), address
        if answer.status_code == 302:
            waiting.append(answer["Location"])
        elif answer.get("Content-Type", "").startswith("text/html"):
            asked[address] = len(queries)
            waiting += addresses(answer.content.decode(), project.slug)
    assert len(asked) > 60
    assert {address: count for address, count in asked.items() if count > MOST and address not in REHEARSES} == {}
