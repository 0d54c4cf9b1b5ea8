"""History cannot be rewritten by any code path, and what was captured stays."""

import uuid
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone

from curation.models import Example, Exchange, LoggedCall, ModelAlias, Review
from jobs.models import Promotion

pytestmark = pytest.mark.django_db


@pytest.fixture
def exchange(ask) -> Exchange:
    return ask("Where is gate 4?")


@pytest.fixture(params=["call", "review", "version", "example", "promotion"])
def history(request, project, exchange, version) -> models.Model:
    match request.param:
        case "call":
            return LoggedCall.objects.create(
                id=uuid.uuid4(), project=project, exchange=exchange, source="gateway", outcome="completed",
                endpoint="/v1/chat/completions", request_body="{}", started_at=timezone.now(),
            )  # fmt: skip
        case "review":
            return Review.objects.create(
                project=project, exchange=exchange, source="a corpus", verb="included", state_before="pending",
                state_after="included", origin_before="captured", origin_after="captured", version_after=2,
            )  # fmt: skip
        case "version":
            return version
        case "example":
            return Example.objects.create(
                version=version, exchange=exchange, split="train", position=1, body="{}", content_hash="0" * 64
            )
        case _:
            alias = ModelAlias.objects.get(project=project)
            return Promotion.objects.create(
                alias=alias, provider=alias.provider, model="new", previous_provider=alias.provider,
                previous_model=alias.model,
            )  # fmt: skip


def refused(change: Any) -> str:
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        change()
    return str(caught.value)


def test_history_refuses_every_change(history):
    rows = type(history)._base_manager.filter(pk=history.pk)
    column = next(
        field for field in history._meta.concrete_fields if isinstance(field, models.CharField | models.TextField)
    )
    assert "never changed or deleted" in refused(
        lambda: rows.update(**{column.name: column.value_from_object(history)})
    )
    assert "never changed or deleted" in refused(lambda: history.save())
    assert "never changed or deleted" in refused(lambda: rows._raw_delete("default"))
    assert rows.exists()


def test_only_the_named_erasure_passes_and_only_in_its_own_transaction(history):
    rows = type(history)._base_manager.filter(pk=history.pk)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SAVEPOINT erasure; SET LOCAL curation.erase = 'on'")
        assert rows._raw_delete("default") == 1
        cursor.execute("ROLLBACK TO erasure")
    assert "never changed or deleted" in refused(lambda: rows._raw_delete("default"))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("user_prompt", "WHERE IS GATE 4?"),
        ("messages", []),
        ("response", "It is downstairs."),
        ("response", None),
        ("split", "test"),
        ("context_digest", "a" * 64),
    ],
)
def test_what_was_captured_stays(exchange, column, value):
    assert "never changed" in refused(lambda: Exchange.objects.filter(pk=exchange.pk).update(**{column: value}))


def test_an_answer_may_come_later_but_only_once(ask):
    row = ask("Where is gate 4?", response=None)
    Exchange.objects.filter(pk=row.pk).update(response="Upstairs.")
    assert "never changed" in refused(lambda: Exchange.objects.filter(pk=row.pk).update(response="Downstairs."))


def test_a_verdict_may_change_the_rest(exchange):
    exchange.state, exchange.included, exchange.target = "included", timezone.now(), "Upstairs, to the left."
    exchange.save(update_fields=["state", "included", "target"])
    exchange.refresh_from_db()
    assert (exchange.teaches, exchange.response) == ("Upstairs, to the left.", "It is upstairs.")


@pytest.mark.parametrize(
    "columns",
    [
        {"state": "included", "included": None},
        {"state": "pending", "included": timezone.now()},
        {"split": "other"},
    ],
)
def test_contradictions_are_refused(ask, columns):
    assert "violates check constraint" in refused(lambda: ask("Where is gate 4?", **columns))
