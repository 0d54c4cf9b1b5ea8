"""A reviewer decides: what is written, what is refused, and that nothing is written twice."""

import uuid

import pytest
from django.core.exceptions import BadRequest

from curation.models import Exchange, Review, ReviewSlot
from curation.review import Refused, Stale, decide
from tests.asking import ask


def test_including_keeps_the_captured_answer_and_settles_the_slot(project, ana, give):
    row = ask(project, "When do you open?", "At nine.")
    review = give(row, ana, "included")
    row.refresh_from_db()
    assert (row.state, row.target, row.response, row.decided_by) == ("included", None, "At nine.", ana)
    assert row.included is not None
    assert row.version == review.version_after == 2
    slot = row.slots.get()
    assert slot.done_at is not None
    assert (slot.claim_token, slot.claimed_until) == (None, None)
    assert (review.state_before, review.state_after, review.reviewer) == ("pending", "included", ana)
    assert review.created_at == Review.objects.get().created_at


def test_an_edited_answer_becomes_the_target_and_the_captured_one_stays(project, ana, give):
    row = ask(project, "When do you open?", "At nine.")
    give(row, ana, "included", target="At ten,\r\nsince May.")
    row.refresh_from_db()
    assert (row.target, row.target_origin, row.response) == ("At ten,\nsince May.", "edited", "At nine.")
    assert row.teaches == "At ten,\nsince May."


@pytest.mark.parametrize("typed", ["One.\r\nTwo.", "One.\nTwo."])
def test_an_unchanged_text_stores_no_correction(project, ana, give, typed):
    row = ask(project, "Count.", "One.\r\nTwo.")
    give(row, ana, "included", target=typed)
    row.refresh_from_db()
    assert (row.target, row.target_origin) == (None, "captured")


def test_typing_the_captured_answer_again_takes_the_correction_away(project, ana, give):
    row = ask(project, "When do you open?", "At nine.")
    give(row, ana, "included", target="At ten.")
    give(row, ana, "included", target="At nine.")
    row.refresh_from_db()
    assert (row.target, row.target_origin, row.state) == (None, "captured", "included")


def test_including_again_without_a_change_keeps_the_time_of_inclusion(project, ana, give):
    row = ask(project, "When do you open?")
    give(row, ana, "included")
    first = Exchange.objects.get(pk=row.pk).included
    give(row, ana, "included")
    assert Exchange.objects.get(pk=row.pk).included == first


def test_later_puts_the_row_off_frees_it_and_keeps_what_was_typed(project, ana, give):
    row = ask(project, "When do you open?", "At nine.")
    give(row, ana, "later", target="At ten, I think")
    row.refresh_from_db()
    assert (row.state, row.target, row.included, row.decided_by) == ("later", "At ten, I think", None, None)
    slot = row.slots.get()
    assert slot.not_before is not None
    assert (slot.reviewer, slot.claim_token, slot.done_at) == (None, None, None)


def test_a_decided_row_can_be_decided_again(project, ana, ben, give):
    row = ask(project, "When do you open?")
    give(row, ana, "included")
    give(row, ben, "excluded")
    row.refresh_from_db()
    assert (row.state, row.included, row.decided_by) == ("excluded", None, ben)
    assert [review.verb for review in row.reviews.all()] == ["excluded", "included"]


def test_the_same_action_sent_twice_is_one_verdict(project, ana, ticket):
    row = ask(project, "When do you open?")
    form = ticket(row, ana)
    first = decide(project, ana, "included", form)
    assert decide(project, ana, "excluded", form) == first
    assert Review.objects.count() == 1
    assert Exchange.objects.get(pk=row.pk).state == "included"


def test_another_persons_action_id_is_refused(project, ana, ben, ticket):
    row = ask(project, "When do you open?")
    action = uuid.uuid4()
    decide(project, ana, "included", ticket(row, ana, action_id=action))
    with pytest.raises(BadRequest):
        decide(project, ben, "excluded", ticket(row, ben, action_id=action))


def test_a_verdict_on_an_older_state_is_refused_and_names_the_other(project, ana, ben, ticket, give):
    row = ask(project, "When do you open?")
    old = ticket(row, ana)
    ReviewSlot.objects.update(claimed_until="2020-01-01T00:00Z")
    give(row, ben, "excluded")
    with pytest.raises(Stale) as refused:
        decide(project, ana, "included", old)
    assert refused.value.theirs.reviewer == ben
    assert refused.value.theirs.verb == "excluded"
    assert Exchange.objects.get(pk=row.pk).state == "excluded"
    assert Review.objects.count() == 1


def test_a_verdict_is_refused_while_another_person_holds_the_row(project, ana, ben, ticket):
    row = ask(project, "When do you open?")
    mine = ticket(row, ana)
    ReviewSlot.objects.update(claimed_until="2020-01-01T00:00Z")
    ticket(row, ben)
    with pytest.raises(Stale) as refused:
        decide(project, ana, "included", mine)
    assert refused.value.holder == ben


def test_a_late_verdict_counts_when_nobody_took_the_row(project, ana, ticket):
    row = ask(project, "When do you open?")
    mine = ticket(row, ana)
    ReviewSlot.objects.update(claimed_until="2020-01-01T00:00Z")
    decide(project, ana, "included", mine)
    assert Exchange.objects.get(pk=row.pk).state == "included"


@pytest.mark.parametrize("typed", ["", "  \n "])
def test_a_row_without_an_answer_cannot_be_included(project, ana, give, typed):
    row = ask(project, "When do you open?", "At nine.")
    with pytest.raises(Refused, match="no answer to teach"):
        give(row, ana, "included", target=typed)
    give(row, ana, "excluded", target=typed)
    assert Exchange.objects.get(pk=row.pk).state == "excluded"


class TestJsonAnswers:
    @pytest.mark.parametrize(
        ("typed", "why"),
        [
            ("Batumi", "teaches JSON"),
            ('{"city": "a", "city": "b"}', "same key twice"),
            ('{"score": NaN}', "NaN"),
        ],
    )
    def test_what_is_not_json_is_refused_for_inclusion_only(self, json_project, ana, give, typed, why):
        row = ask(json_project, "Batumi?", '{"city":null}')
        with pytest.raises(Refused, match=why):
            give(row, ana, "included", target=typed)
        assert Exchange.objects.get(pk=row.pk).state == "pending"
        give(row, ana, "later", target=typed)
        assert Exchange.objects.get(pk=row.pk).target == typed

    def test_a_captured_answer_that_is_not_json_cannot_be_included_unseen(self, json_project, ana, give):
        row = ask(json_project, "Batumi?", "I do not know.")
        with pytest.raises(Refused):
            give(row, ana, "included")

    def test_layout_and_key_order_are_no_change(self, json_project, ana, give):
        row = ask(json_project, "Batumi?", '{"city":"Batumi","country":null}')
        give(row, ana, "included", target='{\r\n  "country": null,\r\n  "city": "Batumi"\r\n}')
        row.refresh_from_db()
        assert (row.target, row.target_origin) == (None, "captured")

    def test_an_edit_is_kept_on_one_line_where_the_captured_answer_was_with_every_digit(self, json_project, ana, give):
        row = ask(json_project, "Batumi?", '{"city":null}')
        give(row, ana, "included", target='{\n  "city": "Batumi",\n  "share": 0.10000000000000000001\n}')
        assert Exchange.objects.get(pk=row.pk).target == '{"city":"Batumi","share":0.10000000000000000001}'

    def test_an_edit_keeps_its_lines_where_the_captured_answer_had_lines(self, json_project, ana, give):
        row = ask(json_project, "Batumi?", '{\n  "city": null\n}')
        give(row, ana, "included", target='{\n  "city": "Batumi"\n}')
        assert Exchange.objects.get(pk=row.pk).target == '{\n  "city": "Batumi"\n}'
