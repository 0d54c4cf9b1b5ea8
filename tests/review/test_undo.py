"""Taking back: any depth, days later, on another machine; never over what somebody else decided since."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from curation.claims import next_slot
from curation.models import Exchange, Project, Review, ReviewSlot, User
from curation.review import NothingToUndo, Stale, label, undo
from tests.asking import ask, ask_many


def states(project: Project) -> list[tuple[Any, ...]]:
    """What undo must restore, for every row."""
    rows = project.exchanges.order_by("pk")
    return list(rows.values_list("state", "target", "target_origin", "included", "decided_by", "response"))


def test_undo_restores_the_row_and_gives_it_back_to_me(project, ana, give):
    row = ask(project, "When do you open?", "At nine.")
    before = states(project)
    verdict = give(row, ana, "included", target="At ten.")
    review = undo(project, ana)
    assert states(project) == before
    assert review.reverses == verdict
    assert (review.verb, review.state_before, review.state_after) == ("undone", "included", "pending")
    slot = next_slot(project, ana)
    assert slot.exchange_id == row.pk
    assert Exchange.objects.get(pk=row.pk).version == 3


def test_undo_of_a_second_verdict_restores_the_first_with_its_time(project, ana, ben, give):
    row = ask(project, "When do you open?")
    give(row, ben, "included")
    before = states(project)
    give(row, ana, "excluded")
    undo(project, ana)
    assert states(project) == before
    assert row.slots.get().done_at is not None


def test_undo_of_later_brings_the_row_back_at_once(project, ana, give):
    row = ask(project, "When do you open?")
    give(row, ana, "later")
    undo(project, ana)
    slot = row.slots.get()
    assert (slot.not_before, slot.reviewer) == (None, ana)
    assert Exchange.objects.get(pk=row.pk).state == "pending"


def test_undo_goes_back_through_fifty_verdicts_and_their_repeats(project, ana, give):
    rows = ask_many(project, 10)
    history = []
    for step in range(50):
        history.append(states(project))
        verb = ("included", "excluded", "later")[step % 3]
        give(rows[step * 7 % 10], ana, verb, target=f"Answer {step % 4}")
    for before in reversed(history):
        undo(project, ana)
        assert states(project) == before
    with pytest.raises(NothingToUndo):
        undo(project, ana)


def test_a_corpus_label_and_other_peoples_verdicts_are_not_mine_to_undo(project, ana, ben, give):
    first, second = ask_many(project, 2)
    label(project, [(first.pk, "Yes.")], "A corpus")
    give(second, ben, "included")
    with pytest.raises(NothingToUndo):
        undo(project, ana)


def test_undo_is_refused_when_somebody_decided_since(project, ana, ben, give):
    row = ask(project, "When do you open?")
    give(row, ana, "included")
    give(row, ben, "excluded")
    with pytest.raises(Stale) as refused:
        undo(project, ana)
    assert refused.value.theirs.reviewer == ben
    assert Exchange.objects.get(pk=row.pk).state == "excluded"


def test_undo_is_refused_while_somebody_holds_the_row(project, ana, ben, give, ticket):
    row = ask(project, "When do you open?")
    give(row, ana, "later")
    ReviewSlot.objects.update(not_before=None)
    ticket(row, ben)
    with pytest.raises(Stale) as refused:
        undo(project, ana)
    assert refused.value.holder == ben


def test_the_same_undo_sent_twice_takes_one_verdict_back(project, ana, give):
    for row in ask_many(project, 2):
        give(row, ana, "included")
    action = uuid.uuid4()
    assert undo(project, ana, action_id=action) == undo(project, ana, action_id=action)
    assert project.exchanges.included().count() == 1


@pytest.mark.django_db(transaction=True)
def test_undo_pressed_in_five_tabs_at_once_takes_five_verdicts_back(project, ana, give):
    for row in ask_many(project, 6):
        give(row, ana, "included")

    def press(_: int) -> int:
        try:
            return undo(project, User.objects.get(pk=ana.pk)).reverses_id
        finally:
            connection.close()

    with ThreadPoolExecutor(5) as pool:
        reversed_ids = set(pool.map(press, range(5)))
    assert len(reversed_ids) == 5
    assert project.exchanges.included().count() == 1
    assert Review.objects.filter(verb="undone").count() == 5
