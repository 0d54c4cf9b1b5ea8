"""Loading the demo: prompts are really sent, answers kept as they came, labels name their source, twice is once."""

import json
import os
from io import StringIO

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from curation.egress import EVERYWHERE
from curation.models import Answer, Exchange, LoggedCall, Membership, Project, Provider, Review, ReviewSlot, User
from curation.projects import create_project
from curation.review import Ticket, decide, next_slot
from jobs.demo import LOCK, SLUGS, DemoError, load, read
from jobs.providers.openai import Service

from .conftest import answer_to

pytestmark = pytest.mark.django_db


def test_all_four_projects_are_ready_to_be_tried(trainer):
    lines: list[str] = []
    load(report=lines.append)
    for slug in SLUGS:
        demo, project = read(slug), Project.objects.get(slug=slug)
        waiting = sum(row.answer is None for row in demo.rows)
        assert project.calls.count() == project.exchanges.count() == len(demo.rows)
        assert project.exchanges.pending().count() == waiting
        assert project.exchanges.included().count() == len(demo.rows) - waiting
        assert project.slots.filter(done_at=None).count() == waiting
        assert {getattr(project, name) for name in demo.settings} == set(demo.settings.values())
        assert f"{len(demo.rows)} answers recorded" in " ".join(lines)
    assert len(trainer.seen) == LoggedCall.objects.count()


def test_what_was_sent_and_answered_is_kept_byte_for_byte(trainer):
    load(slugs=["products"])
    sent = {json.loads(body)["messages"][-1]["content"]: body for body in trainer.seen}
    assert len(sent) == 60
    for call in LoggedCall.objects.select_related("exchange"):
        body = sent[call.exchange.user_prompt]
        assert call.request_body.encode() == body
        assert call.response_body.encode() == answer_to(body)
        assert call.exchange.response == call.answer == f"You wrote {len(call.exchange.user_prompt)} letters."
        assert (call.outcome, call.source, call.status_code) == ("completed", "generation", 200)
        assert call.exchange.messages[0] == {"role": "system", "content": read("products").system_prompt}


def test_a_label_is_a_verdict_that_names_its_source_and_keeps_what_was_answered(trainer):
    load(slugs=["airport"])
    labels = {row.prompt: row.answer for row in read("airport").rows if row.answer}
    included = Exchange.objects.included()
    assert {row.user_prompt: row.target for row in included} == labels
    assert set(included.values_list("target_origin", flat=True)) == {"label"}
    assert all(row.response == f"You wrote {len(row.user_prompt)} letters." for row in included)
    reviews = Review.objects.values_list("verb", "via", "source", "reviewer")
    assert set(reviews) == {("included", "corpus", read("airport").source, None)}
    assert reviews.count() == len(labels)


def test_the_second_time_adds_nothing_and_says_so(trainer):
    load(slugs=["products", "airport"])
    tables = (Project, Provider, LoggedCall, Exchange, Answer, Review, ReviewSlot)
    before, sent = [list(table.objects.order_by("pk").values()) for table in tables], len(trainer.seen)
    lines: list[str] = []
    load(report=lines.append, slugs=["products", "airport"])
    assert [list(table.objects.order_by("pk").values()) for table in tables] == before
    assert len(trainer.seen) == sent
    assert all("loaded already, nothing was added" in line for line in lines)


def test_an_interrupted_load_is_completed(trainer):
    trainer.answers_left = 40
    with pytest.raises(DemoError, match="load it again"):
        load(slugs=["products"])
    stored = set(LoggedCall.objects.values_list("pk", flat=True))
    assert 0 < len(stored) < 60
    trainer.answers_left = 60 - len(stored)
    load(slugs=["products"])
    assert stored < set(LoggedCall.objects.values_list("pk", flat=True))
    assert Exchange.objects.count() == LoggedCall.objects.count() == 60
    assert set(Exchange.objects.values_list("seen_count", flat=True)) == {1}


def test_a_persons_verdict_is_not_overruled_by_a_label(trainer, person):
    trainer.answers_left = 100
    with pytest.raises(DemoError):
        load(slugs=["moderation"])
    project = Project.objects.get(slug="moderation")
    ana = person("ana")
    slot = next_slot(project, ana)
    decide(project, ana, "excluded", Ticket(slot.exchange_id, slot.exchange.version, slot.pk, slot.claim_token))
    trainer.answers_left = 1_000
    load(slugs=["moderation"])
    slot.exchange.refresh_from_db()
    assert (slot.exchange.state, slot.exchange.target) == ("excluded", None)
    assert slot.exchange.reviews.get().reviewer == ana


def test_somebodys_own_project_of_that_name_is_left_alone(trainer):
    create_project("products", name="Our shop")
    lines: list[str] = []
    load(report=lines.append, slugs=["products"])
    assert "not the demo's" in lines[0]
    assert (trainer.seen, LoggedCall.objects.count()) == ([], 0)


def test_prompts_never_go_to_another_provider(trainer):
    trainer.answers_left = 40
    with pytest.raises(DemoError):
        load(slugs=["products"])
    Provider.objects.update(kind="openai-compatible", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(DemoError, match="no local trainer"):
        load(slugs=["products"])


def test_without_the_trainer_nothing_is_made_and_the_cure_is_said(db, settings):
    settings.TRAINER_URL = "http://127.0.0.1:9/v1"
    with pytest.raises(DemoError, match=r"\./run"):
        load()
    assert not Project.objects.exists()


def test_two_at_once_are_one(trainer):
    name = connection.settings_dict["NAME"]
    with psycopg.connect(os.environ["DATABASE_URL"], dbname=name) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        with pytest.raises(DemoError, match="already"):
            load(slugs=["products"])
    load(slugs=["products"])
    assert LoggedCall.objects.count() == 60


def test_the_command_tells_how_far_it_is_and_gives_the_projects_to_a_person(trainer, person):
    ana, out = person("ana"), StringIO()
    call_command("load_demo", "products", "--owner", "ana", stdout=out)
    assert out.getvalue().splitlines() == [
        "products: sending 60 prompts to baseline …",
        "products: 60 answers recorded, 0 rows labelled by the corpus; 60 wait for a person.",
    ]
    assert Membership.objects.get(project__slug="products").user == ana


def test_the_command_takes_the_first_administrator_else_nobody(trainer):
    call_command("load_demo", "products", stdout=StringIO())
    assert not Membership.objects.exists()
    first = User.objects.create_superuser("root")
    call_command("load_demo", "airport", stdout=StringIO())
    assert Membership.objects.get().user == first


@pytest.mark.parametrize(("words", "complaint"), [(["shoes"], "no shoes"), (["--owner", "nobody"], "nobody")])
def test_the_command_refuses_what_it_does_not_know(trainer, words, complaint):
    with pytest.raises(CommandError, match=complaint):
        call_command("load_demo", *words)
    assert trainer.seen == []


def test_an_answer_is_passed_on_unread(trainer, settings):
    body = b'{"model":"baseline",  "messages":[{"role":"user","content":"Gr\xc3\xbc\xc3\x9fe"}]}'
    with Service(settings.TRAINER_URL, "", EVERYWHERE) as service:
        assert service.answer(body) == answer_to(body)
    assert trainer.seen == [body]
