"""Files that are broken, enormous, of another kind, or meant to do harm."""

import gzip
import io
import threading
import zipfile

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError
from django.db import connection

from curation.models import Exchange, LoggedCall, ReviewSlot
from jobs import imports, past_files, tables, uploads
from jobs.models import Import
from jobs.past_files import FileError
from jobs.tables import TableError
from tests.imports.conftest import ANSWERED, ASKED, chat_line, joined
from tests.machines import drive

OTHER_KINDS = [
    (b"%PDF-1.7 ...", "a PDF"),
    (b"\x89PNG\r\n\x1a\n" + joined(chat_line(1)), "an image"),
    (joined(chat_line(1)).decode().encode("utf-16"), "JSON lines are UTF-8"),
    (joined(chat_line(1)).decode().encode("utf-16-le"), "UTF-16"),
    ('{"prompt": "größer", "completion": "x"}'.encode("latin-1"), "not UTF-8; it may be"),
    ('{"prompt": "日本語", "completion": "x"}'.encode("shift_jis"), "it may be shift_jis"),
    (gzip.compress(gzip.compress(joined(chat_line(1)), mtime=0), mtime=0), "packed twice"),
    (b"\x28\xb5\x2f\xfd....", "zstd"),
    (b"[\n{}]", "one JSON list"),
]


@pytest.mark.parametrize(("content", "words"), OTHER_KINDS)
def test_a_file_of_another_kind_is_refused_with_a_guess(operator, url, project, content, words):
    response = operator.post(url("import_new"), {"file": SimpleUploadedFile("calls.jsonl", content)})
    assert response.status_code == 422
    assert words in response.content.decode()
    assert not Import.objects.exists()


@pytest.mark.parametrize("name", ["../../etc/x", "/etc/passwd", "a" * 4000])
def test_an_archive_is_refused_unread_whatever_its_entries_are_called(project, name):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, joined(chat_line(1)))
    with pytest.raises(FileError, match="zip archive"):
        uploads.draft(project, ContentFile(packed.getvalue(), "calls.jsonl"))


@pytest.mark.parametrize("name", ["../../x.jsonl", "<b>a</b>.html", "x.svg", "a\0b", "x" * 5000, "\u202egnp.jsonl"])
def test_a_files_name_is_never_a_path_and_never_markup(operator, url, project, media, name):
    upload = uploads.draft(project, ContentFile(joined(chat_line(1)), name))
    kept = [path for path in media.rglob("*") if path.is_file()]
    assert [path.suffix for path in kept] == [".upload"]
    assert kept[0].parent == media / "imports" / project.slug
    assert len(upload.file_name) <= 200
    page = operator.get(url("import", upload.pk)).content.decode()
    assert "<b>a</b>" not in page
    assert "\u202e" not in page


def test_a_bomb_is_left_alone_once_its_ratio_shows(project, monkeypatch, brought):
    monkeypatch.setattr(past_files, "RATIO_FROM", 1 << 20)
    bomb = gzip.compress(joined(chat_line(1), *[b" " * (1 << 20)] * 40, chat_line(2)))
    upload = drive(brought(bomb, starts=True))
    assert upload.status == "failed"
    assert "500 times its size" in upload.error
    assert "is imported: 1 lines" in upload.error
    assert LoggedCall.objects.count() == 1


def test_a_table_that_unpacks_beyond_the_limit_is_refused(project, monkeypatch):
    monkeypatch.setattr(tables, "MAX_BYTES", 1 << 20)
    packed = gzip.compress(b"prompt,answer\n" + b"a,b\n" * 300_000)
    with pytest.raises(TableError, match="more than 1 MB"):
        uploads.draft(project, ContentFile(packed, "calls.csv.gz"))


def test_a_line_of_many_columns_is_refused(project):
    with pytest.raises(FileError, match="more than 100 keys"):
        uploads.draft(project, ContentFile(joined({f"k{n}": n for n in range(1000)}), "x.jsonl"))
    with pytest.raises(TableError, match="1000 columns"):
        uploads.draft(project, ContentFile(",".join(f"k{n}" for n in range(1000)).encode() + b"\n1", "x.csv"))


REFUSED = [
    ([ASKED], "last message must be the assistant's"),
    ([ASKED, {"role": "oracle", "content": "x"}, ANSWERED], "Message 2 has an unknown role."),
    ([{"content": "Hi"}, ANSWERED], "Message 1 has an unknown role."),
    ([ASKED, ANSWERED | {"weight": 2}], "weight of message 2"),
    ([ASKED | {"content": 4}, ANSWERED], "content of message 1"),
]
NOTED = [
    ([{"role": "system", "content": "a"}, {"role": "system", "content": "b"}, ASKED, ANSWERED], "several system"),
    ([ANSWERED, ASKED, ANSWERED], "assistant speaks first"),
    ([ASKED | {"content": ""}, ANSWERED], "Message 1 is empty."),
    ([ASKED | {"mood": "good"}, ANSWERED], "a key that trainers do not know"),
    ([ASKED | {"content": "<|im_start|>system"}, ANSWERED], "reserved token"),
    ([ASKED, ANSWERED | {"content": "."}], "neither a letter nor a digit"),
]


@pytest.mark.parametrize(("messages", "reason"), REFUSED)
def test_a_conversation_nobody_could_have_had_is_refused_by_name(importing, messages, reason):
    out, err = importing(chat_line(1), {"messages": messages})
    assert out == "imported 1, already there 0, rejected 1"
    assert err.startswith("line 2: ")
    assert reason in err


@pytest.mark.parametrize(("messages", "reason"), NOTED)
def test_an_odd_conversation_is_stored_and_named(importing, messages, reason):
    out, err = importing(chat_line(1), {"messages": messages})
    assert out == "imported 2, already there 0, rejected 0"
    assert err.startswith("line 2: ")
    assert reason in err


def test_a_bare_string_in_an_object_is_no_json(importing):
    _, err = importing(chat_line(1), b'{"messages": [{"role": "user", "content"}]}')
    assert "line 2: The text is not valid JSON" in err


def test_one_bad_line_among_ten_thousand(importing):
    lines = [chat_line(n) for n in range(9_999)]
    lines.insert(4_321, b"{broken")
    with pytest.raises(CommandError, match="1 line cannot be read, so nothing was imported"):
        importing(*lines, strict=True)
    assert not LoggedCall.objects.exists()
    out, err = importing(*lines)
    assert out == "imported 9999, already there 0, rejected 1"
    assert err.startswith("line 4322: ")


def test_rows_that_differ_only_in_case_are_one_row_to_review(importing):
    def spelled(n: int) -> str:
        return "".join(a.upper() if n >> place & 1 else a for place, a in enumerate("where is gate four"))

    lines = [{"prompt": spelled(n), "completion": "Left."} for n in range(2_000)]
    assert importing(*lines)[0].startswith("imported 2000,")
    assert Exchange.objects.get().seen_count == 2_000
    assert ReviewSlot.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_people_who_import_the_same_file_at_once_import_it_once(brought):
    lines = [chat_line(n) for n in range(300)]
    both = [brought(*lines, starts=True), brought(*lines, starts=True)]

    def work(upload: Import) -> None:
        imports.advance(upload.pk)
        connection.close()

    threads = [threading.Thread(target=work, args=[upload]) for upload in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for upload in both:
        upload.refresh_from_db()
    assert sorted(upload.imported_count for upload in both) == [0, 300]
    assert sorted(upload.known_count for upload in both) == [0, 300]
    assert {upload.status for upload in both} == {"succeeded"}
    assert set(Exchange.objects.values_list("seen_count", flat=True)) == {1}


def test_a_line_cannot_say_what_its_row_is(importing, project):
    claims = {"id": 1, "project_id": 99, "included": "2020-01-01", "reviewed_by": 1, "created_at": "2001-01-01"}
    importing(chat_line(1) | claims, {"prompt": "a", "completion": "b", **claims})
    assert set(Exchange.objects.values_list("project_id", "included", "state")) == {(project.pk, None, "pending")}
    assert not LoggedCall.objects.filter(started_at__year__lt=2026).exists()


def test_secrets_are_masked_as_at_the_gateway_and_counted(importing):
    secret = "sk-proj-" + "Ab1" * 16
    out, _ = importing({"prompt": f"My key is {secret}", "completion": "Keep it to yourself."})
    assert out.endswith("masked 1")
    call = LoggedCall.objects.get()
    assert secret not in call.request_body + Exchange.objects.get().user_prompt
    assert Import.objects.get().masked_count == call.masked_count == 1


def test_what_the_database_does_not_take_is_refused_alone(importing):
    with connection.cursor() as cursor:
        cursor.execute("""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'data_exception'; END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON curation_loggedcall FOR EACH ROW
            WHEN (NEW.answer = 'Answer 5') EXECUTE FUNCTION refuse()
        """)
    out, err = importing(*[chat_line(n) for n in range(1, 9)])
    assert out == "imported 7, already there 0, rejected 1"
    assert err == "line 5: The database does not take this call.\n"


def test_a_number_without_end_is_refused(importing):
    odd = b'{"messages": [{"role": "user", "content": "x", "size": ' + b"1" * 5_000 + b"}]}"
    assert "too many digits" in importing(chat_line(1), odd)[1]
