"""Rows that are taken back are found wherever they went: versions, files here and there, models."""

import gzip
import json
import uuid

import pytest
from django.apps import apps
from django.core.files.base import ContentFile
from django.db import models
from django.urls import reverse
from django.utils import timezone

from curation.datasets import freeze, verify
from curation.erasure import STATEMENTS, erase
from curation.models import Example, Exchange, Feedback, LoggedCall, Membership, MustPass, Review, Waiver
from curation.recording import record
from jobs import exports, generations, readiness, withdrawals
from jobs.latest import latest_of
from jobs.models import Export, Generation, InputDraft, Judgement, RetrainingRun, Withdrawal
from jobs.needs import needs_of
from jobs.tables import TableError
from tests.asking import call_of
from tests.machines import step
from tests.provider_stub import refusal

pytestmark = pytest.mark.django_db
SAID = "Question 1?"


@pytest.fixture
def owner(person):
    return person("olga", Membership.Role.OWNER)


@pytest.fixture
def taught(project, version, make_model, stub):
    """The row “Question 1?” in a version, a file here, a file at the provider and a model."""
    model = make_model("ft:1", version)
    stub.files["file-1"] = {"filename": "train.jsonl"}
    type(model.finetune).objects.filter(pk=model.finetune_id).update(provider_file_id="file-1")
    step(exports.request_export(version, "train"))
    step(exports.request_export(version, "test"))
    row = Exchange.objects.get(user_prompt=SAID)
    assert row.split == "train"
    return row


def withdraw(row, owner, **wishes):
    return withdrawals.withdraw(row.project, [row.pk], owner, "She asked us to.", **wishes)


def test_all_that_holds_the_row_is_listed_and_nothing_else(taught, owner, include, project, version):
    include("Another?", "Yes.")
    later = freeze(project).version
    found = withdrawals.holdings(withdraw(taught, owner))
    assert [v.number for v in found.versions] == [2, 1]
    assert later in found.versions
    assert [(export.version.number, export.split) for export in found.exports] == [(1, "train")]
    assert [model.name for model in found.models] == ["ft:1"]
    assert list(found.remote_files) == [(project.default_provider_id, "file-1")]


def test_a_held_out_row_taught_nobody(taught, owner, project):
    held = Exchange.objects.filter(split="test").first()
    withdrawal = withdraw(held, owner)
    assert (withdrawal.taints.count(), withdrawal.removals.count()) == (0, 0)


def test_it_is_excluded_by_name_and_in_no_later_version(taught, owner, project):
    withdraw(taught, owner)
    taught.refresh_from_db()
    review = taught.reviews.get()
    assert (taught.state, taught.included, review.reviewer, review.verb) == ("excluded", None, owner, "excluded")
    assert review.note == "Withdrawn: She asked us to."
    assert not freeze(project).version.examples.filter(exchange=taught).exists()


def test_the_provider_deletes_the_file_at_the_latest_when_it_is_back(taught, owner, stub, project):
    withdrawal = withdraw(taught, owner)
    stub.refuse["DELETE /files/file-1"] = [refusal(503, message="busy"), refusal(401, message="no")]
    for _ in range(2):
        step(withdrawal)
        assert (withdrawal.is_finished, withdrawal.removals.get().removed_at) == (False, None)
        assert "still has the file file-1" in withdrawal.error
    step(withdrawal)
    assert (withdrawal.status, withdrawal.error) == ("succeeded", "")
    assert withdrawal.removals.get().removed_at
    assert "file-1" not in stub.files


def test_a_file_that_is_gone_already_is_deleted(taught, owner, stub):
    del stub.files["file-1"]
    assert step(withdraw(taught, owner)).status == "succeeded"


def test_erasing_leaves_hashes_and_the_trace_and_no_word(taught, owner, version, project):
    call = call_of(project, SAID, "Secret answer.", own_id="user-7", tags=["user-7"])
    record([call])
    assert LoggedCall.objects.get().exchange == taught
    export = Export.objects.get(split="train")
    exports.open_packed(export).close()
    before = Example.objects.get(exchange=taught)
    withdrawal = step(withdraw(taught, owner, is_erasure=True))
    assert (withdrawal.status, bool(withdrawal.erased_at)) == ("succeeded", True)
    taught.refresh_from_db()
    after = Example.objects.get(exchange=taught)
    assert (after.body, after.content_hash, after.position) == ("", before.content_hash, before.position)
    assert (taught.response, taught.messages, taught.user_prompt) == (None, [], f"Erased {taught.pk}")
    assert "Secret" not in LoggedCall.objects.get().response_body
    assert taught.reviews.get().reviewer == owner
    assert list(verify(version)) == []
    with pytest.raises(exports.ExportNotReady):
        exports.open_file(export)
    again = step(exports.request_export(version, "train"))
    with exports.open_file(again) as stream:
        lines = stream.read().splitlines()
    assert len(lines) == again.line_count == version.train_count - 1
    assert not [line for line in lines if SAID in json.loads(line)["messages"][1]["content"]]
    with exports.open_packed(again) as packed:
        assert gzip.decompress(packed.read()).splitlines() == lines
    assert exports.faults_of(again) == []


def test_what_people_said_about_the_row_goes_too(taught, owner, project):
    """Who waives, reviews or complains may quote the person; that somebody did, when and over what stays."""
    record([call_of(project, SAID, "Secret answer.", own_id="user-7")])
    call = LoggedCall.objects.get()
    Feedback.objects.create(
        pk=uuid.uuid4(),
        project=project,
        call_id=call.pk,
        thumb=-1,
        comment="Wrong for Ann Lee.",
        said_at=timezone.now(),
    )
    Waiver.objects.create(
        project=project, exchange=taught, exchange_version=1, code="private", reason="Ann Lee agreed.", waived_by=owner
    )
    MustPass.objects.create(exchange=taught, project=project, note="Ann Lee got it wrong.", marked_by=owner)
    step(withdraw(taught, owner, is_erasure=True))
    waiver = Waiver.objects.get()
    assert (waiver.code, waiver.waived_by, waiver.reason) == ("private", owner, "Erased.")
    assert (Feedback.objects.get().thumb, Feedback.objects.get().comment) == (-1, "")
    assert (MustPass.objects.get().note, taught.reviews.get().note) == ("", "")


def test_an_input_that_a_model_wrote_or_was_shown_goes_too(taught, owner, project, provider):
    draft = InputDraft.objects.create(
        project=project, provider=provider, model="base", examples=[SAID[:8], "Where is gate 4?"], created_by=owner
    )
    kept = draft.inputs.create(text="Where is gate 5?")
    gone = draft.inputs.create(text=SAID.upper())
    step(withdraw(taught, owner, is_erasure=True))
    draft.refresh_from_db()
    assert draft.examples == ["Where is gate 4?"]
    assert [each.text for each in draft.inputs.order_by("pk")] == [kept.text, f"Erased {gone.pk}"]


def test_a_table_that_made_its_prompt_goes_and_the_prompt_is_asked_no_more(taught, owner, project, provider, media):
    holding, other = [
        generations.draft(project, ContentFile(table.encode(), "asked.csv"), user=owner)
        for table in ("asked\nQuestion 1?\nQUESTION 1?\nWhere is gate 4?\n", "asked\nWhere is gate 5?\n")
    ]
    for generation in (holding, other):
        generations.write(generation, template="{{ asked }}")
    copied = generations.copy(holding)
    generations.write(copied, template="Please: {{ asked }}")
    step(withdraw(taught, owner, is_erasure=True))
    first, second, third = holding.items.order_by("position")
    assert (first.prompt, first.variables, first.status) == (f"Erased {first.pk}", {}, "known")
    assert (second.prompt, second.variables, second.status) == (f"Erased {second.pk}", {}, "repeated")
    assert (third.prompt, third.status) == ("Where is gate 4?", "draft")
    assert [item.status for item in copied.items.filter(prompt__startswith="Erased", variables={})] == [
        "known",
        "repeated",
    ]
    assert copied.items.get(prompt="Please: Where is gate 4?").status == "draft"
    assert [row["asked"] for row in generations.first_rows(other, 5)] == ["Where is gate 5?"]
    for generation in (holding, copied):
        with pytest.raises(TableError, match="Upload it again"):
            generations.first_rows(Generation.objects.get(pk=generation.pk), 5)


def test_what_a_judge_said_is_blanked_and_its_score_stays(taught, owner, project, provider):
    kept = {"project": project, "provider": provider, "model": "judge"}
    quoting = Judgement.objects.create(
        **kept, request_digest="1", value={"score": 0.5, "reason": "It says “Question 1?”"}, said="Question 1?"
    )
    strange = Judgement.objects.create(**kept, request_digest="2", value=None, said="Question 1?")
    step(withdraw(taught, owner, is_erasure=True))
    quoting.refresh_from_db()
    strange.refresh_from_db()
    assert (quoting.said, quoting.value, strange.said, strange.value) == ("", {"score": 0.5}, "", None)


def test_what_is_included_again_is_not_erased(taught, owner, project):
    withdrawal = withdraw(taught, owner, is_erasure=True)
    Exchange.objects.filter(pk=taught.pk).update(state="included", included=taught.included)
    step(withdrawal)
    assert (withdrawal.status, Example.objects.filter(body="").count()) == ("failed", 0)
    with pytest.raises(ValueError, match="included"):
        erase(project, [taught.pk])


def test_another_projects_rows_are_not_erased(taught, json_other):
    Exchange.objects.filter(pk=taught.pk).update(state="excluded", included=None)
    assert erase(json_other, [taught.pk]) == 0
    taught.refresh_from_db()
    assert taught.user_prompt == SAID


@pytest.fixture
def json_other(db):
    from curation.projects import create_project

    return create_project("other", name="Other")


def test_the_model_is_marked_and_a_retraining_follows(taught, owner, project, make_model, version, browser_of):
    model = project.model_versions.get()
    project.aliases.update(model=model.name)
    withdrawal = step(withdraw(taught, owner, wants_retraining=True))
    assert model.taints.get().row_count == 1
    assert withdrawal.retraining == RetrainingRun.objects.get()
    assert [need.button for need in needs_of(latest_of(project), None)] == ["Look"]
    page = browser_of(owner).get(reverse("registry", args=["support"])).content.decode()
    assert "was taught withdrawn rows" in page


def test_a_run_that_has_frozen_already_is_waited_for(taught, owner, project, version):
    run = readiness.start(readiness.policy_of(project), "person", owner)
    RetrainingRun.objects.filter(pk=run.pk).update(version=version)
    withdrawal = step(withdraw(taught, owner, wants_retraining=True))
    assert (withdrawal.is_finished, withdrawal.retraining) == (False, None)
    RetrainingRun.objects.filter(pk=run.pk).update(status="cancelled")
    step(withdrawal)
    assert withdrawal.status == "succeeded"
    assert withdrawal.retraining != run


def test_an_owner_finds_a_persons_rows_and_withdraws_them(taught, owner, project, browser_of):
    record([call_of(project, SAID, "Yes.", own_id="user-7")])
    browser, address = browser_of(owner), reverse("withdrawal_new", args=["support"])
    page = browser.get(address, {"name": "user-7"}).content.decode()
    assert f'value="{taught.pk}" checked' in page
    assert "ft:1" in page
    refused = browser.post(f"{address}?name=user-7", {"chosen": taught.pk, "reason": ""})
    assert (refused.status_code, Withdrawal.objects.count()) == (422, 0)
    done = browser.post(f"{address}?name=user-7", {"chosen": taught.pk, "reason": "By mail <b>"}, follow=True)
    assert "By mail &lt;b&gt;" in done.content.decode()
    assert "still there" in done.content.decode()
    step(Withdrawal.objects.get())
    shown = browser.get(reverse("withdrawal", args=["support", Withdrawal.objects.get().pk])).content.decode()
    assert "deleted" in shown
    assert "By mail" in browser.get(reverse("withdrawals", args=["support"])).content.decode()
    assert browser.get(address, {"rows": "1; x"}).status_code == 422


@pytest.mark.parametrize("role", [None, Membership.Role.OPERATOR])
def test_only_an_owner_withdraws(taught, person, browser_of, role):
    browser = browser_of(person("vera", role))
    address = reverse("withdrawal_new", args=["support"])
    assert browser.post(f"{address}?rows={taught.pk}", {"chosen": taught.pk, "reason": "x"}).status_code in (403, 404)
    assert browser_of(None).get(address).status_code == 302
    assert not Withdrawal.objects.exists()


# Words of ours about a row, or names of models; nothing that a person wrote in a call.
HARMLESS = {
    "curation_versionfinding", "curation_reviewslot", "curation_pair", "curation_bulkrow", "curation_rowregion",
    "curation_takeover", "curation_tag_exchanges",
}  # fmt: skip


def may_quote(field: models.Field) -> bool:
    """A text, or a line in which a person says something: notes and reasons quote what they are about."""
    says = field.name.endswith(("note", "reason", "comment")) and isinstance(field, models.CharField)
    return says or isinstance(field, models.TextField | models.JSONField)


def test_every_table_that_holds_words_of_a_row_is_blanked():
    blanked = " ".join(STATEMENTS + withdrawals.STATEMENTS)
    for model in apps.get_models():
        related = [field.related_model for field in model._meta.fields if field.is_relation]
        has_words = any(map(may_quote, model._meta.fields))
        if has_words and (Exchange in related or Example in related) and model._meta.db_table not in HARMLESS:
            assert model._meta.db_table in blanked, f"{model.__name__} keeps what was erased"
    assert Review._meta.db_table in blanked
