"""Files go in, are listed, read and deleted; what is no training file stays out."""

import json

import pytest
from openai import APIStatusError, BadRequestError, NotFoundError, OpenAI
from openai.types import FileObject

from tests.trainer.conftest import Trainer
from tests.trainer.corpus import examples, jsonl, messages

GOOD = jsonl(examples(messages(12)))


def test_what_was_uploaded_comes_back_byte_for_byte(client: OpenAI) -> None:
    file = client.files.create(file=("../../calls ü.jsonl", GOOD), purpose="fine-tune")
    assert file.id.startswith("file-")
    assert (file.bytes, file.status, file.purpose) == (len(GOOD), "processed", "fine-tune")
    assert client.files.content(file.id).read() == GOOD
    assert client.files.retrieve(file.id) == file


def test_files_are_listed_in_both_orders_and_page_by_page(client: OpenAI) -> None:
    made = [client.files.create(file=(f"{at}.jsonl", GOOD), purpose="fine-tune").id for at in range(3)]
    newest = [file.id for file in client.files.list(purpose="fine-tune", limit=2)]
    assert newest[:3] == made[::-1]
    oldest = [file.id for file in client.files.list(limit=2, order="asc")]
    assert [file for file in oldest if file in made] == made
    assert client.files.list(purpose="vision").data == []
    assert [file.id for file in client.files.list(after=made[1], limit=1).data] == [made[0]]


def test_a_deleted_file_is_gone(trainer: Trainer, client: OpenAI) -> None:
    file = trainer.upload(messages(12))
    assert client.files.delete(file).deleted
    assert not (trainer.home / "files" / file).exists()
    for ask in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(NotFoundError, match="No such File object"):
            ask(file)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf" + GOOD, "Line 1 starts with a byte order mark"),
        (GOOD + b"{oops}\n", "Line 13 is not valid JSON"),
        (GOOD + b"[1]\n", "Line 13 is not a JSON object"),
        (GOOD + b"\n" + GOOD, "Line 13 is blank"),
        (GOOD + b'{"messages": "\xff"}\n', "Line 13 is not valid JSON in UTF-8"),
        (GOOD + b'{"messages": "\\ud800"}\n', "Line 13 is not valid JSON"),
        (GOOD + b'{"messages": NaN}\n', "Line 13 is not valid JSON"),
        (GOOD + b"[" * 100_000 + b"\n", "Line 13 is not valid JSON"),
        (json.dumps(examples(messages(12)), indent=1).encode(), "Line 1 is not valid JSON"),
    ],
)
def test_an_upload_that_is_not_jsonl_is_refused_with_its_line(client: OpenAI, content: bytes, text: str) -> None:
    with pytest.raises(BadRequestError, match=text) as refusal:
        client.files.create(file=("calls.jsonl", content), purpose="fine-tune")
    assert refusal.value.param == "file"


def test_only_jsonl_files_for_fine_tuning_are_taken(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match=r"must be \.jsonl"):
        client.files.create(file=("model.pkl", GOOD), purpose="fine-tune")
    with pytest.raises(BadRequestError, match="Expected one of 'fine-tune'") as refusal:
        client.files.create(file=("calls.jsonl", GOOD), purpose="weights")  # type: ignore[arg-type]
    assert refusal.value.param == "purpose"
    with pytest.raises(BadRequestError, match="multipart"):
        client.post("/files", body={"purpose": "fine-tune"}, cast_to=object)


def test_files_for_other_purposes_are_kept_as_they_are_and_never_trained_on(client: OpenAI) -> None:
    file = client.files.create(file=("notes.txt", b"no lines of JSON"), purpose="user_data")
    assert client.files.content(file.id).read() == b"no lines of JSON"
    assert file.id in [found.id for found in client.files.list(purpose="user_data")]
    with pytest.raises(BadRequestError, match="must have the purpose 'fine-tune'") as refusal:
        client.fine_tuning.jobs.create(model="baseline", training_file=file.id)
    assert refusal.value.param == "training_file"


def test_a_file_may_have_an_end(client: OpenAI) -> None:
    def upload(seconds: int) -> FileObject:
        end = {"anchor": "created_at", "seconds": seconds}
        return client.files.create(file=("a.jsonl", GOOD), purpose="fine-tune", expires_after=end)  # type: ignore[arg-type]

    file = upload(3600)
    assert file.expires_at
    assert 3590 <= file.expires_at - file.created_at <= 3610
    for seconds in (3599, 2_592_001):
        with pytest.raises(BadRequestError, match="expires_after"):
            upload(seconds)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"limit": "٣"}, "limit"),
        ({"order": "up"}, "order"),
        ({"after": "file-none"}, "after"),
    ],
)
def test_a_list_that_cannot_be_is_refused(client: OpenAI, query: dict[str, str], param: str) -> None:
    for path in ("/files", "/fine_tuning/jobs"):
        with pytest.raises(APIStatusError) as refusal:
            client.get(path, options={"params": query}, cast_to=object)
        assert (refusal.value.status_code, refusal.value.body["param"]) == (400, param)  # type: ignore[index]
