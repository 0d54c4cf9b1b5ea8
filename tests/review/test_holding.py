"""A row's page before its verdict: the hold is kept, lost and taken over; what is typed stays the person's own."""

import pytest
from django.urls import reverse

from curation.claims import hold, take_over
from curation.models import Draft, Exchange, Review, ReviewSlot, Takeover
from tests.asking import ask

LONG_AGO = "2020-01-01T00:00Z"


@pytest.fixture
def post(browser_of, project):
    """`post(ana, "draft", row, target="…")`: the form of that name, sent from the row's page."""

    def send(user, name, row, is_part=False, **fields):
        headers = {"X-Part": "1"} if is_part else {}
        slot = row.slots.get()
        form = {"version": row.version, "slot": slot.pk, "token": slot.claim_token or "", **fields}
        return browser_of(user).post(reverse(f"review_{name}", args=[row.project.slug, row.pk]), form, headers=headers)

    return send


class TestHold:
    def test_a_sign_of_life_makes_it_last_and_renews_one_that_ran_out(self, project, ana, post):
        row = ask(project, "When do you open?")
        hold(row, ana)
        ReviewSlot.objects.update(claimed_until=LONG_AGO)
        answer = post(ana, "heartbeat", row)
        assert answer.status_code == 200
        assert row.slots.get().is_held

    def test_it_says_when_another_person_has_the_row_or_decided_it(self, project, ana, ben, give, post):
        row = ask(project, "When do you open?")
        hold(row, ana)
        ReviewSlot.objects.update(claimed_until=LONG_AGO)
        hold(row, ben)
        answer = post(ana, "heartbeat", row)
        assert (answer.status_code, "ben has this row now" in answer.content.decode()) == (409, True)
        give(row, ben, "excluded")
        assert "decided meanwhile" in post(ana, "heartbeat", row).content.decode()

    def test_a_closed_page_frees_its_row_within_half_a_minute_unless_something_typed_waits(
        self, project, ana, ben, post
    ):
        row = ask(project, "When do you open?")
        hold(row, ana)
        post(ana, "draft", row, target="At ten.")
        before = row.slots.get().claimed_until
        post(ana, "closing", row)
        assert row.slots.get().claimed_until == before
        Draft.objects.all().delete()
        post(ben, "closing", row, token="")
        assert row.slots.get().claimed_until == before
        post(ana, "closing", row)
        assert (before - row.slots.get().claimed_until).total_seconds() > 200


class TestTakingOver:
    def test_it_leaves_a_trace_and_tells_the_one_who_had_it(self, project, ana, ben, post, browser_of):
        row = ask(project, "When do you open?")
        hold(row, ana)
        post(ana, "draft", row, target="At ten.")
        page = browser_of(ben).get(reverse("review_exchange", args=[project.slug, row.pk])).content.decode()
        assert "Take over" in page
        assert "At ten." not in page
        assert post(ben, "take_over", row).status_code == 303
        assert row.slots.get().reviewer == ben
        trace = Takeover.objects.get()
        assert (trace.taken_by, trace.taken_from) == (ben, ana)
        answer = post(ana, "heartbeat", row)
        assert (answer.status_code, "ben took this row over" in answer.content.decode()) == (409, True)
        page = browser_of(ana).get(reverse("review_exchange", args=[project.slug, row.pk])).content.decode()
        assert "They took it over from you; your draft is kept" in page
        assert "Taken by ben from ana" in page

    def test_a_verdict_from_the_page_that_lost_the_row_is_refused_and_its_text_kept(
        self, project, ana, ben, ticket, post
    ):
        row = ask(project, "When do you open?")
        mine = ticket(row, ana)
        take_over(row, ben)
        fields = {"slot": mine.slot_id, "token": mine.token, "action": mine.action_id, "via": "key"}
        answer = post(ana, "include", row, **fields, target="At ten.")
        assert answer.status_code == 409
        assert "ben has this row now" in answer.content.decode()
        assert Review.objects.count() == 0
        assert Draft.objects.get(reviewer=ana).text == "At ten."

    def test_a_free_row_is_merely_held_and_a_decided_one_stays(self, project, ana, ben, give):
        row = ask(project, "When do you open?")
        assert take_over(row, ana).reviewer == ana
        assert not Takeover.objects.exists()
        give(row, ana, "included")
        assert take_over(row, ben) is None


class TestDrafts:
    def test_a_text_is_kept_with_its_time_and_shown_in_the_editor_again(self, project, ana, ben, post, browser_of):
        row = ask(project, "When do you open?", "At nine.")
        answer = post(ana, "draft", row, is_part=True, target="At <ten>.\r\nSharp.")
        assert "Saved <time" in answer.content.decode()
        assert Draft.objects.get().text == "At <ten>.\nSharp."
        address = reverse("review_exchange", args=[project.slug, row.pk])
        page = browser_of(ana).get(address).content.decode()
        assert "\nAt &lt;ten&gt;.\nSharp.</textarea>" in page
        assert '<details class="editor" open>' in page
        ReviewSlot.objects.update(claimed_until=LONG_AGO)
        assert "At &lt;ten&gt;" not in browser_of(ben).get(address).content.decode()
        row.refresh_from_db()
        assert (row.target, row.version) == (None, 1)

    def test_a_text_that_is_no_change_is_no_draft(self, project, json_project, ana, post):
        row = ask(project, "When do you open?", "At nine.")
        post(ana, "draft", row, target="At ten.")
        answer = post(ana, "draft", row, is_part=True, target="At nine.")
        assert "No changes" in answer.content.decode()
        city = ask(json_project, "Batumi?", '{"city":null}')
        post(ana, "draft", city, target='{\n  "city": null\n}')
        assert not Draft.objects.exists()

    def test_a_verdict_of_the_same_person_takes_the_draft_with_it(self, project, ana, ben, give, post):
        row = ask(project, "When do you open?", "At nine.")
        post(ana, "draft", row, target="At ten.")
        post(ben, "draft", row, target="At eleven.")
        give(row, ana, "included", target="At ten.")
        assert Draft.objects.get().reviewer == ben

    def test_a_draft_on_an_older_state_of_the_row_says_so(self, project, ana, give, post, browser_of):
        row = ask(project, "When do you open?", "At nine.")
        give(row, ana, "included")
        post(ana, "draft", row, target="At ten.")
        page = browser_of(ana).get(reverse("review_exchange", args=[project.slug, row.pk])).content.decode()
        assert "The row has changed since you wrote this draft" in page

    def test_restoring_puts_the_captured_answer_into_the_editor_and_decides_nothing(
        self, project, ana, give, post, browser_of
    ):
        row = ask(project, "When do you open?", "At nine.")
        give(row, ana, "included", target="At ten.")
        row = Exchange.objects.get(pk=row.pk)
        post(ana, "restore", row)
        assert Draft.objects.get().text == "At nine."
        row.refresh_from_db()
        assert (row.state, row.target) == ("included", "At ten.")
        give(row, ana, "included", target="At nine.")
        assert Exchange.objects.get(pk=row.pk).target is None

    def test_drafts_are_listed_where_the_queue_ends(self, project, ana, post, give, browser_of):
        row = ask(project, "When do you open?")
        give(row, ana, "excluded")
        post(ana, "draft", row, target="At ten.")
        page = browser_of(ana).get(reverse("review", args=[project.slug])).content.decode()
        assert "Your drafts wait for a verdict" in page
        assert "When do you open?" in page
