"""The preflight, the comparison, the training prompt and a row's way, on pages."""

from decimal import Decimal

import pytest
from django.urls import reverse

from curation.chat import digest
from curation.datasets import freeze
from curation.models import Exchange, Membership, Project, PromptVariant, Provider, Waiver
from curation.prices import keep_price
from curation.pricing import usual_epochs
from tests.asking import SYSTEM, ask

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(olga, browser_of):
    return browser_of(olga)


@pytest.fixture
def said(project, included):
    """A row whose answer no trainer takes."""
    row, *_ = included(12)
    Exchange.objects.filter(pk=row.pk).update(target="It ends in <|im_end|>.", version=7)
    return row


def at(name, *arguments):
    return reverse(name, args=["support", *arguments])


def test_what_stands_in_the_way_opens_its_row_and_is_waived_by_name(project, said, client, olga):
    page = client.post(at("dataset_freeze"))
    assert page.status_code == 422
    text = page.content.decode()
    assert "A control token of the model stands in the text" in text
    assert at("review_exchange", said.pk) in text
    form = {"exchange": said.pk, "exchange_version": 7, "code": "special-token"}
    client.post(at("waive"), form | {"reason": ""})
    assert not Waiver.objects.exists()
    page = client.post(at("waive"), form | {"reason": "The row is about tokens."}, follow=True)
    assert "is waived, under your name" in page.content.decode()
    assert Waiver.objects.get().waived_by == olga
    assert client.post(at("dataset_freeze")).status_code == 302
    findings = client.get(at("dataset_findings", 1)).content.decode()
    assert "Waived by olga" in findings
    assert "The row is about tokens." in findings


def test_a_row_that_changed_since_is_not_waived(said, client):
    form = {"exchange": said.pk, "exchange_version": 6, "code": "special-token", "reason": "Fine."}
    assert "has changed since" in client.post(at("waive"), form, follow=True).content.decode()
    assert not Waiver.objects.exists()


def test_a_leak_is_never_waived(said, client):
    form = {"exchange": said.pk, "exchange_version": 7, "code": "leak", "reason": "Fine."}
    assert "cannot be waived" in client.post(at("waive"), form, follow=True).content.decode()
    assert not Waiver.objects.exists()


def test_a_reviewer_waives_nothing(said, browser_of, person):
    reviewer = browser_of(person("rita", Membership.Role.REVIEWER))
    form = {"exchange": said.pk, "exchange_version": 7, "code": "special-token", "reason": "Fine."}
    assert reviewer.post(at("waive"), form).status_code == 403


def test_a_version_shows_tokens_answers_and_what_was_found(project, included, client):
    included(30)
    freeze(project)
    page = client.get(at("dataset", 1)).content.decode()
    assert 'aria-label="Tokens per example: 30 with' in page
    assert 'aria-label="Answers: 30 Yes."' in page
    assert "o200k_base" in page
    assert "1 note" in page  # more rows are advised


def test_two_versions_are_compared(project, included, client, give, ben):
    rows = included(12)
    freeze(project)
    give(rows[0], ben, "excluded")
    give(rows[1], ben, "included", target="No.")
    give(ask(project, "A new question"), ben, "included")
    freeze(project)
    page = client.get(at("dataset_changes", 2)).content.decode()
    for words in ("Added: 1", "No longer in it: 1", "With another answer or prompt: 1", "A new question"):
        assert words in page
    assert client.get(at("dataset_changes", 2), {"against": 9}).status_code == 404
    index = client.get(at("datasets")).content.decode()
    assert 'aria-label="Examples by version' in index


def test_the_training_prompt_is_compared_with_what_was_captured(project, included, client):
    included(3)
    page = client.get(at("training_prompts")).content.decode()
    assert SYSTEM in page
    assert "tokens less in every later call" in page
    form = {"training_prompt": "Be brief.", "keeps_captured_prompt": "on", "validation_share": "10"}
    client.post(at("training_prompts"), form)
    stored = Project.objects.get(pk=project.pk)
    assert (stored.training_prompt, stored.keeps_captured_prompt, stored.validation_share) == ("Be brief.", True, 10)
    assert client.post(at("training_prompts"), form | {"validation_share": "90"}).status_code == 422


def test_one_captured_prompt_gets_a_training_prompt_of_its_own_and_loses_it_again(project, included, client):
    included(12)
    client.post(at("prompt_variant"), {"digest": digest(SYSTEM), "training_prompt": "Help the shop."})
    assert PromptVariant.objects.get().captured == SYSTEM
    freeze(project)
    assert "Help the shop." in client.get(at("dataset", 1)).content.decode()
    client.post(at("prompt_variant"), {"digest": digest(SYSTEM), "training_prompt": ""})
    assert not PromptVariant.objects.exists()
    page = client.post(at("prompt_variant"), {"digest": "0" * 64, "training_prompt": "x"}, follow=True)
    assert "Not saved" in page.content.decode()


def test_a_row_tells_where_it_went_and_who_decided(project, included, client, give, ben):
    row, *_ = included(12)
    give(row, ben, "included", target="No.")
    freeze(project)
    page = client.get(at("lineage", row.pk)).content.decode()
    assert "Included by ben, who changed the answer" in page
    assert "Included by A corpus" in page
    assert "Version 1</a>, line 1 of" in page
    other = ask(project, "Never included")
    assert "It is in no version." in client.get(at("lineage", other.pk)).content.decode()


def test_hostile_answers_are_shown_as_text(project, included, client):
    included(20, answer="<script>alert(1)</script>")
    freeze(project)
    page = client.get(at("dataset", 1)).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_the_rows_page_says_what_is_wrong_and_a_key_mends_the_answer(project, said, browser_of, ben):
    reviewer = browser_of(ben)
    page = reviewer.get(at("review_exchange", said.pk)).content.decode()
    assert "A control token of the model stands in the text" in page
    assert 'data-key="f"' in page
    page = reviewer.post(at("review_mend", said.pk), follow=True).content.decode()
    assert "It ends in &lt;im_end&gt;." in page
    said.refresh_from_db()
    assert said.target == "It ends in <|im_end|>."  # a verdict decides, not the key


def test_a_sound_rows_page_says_nothing(project, included, browser_of, ben):
    (row,) = included(1)
    page = browser_of(ben).get(at("review_exchange", row.pk)).content.decode()
    assert 'class="preflight"' not in page


def test_a_version_says_what_training_on_it_costs_at_each_provider(project, included, client):
    free = project.default_provider
    paid = Provider.objects.create(
        project=project, name="Elsewhere", base_url="https://api.openai.com/v1", base_model="gpt-4.1-nano-2025-04-14"
    )
    keep_price(paid, paid.base_model, None, train=Decimal(1500))
    included(40)
    version = freeze(project).version
    page = client.get(at("dataset", 1)).content.decode()
    row = page[page.index("What training on it costs") :]
    assert "Elsewhere" in row
    dollars = version.train_tokens * usual_epochs(version.train_count) * 1500 / 1_000_000
    assert f"<td>{usual_epochs(version.train_count)}</td><td>{dollars:,.2f}</td>" in row
    assert free.name not in row[: row.index("</table>")]  # the local trainer charges nothing
