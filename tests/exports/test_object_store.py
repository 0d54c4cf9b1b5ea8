"""Files in an object store: any of Django's storages that is no folder of this machine."""

import gzip
import io

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command

from curation.checks import the_store_can_be_reached
from jobs import exports, files, manifest
from jobs.models import Export
from tests.exports.test_download import data_of, fetch  # noqa: F401  (a fixture)
from tests.machines import step

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def bucket(settings, tmp_path):
    settings.HOME = tmp_path
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}


def test_a_file_and_its_manifest_lie_in_the_store(version):
    export = step(exports.request_export(version, "train"))
    name = "exports/support/v1/train.openai-chat.jsonl"
    assert (export.status, export.file_name) == (Export.Status.SUCCEEDED, name)
    assert default_storage.size(name) == export.byte_count
    assert default_storage.exists(manifest.name_of(name))
    assert exports.check_file(export).read_bytes() == default_storage.open(name).read()
    out = io.StringIO()
    call_command("verify", "support", stdout=out)
    assert "so are their files" in out.getvalue()


def test_a_lost_object_is_written_anew_and_an_altered_one_is_found_out(version):
    export = step(exports.request_export(version, "train"))
    default_storage.delete(export.file_name)
    again = step(exports.request_export(version, "train"))
    assert (again.status, again.sha256) == (Export.Status.SUCCEEDED, export.sha256)
    data = default_storage.open(export.file_name).read()
    default_storage.delete(export.file_name)
    default_storage.save(export.file_name, ContentFile(data.replace(b"Answer 0", b"Answer X")))
    with pytest.raises(exports.ExportNotReady, match="was changed after it was written"):
        exports.check_file(again)


def test_written_twice_it_keeps_its_name(version):
    for _ in range(2):
        with files.written("a/b.txt", "1") as file:
            file.write(b"twice")
    assert default_storage.listdir("a") == ([], ["b.txt"])


def test_it_is_sent_from_any_byte_on_and_gzipped(fetch):  # noqa: F811
    whole = data_of(fetch())
    assert data_of(fetch(HTTP_RANGE="bytes=7-")) == whole[7:]
    assert gzip.decompress(data_of(fetch(**{"as": "gz"}))) == whole


def test_a_bucket_without_the_packages_is_said_at_start(settings):
    settings.S3_BUCKET = "ours"
    (error,) = the_store_can_be_reached(None)
    assert "requirements-s3.txt" in error.hint
    settings.S3_BUCKET = ""
    assert the_store_can_be_reached(None) == []
