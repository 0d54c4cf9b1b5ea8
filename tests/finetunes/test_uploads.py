"""A large file goes in parts, and arrives whole or not at all."""

import pytest

from jobs import finetunes
from jobs.models import FineTune
from tests.machines import drive, step
from tests.provider_stub import Stub, refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def launched(version, provider, settings) -> FineTune:
    settings.UPLOAD_PART_BYTES = 500
    return finetunes.launch(version, provider)


def sent(stub: Stub, finetune: FineTune) -> bytes:
    [file] = stub.files.values()
    assert file["filename"] == f"{finetune.launch_id}-{finetune.export.sha256[:12]}.jsonl"
    return file["content"]


def test_a_file_in_parts_arrives_as_it_was_approved(launched, stub: Stub):
    assert drive(launched).status == FineTune.Status.SUCCEEDED
    content = sent(stub, launched)
    assert content.count(b"\n") == 12
    assert len(content) == launched.export.byte_count
    [upload] = stub.uploads.values()
    assert [len(part) for part in upload["parts"].values()][:-1] == [500] * (len(content) // 500)
    assert (stub.count("POST /files"), stub.create_count) == (0, 1)


def test_a_small_file_goes_in_one_piece(version, provider, stub: Stub):
    drive(finetunes.launch(version, provider))
    assert (stub.count("POST /files"), stub.count("POST /uploads")) == (1, 0)


def test_a_provider_without_parts_gets_it_in_one_piece(launched, stub: Stub):
    stub.takes_parts = False
    assert drive(launched).status == FineTune.Status.SUCCEEDED
    assert (stub.count("POST /uploads"), stub.count("POST /files"), stub.create_count) == (1, 1, 1)


def test_a_part_that_is_refused_ends_that_upload_and_the_next_one_begins_anew(launched, stub: Stub):
    stub.refuse["POST /uploads/upload_1/parts"] = [refusal(503, kind="server_error")]
    assert drive(launched).status == FineTune.Status.SUCCEEDED
    assert [upload["status"] for upload in stub.uploads.values()] == ["cancelled", "completed"]
    assert sent(stub, launched).count(b"\n") == 12
    assert stub.create_count == 1


def test_an_upload_whose_end_was_not_heard_is_found_by_its_name(launched, stub: Stub):
    def lose() -> None:
        stub.refuse["POST /uploads/upload_1/complete"] = []
        raise ConnectionResetError

    while launched.step != FineTune.Step.UPLOADING:
        drive(launched, steps=1)
        if launched.export and launched.export.is_finished:
            break
    stub.hooks["POST /uploads/upload_1/complete"] = lose
    step(launched)
    stub.hooks.clear()
    assert drive(launched).status == FineTune.Status.SUCCEEDED
    assert len(stub.uploads) == len(stub.files) == stub.create_count == 1
