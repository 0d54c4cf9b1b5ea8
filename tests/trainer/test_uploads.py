"""A file in parts: put together in the order told, and checked as a whole."""

import hashlib
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types import Upload

from tests.trainer.conftest import Trainer
from tests.trainer.corpus import examples, jsonl, messages

CONTENT = jsonl(examples(messages(40)))
PARTS = [CONTENT[at : at + 700] for at in range(0, len(CONTENT), 700)]


def begin(client: OpenAI, **changes: Any) -> Upload:
    order = {"bytes": len(CONTENT), "filename": "large.jsonl", "mime_type": "text/jsonl", "purpose": "fine-tune"}
    return client.uploads.create(**{**order, **changes})


def add(client: OpenAI, upload: Upload, data: bytes) -> str:
    return client.uploads.parts.create(upload.id, data=data).id


def test_parts_in_any_order_become_the_file_that_was_announced(trainer: Trainer, client: OpenAI) -> None:
    upload = begin(client)
    assert (upload.status, upload.object, upload.file) == ("pending", "upload", None)
    assert upload.expires_at - upload.created_at == 3600
    sent = {at: add(client, upload, PARTS[at]) for at in reversed(range(len(PARTS)))}
    order = [sent[at] for at in range(len(PARTS))]
    done = client.uploads.complete(upload.id, part_ids=order, md5=hashlib.md5(CONTENT).hexdigest())
    assert done.status == "completed"
    assert done.file
    assert client.files.content(done.file.id).read() == CONTENT
    assert client.files.retrieve(done.file.id).filename == "large.jsonl"
    job = client.fine_tuning.jobs.create(model="baseline", training_file=done.file.id)
    client.fine_tuning.jobs.cancel(job.id)
    assert not (trainer.home / "uploads" / upload.id).exists()
    with pytest.raises(BadRequestError, match="is completed"):
        client.uploads.cancel(upload.id)


def test_the_clients_own_way_of_sending_in_parts_works(client: OpenAI, tmp_path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_bytes(CONTENT)
    done = client.uploads.upload_file_chunked(file=path, mime_type="text/jsonl", purpose="fine-tune", part_size=1000)
    assert done.file
    assert client.files.content(done.file.id).read() == CONTENT


def test_what_does_not_match_is_refused_and_may_be_mended(client: OpenAI) -> None:
    upload = begin(client)
    first = [add(client, upload, part) for part in PARTS[:-1]]
    with pytest.raises(BadRequestError, match="bytes together") as refusal:
        client.uploads.complete(upload.id, part_ids=first)
    assert refusal.value.code == "bytes_mismatch"
    parts = [*first, add(client, upload, PARTS[-1])]
    with pytest.raises(BadRequestError, match="MD5"):
        client.uploads.complete(upload.id, part_ids=parts, md5="0" * 32)
    with pytest.raises(BadRequestError, match="ids of this upload's parts"):
        client.uploads.complete(upload.id, part_ids=["part_none"])
    with pytest.raises(BadRequestError, match="Line 1 is not valid JSON"):
        client.uploads.complete(upload.id, part_ids=parts[::-1])
    assert client.uploads.complete(upload.id, part_ids=parts).status == "completed"


def test_a_cancelled_upload_takes_no_more(trainer: Trainer, client: OpenAI) -> None:
    upload = begin(client)
    add(client, upload, PARTS[0])
    assert client.uploads.cancel(upload.id).status == "cancelled"
    with pytest.raises(BadRequestError, match="is cancelled"):
        add(client, upload, PARTS[1])
    assert not (trainer.home / "uploads" / upload.id).exists()


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"bytes": 0}, "bytes"), ({"bytes": 9 * 1024**3}, "bytes"), ({"purpose": "weights"}, "purpose"),
        ({"filename": ""}, "filename"), ({"filename": "model.safetensors"}, "file"), ({"mime_type": 7}, "mime_type"),
    ],
)  # fmt: skip
def test_an_announcement_that_cannot_be_is_refused(client: OpenAI, changes: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as refusal:
        begin(client, **changes)
    assert refusal.value.param == param


def test_another_keys_upload_is_not_found(trainer: Trainer, client: OpenAI) -> None:
    upload = begin(client)
    other = trainer.client_of("another")
    with pytest.raises(NotFoundError):
        add(other, upload, PARTS[0])
    with pytest.raises(NotFoundError):
        other.uploads.cancel(upload.id)
    with pytest.raises(BadRequestError, match="1 to"):
        add(client, upload, b"")
