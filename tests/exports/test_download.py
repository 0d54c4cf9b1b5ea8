"""Downloads: whole, from the middle on, gzipped, and with the manifest beside them."""

import asyncio
import gzip
import hashlib
import json

import pytest
from django.urls import reverse

from curation.models import Example, Membership
from jobs import exports
from jobs.formats import FORMATS
from tests.machines import step

pytestmark = pytest.mark.django_db


@pytest.fixture
def fetch(version, person, browser_of):
    """`fetch(format="csv", as="gz", HTTP_RANGE="bytes=5-")`: that download, by a viewer; the file is written before."""
    browser = browser_of(person("vera", Membership.Role.VIEWER))

    def get(format: str = "openai-chat", **more):
        step(exports.request_export(version, "train", format))
        headers = {key: more.pop(key) for key in list(more) if key.startswith("HTTP_")}
        return browser.get(
            reverse("export_download", args=["support", 1, "train"]), {"format": format} | more, **headers
        )

    return get


def data_of(response) -> bytes:
    async def joined() -> bytes:
        return b"".join([piece async for piece in response.streaming_content])

    return asyncio.run(joined())


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_can_be_had(fetch, format):
    response = fetch(format)
    data = data_of(response)
    assert response.status_code == 200
    assert int(response["Content-Length"]) == len(data)
    assert response["Content-Type"] == FORMATS[format].content_type
    assert response["Content-Disposition"].endswith(f'.{FORMATS[format].suffix}"')
    assert response["ETag"] == f'"{hashlib.sha256(data).hexdigest()}"'


@pytest.mark.parametrize(
    ("wanted", "first", "end"),
    [
        ("bytes=0-", 0, None),
        ("bytes=100-", 100, None),
        ("bytes=5-9", 5, 10),
        ("bytes=-7", -7, None),
        ("bytes=9-99999", 9, None),
    ],
)
def test_a_download_goes_on_from_any_byte(fetch, wanted, first, end):
    whole = data_of(fetch())
    response = fetch(HTTP_RANGE=wanted)
    part = data_of(response)
    assert response.status_code == 206
    assert part == whole[first:end]
    start = first % len(whole)
    assert response["Content-Range"] == f"bytes {start}-{start + len(part) - 1}/{len(whole)}"


def test_no_byte_beyond_the_end_is_promised(fetch):
    size = len(data_of(fetch()))
    response = fetch(HTTP_RANGE=f"bytes={size}-")
    assert (response.status_code, response["Content-Range"]) == (416, f"bytes */{size}")


@pytest.mark.parametrize("wanted", ["bytes=-", "bytes=1-2,4-5", "lines=1-", "bytes=a-b", "bytes=99999999999999999999-"])
def test_a_range_that_makes_no_sense_gets_the_whole(fetch, wanted):
    assert fetch(HTTP_RANGE=wanted).status_code == 200


def test_the_rest_of_another_content_is_never_sent(fetch):
    assert fetch(HTTP_RANGE="bytes=10-", HTTP_IF_RANGE='"something else"').status_code == 200
    assert fetch(HTTP_RANGE="bytes=10-", HTTP_IF_RANGE=fetch()["ETag"]).status_code == 206


def test_gzipped_it_is_the_same_file(fetch):
    response = fetch(**{"as": "gz"})
    assert gzip.decompress(data_of(response)) == data_of(fetch())
    assert response["Content-Disposition"].endswith('support-v1-train.openai-chat.jsonl.gz"')


def test_a_gzipped_download_goes_on_from_any_byte(fetch):
    whole = data_of(fetch(**{"as": "gz"}))
    tag = fetch(**{"as": "gz"})["ETag"]
    part = fetch(**{"as": "gz"}, HTTP_RANGE="bytes=20-", HTTP_IF_RANGE=tag)
    assert (part.status_code, data_of(part)) == (206, whole[20:])
    assert fetch(HTTP_RANGE="bytes=20-", HTTP_IF_RANGE=tag).status_code == 200


def test_the_manifest_names_the_row_of_each_line(fetch, version):
    manifest = json.loads(data_of(fetch(**{"as": "manifest"})))
    data = data_of(fetch())
    rows = list(Example.objects.filter(split="train").order_by("position").values_list("exchange_id", flat=True))
    assert manifest == {
        "project": "support",
        "version": 1,
        "content_hash": version.content_hash,
        "training_prompt": "Answer briefly.",
        "split": "train",
        "format": "openai-chat",
        "file": "train.openai-chat.jsonl",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "records": 12,
        "rows": rows,
    }


def test_preferences_name_only_the_corrected_rows(fetch, project, include):
    manifest = json.loads(data_of(fetch("openai-dpo", **{"as": "manifest"})))
    assert (manifest["records"], manifest["rows"]) == (0, [])
