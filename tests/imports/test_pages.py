"""The pages of imports, used as a person without JavaScript uses them; and who may use them."""

import csv
import gzip
import io
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from curation.models import Exchange, LoggedCall, Membership
from curation.projects import create_project
from jobs.models import Import
from tests.imports.conftest import ANSWERED, ASKED, chat_line, done, joined

pytestmark = pytest.mark.django_db
Role = Membership.Role


@pytest.fixture
def sent(operator, url):
    """`sent(b"…", "name")`: the draft that this upload made, and its page."""

    def post(content: bytes, name: str = "calls.jsonl"):
        response = operator.post(url("import_new"), {"file": SimpleUploadedFile(name, content)})
        assert response.status_code == 302, response.content.decode()
        upload = Import.objects.latest("pk")
        assert response.url == url("import", upload.pk)
        return upload, operator.get(response.url).content.decode()

    return post


def test_from_a_file_to_rows_that_wait_for_review(operator, url, sent):
    upload, page = sent(gzip.compress(joined(chat_line(1), b"{", chat_line(2))), "log.jsonl.gz")
    assert "Question 1" in page
    assert "Answer 1" in page
    assert "not valid JSON" in page
    assert not LoggedCall.objects.exists()
    operator.post(url("import_start", upload.pk))
    assert 'hx-trigger="every 2s"' in operator.get(url("import", upload.pk)).content.decode()
    done(upload)
    page = operator.get(url("import", upload.pk)).content.decode()
    assert "Finished: 2 imported, 0 known before, 1 refused." in page
    assert "hx-trigger" not in page
    live = operator.get(url("import", upload.pk), headers={"HX-Request": "true"})
    assert live["HX-Refresh"] == "true"
    assert live.content.decode().strip().startswith('<section id="live"')
    report = operator.get(url("import_remarks", upload.pk))
    rows = list(csv.reader(io.StringIO(report.getvalue().decode())))
    assert rows[0] == ["line", "outcome", "reason"]
    assert rows[1][:2] == ["2", "refused"]
    assert "attachment" in report["Content-Disposition"]


def test_a_strict_import_stores_all_or_nothing(operator, url, sent):
    upload, _ = sent(joined(chat_line(1), b"{", chat_line(2)))
    operator.post(url("import_start", upload.pk), {"is_strict": "on"})
    done(upload)
    page = operator.get(url("import", upload.pk)).content.decode()
    assert "1 line cannot be read, so nothing was imported." in page
    assert "not valid JSON" in page
    assert not LoggedCall.objects.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("calls.csv", b'Question,Reply\n"Where, then?",Left\nWhen?,At nine\n'),
        ("calls.tsv", "Question\tReply\nWhere, then?\tLeft\nWhen?\tAt nine\n".encode("utf-16")),
        ("calls.csv.gz", gzip.compress(b"Question;Reply\nWhere, then?;Left\nWhen?;At nine\n", mtime=0)),
        (
            "calls.jsonl",
            joined({"Question": "Where, then?", "Reply": "Left"}, {"Question": "When?", "Reply": "At nine"}),
        ),
    ],
)
def test_columns_of_any_name_are_mapped_by_hand(operator, url, sent, name, content):
    upload, page = sent(content, name)
    assert "<th>Reply</th>" in page
    assert "At nine" in page
    response = operator.post(url("import_start", upload.pk), {"prompt": "Question"})
    assert response.status_code == 422
    same = operator.post(url("import_start", upload.pk), {"prompt": "Question", "answer": "Question"})
    assert "Two choices are the same column." in same.content.decode()
    assert operator.post(url("import_start", upload.pk), {"prompt": "id", "answer": "Reply"}).status_code == 422
    operator.post(url("import_start", upload.pk), {"prompt": "Question", "answer": "Reply"})
    assert done(upload).imported_count == 2
    assert set(Exchange.objects.values_list("user_prompt", "response")) == {
        ("Where, then?", "Left"),
        ("When?", "At nine"),
    }


def test_usual_columns_are_chosen_beforehand(operator, url, sent):
    lines = [{"instruction": "Translate.", "input": "Tor", "output": "Gate"}, {"instruction": "Go.", "output": " "}]
    upload, page = sent(joined(*lines))
    assert '<option value="instruction" selected>' in page
    operator.post(url("import_start", upload.pk), upload.mapping)
    done(upload)
    assert Exchange.objects.get().user_prompt == "Translate.\n\nTor"
    assert upload.remarks.get().reason == "There is no answer in this row."


def test_a_column_may_hold_messages_and_several_answers(operator, url, sent):
    system = {"role": "system", "content": "Be brief."}
    lines = [{"input": [system, ASKED], "ideal": ["Left.", "To the left."]}, {"input": "When?", "ideal": "At nine."}]
    upload, _ = sent(joined(*lines, {"input": [1], "ideal": "x"}, {"input": "x", "ideal": []}))
    operator.post(url("import_start", upload.pk), {"prompt": "input", "answer": "ideal"})
    done(upload)
    row = Exchange.objects.get(response="Left.")
    assert (row.user_prompt, row.messages) == (ASKED["content"], [system, ASKED])
    assert Exchange.objects.get(response="At nine.").user_prompt == "When?"
    assert [remark.line_number for remark in upload.remarks.all()] == [3, 4]


def test_an_export_of_helicone(operator, url, sent):
    record = {
        "response_id": "r", "response_status": 200, "request_created_at": "2024-05-29T13:46:19.963Z", "delay_ms": 812,
        "request_model": "gpt-x", "request_body": {"messages": [ASKED]},
        "response_body": {"choices": [{"index": 0, "message": ANSWERED}], "model": "gpt-x-1"},
    }  # fmt: skip
    upload, page = sent(
        joined(record, {k: v for k, v in record.items() if not k.endswith("_body")} | {"request_body": 0})
    )
    assert "Records exported from Helicone" in page
    operator.post(url("import_start", upload.pk))
    done(upload)
    call = LoggedCall.objects.get()
    assert (call.requested_model, call.served_model, call.duration_ms, call.status_code) == (
        "gpt-x",
        "gpt-x-1",
        812,
        200,
    )
    assert call.started_at.isoformat() == "2024-05-29T13:46:19.963000+00:00"
    assert "There are no bodies" in upload.remarks.get().reason


def test_an_export_of_langfuse(operator, url, sent):
    seen = {
        "id": "o", "trace_id": "t", "type": "GENERATION", "start_time": "2024-05-29 13:46:19.963000",
        "end_time": "2024-05-29 13:46:20.463000", "provided_model_name": "gpt-x",
        "input": json.dumps([ASKED]), "output": json.dumps(ANSWERED),
        "usage_details": {"input": 11, "output": 2, "total": 13},
    }  # fmt: skip
    plain = {"traceId": "t", "type": "GENERATION", "input": "Which gate?", "output": "Four.", "model": "gpt-y"}
    upload, page = sent(joined(seen, plain, seen | {"type": "SPAN"}, seen | {"output": None}))
    assert "Observations exported from Langfuse" in page
    operator.post(url("import_start", upload.pk))
    done(upload)
    call = LoggedCall.objects.get(requested_model="gpt-x")
    assert (call.answer, call.duration_ms, call.prompt_tokens, call.completion_tokens) == ("Left.", 500, 11, 2)
    assert Exchange.objects.get(user_prompt="Which gate?").response == "Four."
    reasons = list(upload.remarks.values_list("reason", flat=True))
    assert reasons == ["An observation of the type SPAN is no call of a model.", "The observation has no output."]


def test_stored_completions_are_asked_for_by_a_button(operator, url, provider, project):
    response = operator.post(url("import_stored"), {"provider": provider.pk})
    assert response.url == url("import", Import.objects.get(kind="stored").pk)
    other = create_project("other").default_provider
    assert operator.post(url("import_stored"), {"provider": other.pk}).status_code == 422


def test_a_draft_may_be_discarded(operator, url, sent, django_capture_on_commit_callbacks):
    upload, _ = sent(joined(chat_line(1)))
    operator.post(url("import_cancel", upload.pk))
    assert done(upload).status == "cancelled"
    assert "Cancelled before anything was stored." in operator.get(url("import", upload.pk)).content.decode()


def test_the_list_costs_the_same_for_many_imports(operator, url, brought):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert operator.get(url("imports")).status_code == 200
        return len(captured)

    brought(chat_line(1))
    few = queries()
    for _ in range(4):
        brought(chat_line(1))
    assert queries() == few


@pytest.fixture
def addresses(url, brought, provider):
    """(address, method, the least role) of every page and button of the room."""
    upload = brought(chat_line(1))
    return [
        (url("imports"), "get", Role.VIEWER),
        (url("import", upload.pk), "get", Role.VIEWER),
        (url("import_remarks", upload.pk), "get", Role.VIEWER),
        (url("import_new"), "get", Role.OPERATOR),
        (url("import_stored"), "post", Role.OPERATOR),
        (url("import_start", upload.pk), "post", Role.OPERATOR),
        (url("import_cancel", upload.pk), "post", Role.OPERATOR),
    ]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.REVIEWER, Role.OPERATOR, Role.OWNER])
def test_who_has_the_role_may_and_who_has_not_may_not(addresses, person, browser_of, role):
    browser = browser_of(person("ada", role))
    for address, method, least in addresses:
        status = getattr(browser, method)(address).status_code
        assert status in ((200, 302, 422) if role >= least else (403,)), (address, role)


def test_strangers_find_nothing_and_visitors_are_sent_to_log_in(addresses, person, browser_of, operator):
    stranger, visitor = browser_of(person("sam")), browser_of(None)
    for address, method, _ in addresses:
        assert getattr(stranger, method)(address).status_code == 404
        response = getattr(visitor, method)(address)
        assert response.status_code == 302
        assert response.url.startswith("/login/")
        if method == "post":
            assert operator.get(address).status_code == 405


def test_another_projects_import_is_not_found(operator, url, brought):
    upload = brought(chat_line(1))
    Import.objects.update(project=create_project("other"))
    assert operator.get(url("import", upload.pk)).status_code == 404
    assert operator.post(url("import_start", upload.pk)).status_code == 404
