"""Every model has its list and its page in the admin, and no list loads a column that may be a megabyte long."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

# The admin cannot show rows whose key is made of two columns.
MODELS = [
    model
    for label in ("curation", "jobs")
    for model in apps.get_app_config(label).get_models()
    if not isinstance(model._meta.pk, models.CompositePrimaryKey)
]
HISTORY = {
    *["Answer", "DatasetVersion", "EvaluationCandidate", "EvaluationResult", "EvaluationRun", "Example", "Exchange"],
    *["Export", "FineTune", "FineTuneEvent", "LoggedCall", "ModelVersion", "Promotion", "RetrainingRun", "Review"],
    *["Draft", "Takeover", "ReviewSlot", "Generation", "GenerationItem", "InputDraft", "DraftedInput", "Feedback"],
    *["Import", "ImportRemark"],
    *["FineTuneMetric", "FineTuneCheckpoint", "WebhookEndpoint", "WebhookDelivery"],
    *["Family", "Waiver", "VersionFinding", "PromptVariant"],
    *["Attention", "Disagreement", "ReviewOrder", "SavedView", "BulkChange", "BulkRow"],
    *["GateResult", "GateCheck", "PromotionRequest", "PaybackForecast", "RetrainingCheck"],
    *["Quote", "Approval"],
    *["Watch", "Shadow", "ShadowAnswer", "Notice", "NoticeDelivery"],
    *["Escrow", "EscrowAnswer"],
    *["Coverage", "RowRegion", "Pair", "SearchText", "SearchDue"],
    *["MustPass", "Judgement", "Repair"],
    *["Moderation", "ModerationRun", "Withdrawal", "FileRemoval", "Taint", "Retirement"],
}
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)


def address(model: type[models.Model], page: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def long_columns() -> set[str]:
    """As they stand in SQL: every column of ours without a limit to its length. A person's keys are a letter each."""
    return {
        f'"{model._meta.db_table}"."{field.column}"'
        for model in MODELS
        for field in model._meta.concrete_fields
        if isinstance(field, models.TextField | models.JSONField) and field.name != "review_keys"
    }


@each_model
def test_a_list_loads_no_long_column_and_asks_little(page, rows, model):
    columns = long_columns()
    assert '"curation_exchange"."user_prompt"' in columns
    with CaptureQueriesContext(
        connection,
    ) as captured:
        answer = page.get(address(model, "changelist"))
    assert answer.status_code == 200
    asked = [query["sql"] for query in captured]
    assert any(f'FROM "{model._meta.db_table}"' in sql for sql in asked)
    assert [sql for sql in asked if any(column in sql for column in columns)] == []
    assert len(captured) <= 12


@each_model
def test_a_row_can_be_looked_at(page, rows, model):
    row = model._base_manager.first()
    assert page.get(address(model, "change", row.pk)).status_code == 200


@each_model
def test_a_search_for_anything_finds_no_error(page, rows, model):
    for words in ("1", "gate <4>", "99999999999999999999999", "8f7f0c2e-0f4d-4c3a-9d4e-0c3c1f8f9a10", "%", "'"):
        assert page.get(address(model, "changelist"), {"q": words}).status_code == 200


@each_model
def test_history_is_only_read(page, rows, model):
    registered = admin.site._registry[model]
    row = model._base_manager.first()
    added = page.get(address(model, "add")).status_code
    deleted = page.get(address(model, "delete", row.pk)).status_code
    if model.__name__ in HISTORY:
        assert (added, deleted) == (403, 403)
        assert page.post(address(model, "change", row.pk), {}).status_code == 403
        assert "delete_selected" not in page.get(address(model, "changelist")).text
    assert registered.show_full_result_count is False or model.__name__ == "User"


def test_nobody_else_gets_in(person, browser_of):
    listed = reverse("admin:curation_loggedcall_changelist")
    for visitor, door in ((None, "/login/?"), (person("ana"), "/admin/login/?")):
        answer = browser_of(visitor).get(listed)
        assert answer.status_code == 302
        assert answer.url.startswith(door)


def test_hostile_text_is_shown_as_text(page, rows):
    shown = page.get(address(type(rows.exchange), "change", rows.exchange.pk)).text
    assert "Where is gate 4 &amp; &lt;b&gt;its&lt;/b&gt; lift?" in shown
    assert "<b>its</b>" not in shown


def test_a_call_is_found_by_its_id_and_by_its_exchange(page, rows):
    listed = address(type(rows.call), "changelist")
    for words in (str(rows.call.pk), str(rows.exchange.pk)):
        assert page.get(listed, {"q": words}).context["cl"].result_count == 1
    assert page.get(listed, {"q": str(rows.exchange.pk + 1)}).context["cl"].result_count == 0


def test_an_exchange_is_found_by_words_of_its_prompt_in_any_case(page, rows):
    listed = address(type(rows.exchange), "changelist")
    assert page.get(listed, {"q": "GATE 4"}).context["cl"].result_count == 1
    assert page.get(listed, {"q": "gate 5"}).context["cl"].result_count == 0


def test_lists_are_narrowed_to_a_project(page, rows):
    for row in (rows.call, rows.example, rows.promotion, rows.result, rows.run):
        listed = address(type(row), "changelist")
        assert page.get(listed, {"project": "support"}).context["cl"].result_count == 1
        assert page.get(listed, {"project": "other"}).context["cl"].result_count == 0
