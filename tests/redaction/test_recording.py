"""What reaches the tables."""

import json

import pytest
from django.db import connection

from curation.models import Answer, Exchange, LoggedCall
from curation.projects import create_project
from curation.recording import record
from tests.gateway.calls import make_call

from .samples import SECRETS, draw

pytestmark = pytest.mark.django_db
KEY = "sk-" + "proj-Ab3dEf6hIj9kLm2nOpQ5rSt8uVwX"
CARD = "4111 1111 1111 1111"


def everything_stored() -> str:
    with connection.cursor() as cursor:
        texts = []
        for model in (LoggedCall, Exchange, Answer):
            cursor.execute(f"SELECT t::text FROM {model._meta.db_table} t")
            texts += [row[0] for row in cursor.fetchall()]
    return "\n".join(texts)


def test_no_secret_reaches_any_table(project):
    secrets = [text for _kind, text in draw(SECRETS, 1)]
    pieces = [secret[at : at + 4] for secret in secrets for at in range(0, len(secret), 4)]
    chunks = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in [*pieces, "\n"]]
    stream = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    calls = [make_call(project, prompt=f"Use {secret}") for secret in secrets]
    calls += [
        make_call(project, prompt=f"{number}?", answer=f"It is {secret}") for number, secret in enumerate(secrets)
    ]
    calls += [make_call(project, prompt="streamed", response_body=stream.encode(), is_stream=True)]
    record(calls)
    stored = everything_stored()
    for secret in secrets:
        assert secret not in stored
        assert json.dumps(secret)[1:-1] not in stored
    assert LoggedCall.objects.filter(masked_count=0).count() == 0


def test_what_is_masked_is_counted_and_the_rest_stays(project):
    masked, other = (
        make_call(project, f"Card {CARD}, key {KEY}", f"Is {CARD} yours?"),
        make_call(project, "Where is gate 4?"),
    )
    record([masked, other])
    row = LoggedCall.objects.get(pk=masked.id)
    assert row.masked_count == 3
    assert json.loads(row.request_body)["messages"][0]["content"] == "Card [card number], key [API key]"
    assert row.answer == "Is [card number] yours?"
    assert (row.exchange.user_prompt, row.exchange.response) == ("Card [card number], key [API key]", row.answer)
    untouched = LoggedCall.objects.get(pk=other.id)
    assert (untouched.masked_count, untouched.request_body) == (0, other.request_body.decode())


def test_two_prompts_that_differ_in_the_secret_alone_are_one_exchange(project):
    record([make_call(project, f"Charge {CARD}"), make_call(project, "Charge 5500 0055 5555 5559")])
    assert Exchange.objects.get().seen_count == 2


def test_each_project_says_what_is_masked(project):
    careful = create_project("careful", redacts_emails=True, redacts_phones=True)
    careless = create_project("careless", redacts_secrets=False, redacts_cards=False)
    prompt = f"{CARD}, {KEY}, ana@example.com, +44 20 7946 0958"
    record([make_call(each, prompt) for each in (project, careful, careless)])
    prompts = {exchange.project.slug: exchange.user_prompt for exchange in Exchange.objects.all()}
    assert prompts == {
        "support": "[card number], [API key], ana@example.com, +44 20 7946 0958",
        "careful": "[card number], [API key], [e-mail address], [phone number]",
        "careless": prompt,
    }


def test_what_stands_beside_the_bodies_is_masked_too(project):
    said = dict.fromkeys(("requested_model", "served_model", "error_code", "user_agent", "own_id"), f"x {KEY}")
    record([make_call(project, **said, tags=["a", KEY], endpoint=f"/v1/x?api_key={'f0' * 10}", client_request_id=KEY)])
    row = LoggedCall.objects.get()
    assert {getattr(row, name) for name in said} == {"x [API key]"}
    assert (row.tags, row.client_request_id, row.masked_count) == (["a", "[API key]"], "[API key]", 8)
    assert row.endpoint == "/v1/x?api_key=[password]"
