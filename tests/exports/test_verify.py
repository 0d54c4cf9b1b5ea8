"""`verify SLUG`: every hash once more."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from jobs import exports, manifest
from tests.machines import step

pytestmark = pytest.mark.django_db


def verify(*words: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("verify", "support", *words, stdout=out, stderr=err)
    except CommandError as error:
        return out.getvalue(), f"{err.getvalue()}{error}"
    return out.getvalue(), ""


def test_all_is_what_it_was(version):
    step(exports.request_export(version, "train", "openai-dpo"))
    step(exports.request_export(version, "test"))
    assert verify() == ("1 version(s) of support are what was frozen, and so are their files.\n", "")
    assert verify("--version", "1")[1] == ""
    assert "no version 2" in verify("--version", "2")[1]


def test_an_altered_file_a_lost_one_and_an_altered_manifest_are_named(version):
    altered, lost = (step(exports.request_export(version, split)) for split in ("train", "test"))
    odd = step(exports.request_export(version, "train", "csv"))
    path = exports.path_of(altered)
    path.write_bytes(path.read_bytes().replace(b"Answer 0", b"Answer X"))
    exports.path_of(lost).unlink()
    beside = exports.path_of(odd).with_name(manifest.name_of(exports.path_of(odd).name))
    beside.write_bytes(beside.read_bytes().replace(b"[", b"[9,"))
    said = verify()[1]
    assert "v1/train.openai-chat.jsonl: the file is not what was written." in said
    assert "v1/test.openai-chat.jsonl: the file or its manifest is not there any more." in said
    assert "v1/train.csv: its manifest does not fit." in said
    assert "3 thing(s)" in said


def test_an_altered_example_is_named(version):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL curation.erase = 'on'")
        cursor.execute("UPDATE curation_example SET body = '{}' WHERE split = 'test' AND position = 2")
    assert "v1: line 2 of test is not what was frozen." in verify()[1]
