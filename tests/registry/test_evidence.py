"""The evidence packet of a model: the same bytes each time, checked with nothing but itself."""

import asyncio
import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from curation.models import Membership, Review
from jobs import evidence, evidence_format, registry
from jobs.models import ModelVersion
from tests.machines import passed

pytestmark = pytest.mark.django_db


@pytest.fixture
def model(project, version, make_model, make_evaluation, person):
    model = make_model("ft:1", version)
    make_evaluation(model, base=1, tuned=3)
    registry.promote(passed(model), person("olga", Membership.Role.OWNER))
    row = version.examples.order_by("pk").first().exchange
    Review.objects.create(
        project=project, exchange=row, source="A corpus", verb="included", state_before="pending",
        state_after="included", origin_before="captured", origin_after="captured", version_after=1,
    )  # fmt: skip
    return ModelVersion.objects.get(pk=model.pk)


def packet(model: ModelVersion) -> bytes:
    file = io.BytesIO()
    evidence.write(model, file)
    return file.getvalue()


def verify(path, *words: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("verify_evidence", str(path), *words, stdout=out, stderr=err)
    except CommandError as error:
        return f"{err.getvalue()}{error}"
    return out.getvalue()


def test_it_says_all_and_holds(model, version, tmp_path):
    data = packet(model)
    assert data == packet(model)
    lines = [json.loads(line) for line in data.splitlines()]
    rows = [line for line in lines if line["kind"] == "row"]
    assert (len(rows), lines[0]["content_hash"], lines[0]["model"]) == (16, version.content_hash, "ft:1")
    assert [verdict["by"] for row in rows for verdict in row["verdicts"]] == ["A corpus"]
    kinds = {line["kind"] for line in lines}
    assert kinds >= {"preflight", "job", "evaluation", "case", "gate", "promotion", "signature"}
    assert b"Question" not in data
    checked = evidence_format.check(io.BytesIO(data))
    assert (checked.faults, checked.public_key) == ([], evidence.public_key_of(model.project))
    (tmp_path / "packet").write_bytes(data)
    assert "comes out the same, byte for byte" in verify(tmp_path / "packet")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (b'"split":"train"', b'"split":"test"', "not those that the version was frozen from"),
        (b'"is_right":true', b'"is_right":false', "was altered"),
        (b'"model":"ft:1"', b'"model":"ft:2"', "was altered"),
        (b'"kind":"signature"', b'"kind":"signed"', "the end is missing"),
        (b'"signature":"', b'"signature":"00', "signature does not fit"),
        (b'{"base_model"', b'{{"base_model"', "not a JSON object"),
    ],
)
def test_what_was_altered_is_found_out(model, tmp_path, before, after, words):
    data = packet(model)
    assert before in data
    (tmp_path / "packet").write_bytes(data.replace(before, after, 1))
    assert words in verify(tmp_path / "packet")


def test_signed_by_somebody_else_it_does_not_hold(model, tmp_path, settings):
    settings.SEALING_KEY = "c2VhbGluZyBrZXkgb2Ygc29tZWJvZHkgZWxzZSAwMDA="
    (tmp_path / "packet").write_bytes(packet(model))
    settings.SEALING_KEY = "b3VyIG93biBzZWFsaW5nIGtleSBmb3IgdGhpcyB0ZXM="
    assert "another key than this project" in verify(tmp_path / "packet")
    assert "with another key" in verify(tmp_path / "packet", "--key", evidence.public_key_of(model.project))


def test_where_the_model_is_not_known_the_packet_stands_for_itself(model, tmp_path, monkeypatch):
    data = packet(model)
    (tmp_path / "packet").write_bytes(data)
    key = evidence.public_key_of(model.project)
    ModelVersion.objects.filter(pk=model.pk).update(name="renamed")
    assert "Its model is not known here" in verify(tmp_path / "packet")
    assert "holds" in verify(tmp_path / "packet", "--key", key)
    assert "No such file" in verify(tmp_path / "nothing")


def test_an_operator_downloads_it_from_the_models_page(model, person, browser_of):
    browser, address = (
        browser_of(person("otto", Membership.Role.OPERATOR)),
        reverse("evidence", args=["support", model.pk]),
    )
    assert address in browser.get(reverse("registry", args=["support"])).content.decode()

    async def read(response) -> bytes:
        return b"".join([piece async for piece in response.streaming_content])

    response = browser.get(address)
    assert asyncio.run(read(response)) == packet(model)
    assert browser_of(person("vera", Membership.Role.VIEWER)).get(address).status_code == 403
    assert browser_of(None).get(address).status_code == 302
