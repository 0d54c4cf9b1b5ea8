"""A file for a trainer: what was frozen, whole or not there, the same bytes each time."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from curation.models import Example
from jobs import exports
from jobs.models import Export
from tests.machines import step

Status = Export.Status


@pytest.mark.django_db
def test_it_is_what_was_frozen(version):
    export = step(exports.request_export(version, "train"))
    with exports.open_file(export) as stream:
        data = stream.read()
    bodies = Example.objects.filter(version=version, split="train").order_by("position").values_list("body", flat=True)
    assert data.decode().split("\n") == [*bodies, ""]
    assert (export.status, export.line_count, export.byte_count) == (Status.SUCCEEDED, 12, len(data))
    assert export.sha256 == hashlib.sha256(data).hexdigest()
    assert export.file_name == "exports/support/v1/train.openai-chat.jsonl"


@pytest.mark.django_db
def test_the_held_out_cases_are_in_the_other_file(version):
    lines = {}
    for split in ("train", "test"):
        with exports.open_file(step(exports.request_export(version, split))) as stream:
            lines[split] = set(stream)
    assert len(lines["test"]) == 4
    assert not lines["train"] & lines["test"]


@pytest.mark.django_db
def test_asking_again_gives_the_same_file(version):
    first = step(exports.request_export(version, "train"))
    assert exports.request_export(version, "train") == first
    assert first.is_finished
    assert Export.objects.count() == 1


@pytest.mark.django_db
def test_a_lost_file_is_written_anew_with_the_same_bytes(version):
    export = step(exports.request_export(version, "train"))
    before = export.sha256
    exports.path_of(export).unlink()
    with pytest.raises(exports.ExportNotReady, match="not there any more"):
        exports.open_file(export)
    again = step(exports.request_export(version, "train"))
    assert (again.status, again.sha256) == (Status.SUCCEEDED, before)


@pytest.mark.django_db
def test_an_altered_file_is_found_out(version):
    export = step(exports.request_export(version, "train"))
    path = exports.path_of(export)
    path.write_bytes(path.read_bytes().replace(b"Answer 0.", b"Answer X."))
    with pytest.raises(exports.ExportNotReady, match="was changed after it was written"):
        exports.check_file(export)
    assert step(exports.request_export(version, "train")).status == Status.SUCCEEDED
    assert exports.check_file(export)


@pytest.mark.django_db
def test_a_full_disk_is_said_and_leaves_nothing(version, media, monkeypatch):
    """/dev/full stands for the disk: whatever is written to it finds no room."""
    export = exports.request_export(version, "train")
    folder = exports.path_of(export).parent
    folder.mkdir(parents=True)
    (folder / f".{exports.path_of(export).name}.{export.pk}-1").symlink_to("/dev/full")
    step(export)
    assert (export.status, list(folder.iterdir())) == (Status.FAILED, [])
    assert "disk is full" in export.error
    assert step(exports.request_export(version, "train")).status == Status.SUCCEEDED


@pytest.mark.django_db
def test_a_media_folder_that_cannot_be_written_is_said(version, settings, tmp_path):
    (tmp_path / "a file").write_text("")
    settings.MEDIA_ROOT = tmp_path / "a file"
    export = step(exports.request_export(version, "train"))
    assert export.status == Status.FAILED
    assert "Check the media folder" in export.error


@pytest.mark.django_db
def test_what_a_killed_worker_left_is_swept_and_never_had_the_final_name(version):
    export = exports.request_export(version, "train")
    path = exports.path_of(export)
    path.parent.mkdir(parents=True)
    path.with_name(f".{path.name}.{export.pk}-0").write_text('{"half": ')
    step(export)
    assert sorted(os.listdir(path.parent)) == [path.name, f"{path.name}.manifest.json"]


@pytest.mark.django_db
def test_cancelled_it_is_not_written_until_it_is_asked_for_again(version):
    export = exports.request_export(version, "train")
    export.ask_to_cancel()
    assert step(export).status == Status.CANCELLED
    assert not exports.path_of(export).exists()
    assert step(exports.request_export(version, "train")).status == Status.SUCCEEDED


@pytest.mark.django_db(transaction=True)
def test_ten_who_ask_at_once_get_one_export(version):
    def ask(_number: int) -> int:
        try:
            export = exports.request_export(version, "train")
            exports.run(export.pk)
            return export.pk
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as threads:
        assert len(set(threads.map(ask, range(10)))) == 1
    export = Export.objects.get()
    assert (export.status, export.attempts) == (Status.SUCCEEDED, 1)
