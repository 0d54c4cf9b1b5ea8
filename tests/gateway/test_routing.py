"""Keys and routes live in memory, are fresh to the last commit, and outlive the database."""

from pathlib import Path
from typing import Any

import openai
import pytest
from cryptography.fernet import Fernet
from django.db import transaction
from django.test import override_settings

from curation.gateway.remembered import Remembered
from curation.models import ApiKey, ModelAlias

from .conftest import Wired, wire
from .proxy import proxy_before_postgres
from .servers import Server, eventually, running_recorder, running_web
from .stub import Stub


def test_the_call_right_after_a_promotion_is_served_by_the_new_model(wired: Wired, ask):
    client = wired.client()
    for n in range(50):
        with transaction.atomic():
            ModelAlias.objects.filter(project=wired.project).update(model=f"tuned-{n}")
        assert ask(client).choices[0].message.content == f"Answer of tuned-{n}."


def test_a_key_works_from_the_moment_it_is_made(wired: Wired, ask):
    for n in range(10):
        key = ApiKey.issue(wired.project, f"key {n}")[1]
        assert ask(openai.OpenAI(base_url=wired.url, api_key=key, max_retries=0))


def test_a_provider_key_that_cannot_be_opened_stops_only_its_own_calls(wired: Wired, shared_gateway: Server, stub, ask):
    with override_settings(SEALING_KEY=Fernet.generate_key()):
        provider = wired.project.default_provider
        assert provider
        provider.seal_key("sk-new")
        provider.save()
    with pytest.raises(openai.InternalServerError) as caught:
        ask(wired.client())
    assert (caught.value.status_code, caught.value.code) == (503, "provider_key_unreadable")
    assert "Enter the key again" in str(caught.value)
    assert ask(wire(stub, shared_gateway).client())


def asked(client: openai.OpenAI, ask: Any) -> str:
    return ask(client).choices[0].message.content


def test_calls_go_on_while_the_database_is_away_and_are_all_in_the_table_afterwards(
    committed_db: None, stub: Stub, own_home: Path, ask
):
    with (
        proxy_before_postgres() as proxy,
        running_web(own_home, DATABASE_URL=proxy.database_url) as server,
        running_recorder(own_home, DATABASE_URL=proxy.database_url) as recorder,
    ):
        wired = wire(stub, server)
        client = wired.client()
        assert asked(client, ask) == "Answer of base-1."
        wired.calls(1)
        proxy.cut()
        assert [asked(client, ask) for _ in range(20)] == ["Answer of base-1."] * 20
        stranger = openai.OpenAI(base_url=server.url, api_key="cur-unknown", max_retries=0)
        with pytest.raises(openai.InternalServerError) as caught:
            eventually(lambda: ask(stranger))
        assert (caught.value.status_code, caught.value.response.headers["retry-after"]) == (503, "1")
        ModelAlias.objects.filter(project=wired.project).update(model="tuned")
        proxy.mend()
        assert len(wired.calls(21)) == 21
        eventually(lambda: asked(client, ask) == "Answer of tuned.")
        with pytest.raises(openai.AuthenticationError):
            ask(stranger)
        assert recorder.poll() is None


def test_a_database_that_does_not_answer_is_not_waited_for(committed_db: None, stub: Stub, own_home: Path, ask):
    with proxy_before_postgres() as proxy, running_web(own_home, DATABASE_URL=proxy.database_url) as server:
        wired = wire(stub, server)
        client = wired.client(timeout=5)
        assert asked(client, ask) == "Answer of base-1."
        ModelAlias.objects.filter(project=wired.project).update(model="tuned")
        assert asked(client, ask) == "Answer of tuned."
        proxy.freeze()
        assert [asked(client, ask) for _ in range(20)] == ["Answer of tuned."] * 20
        proxy.mend()
        ModelAlias.objects.filter(project=wired.project).update(model="better")
        eventually(lambda: asked(client, ask) == "Answer of better.")


def test_without_a_database_from_the_start_calls_are_refused_until_it_is_there(
    committed_db: None, stub: Stub, own_home: Path, ask
):
    with proxy_before_postgres() as proxy:
        proxy.cut()
        with running_web(own_home, DATABASE_URL=proxy.database_url) as server:
            wired = wire(stub, server)
            with pytest.raises(openai.InternalServerError) as caught:
                ask(wired.client())
            assert (caught.value.status_code, caught.value.code) == (503, "keys_unavailable")
            proxy.mend()

            def answered() -> bool:
                try:
                    return bool(ask(wired.client()))
                except openai.InternalServerError:
                    return False

            eventually(answered)


def test_a_gateway_that_starts_while_the_database_is_away_serves_whom_it_served_before(
    committed_db: None, stub: Stub, own_home: Path, ask
):
    with proxy_before_postgres() as proxy:
        with running_web(own_home, DATABASE_URL=proxy.database_url) as server:
            wired = wire(stub, server)
            assert asked(wired.client(), ask) == "Answer of base-1."
            server.kill()
        assert wired.key.encode() not in (own_home / "spool" / "routes.sealed").read_bytes()
        proxy.cut()
        with running_web(own_home, DATABASE_URL=proxy.database_url) as server:
            wired.url = server.url
            assert eventually(lambda: tried(wired, ask)) == "Answer of base-1."
            stranger = openai.OpenAI(base_url=server.url, api_key="cur-unknown", max_retries=0)
            with pytest.raises(openai.InternalServerError):
                ask(stranger)
            ModelAlias.objects.filter(project=wired.project).update(model="tuned")
            proxy.mend()
            eventually(lambda: asked(wired.client(), ask) == "Answer of tuned.")
        # Nothing of it opens with another installation's key.
        remembered = Remembered(own_home / "spool" / "routes.sealed", Fernet.generate_key().decode())
        assert remembered.recall() is None


def tried(wired: Wired, ask: Any) -> str | None:
    try:
        return asked(wired.client(), ask)
    except openai.InternalServerError:
        return None


def test_the_names_a_project_serves_are_listed_among_the_models(wired: Wired, stub: Stub):
    ModelAlias.objects.create(
        project=wired.project, name="team-fast", provider=wired.project.default_provider, model="base-1"
    )
    own = '{"object":"list","data":[{"id":"base-1","object":"model","created":1,"owned_by":"x"},{"id":"support"}]}'
    listed = wired.client().models.list(extra_headers={"x-stub": f"raw 200 application/json {own}"})
    assert sorted(model.id for model in listed.data[:2]) == ["support", "team-fast"]
    assert [model.id for model in listed.data[2:]] == ["base-1"]
    assert wired.client().models.retrieve("team-fast").id == "team-fast"
    with pytest.raises(openai.NotFoundError):
        wired.client().models.retrieve("team-slow", extra_headers={"x-stub": 'raw 404 application/json {"error":{}}'})
