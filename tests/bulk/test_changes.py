"""One verdict on many rows: counted, tried, given and taken back as one."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from curation import bulk as bulks
from curation.bulk import TooMany, advance, confirm, counts, due, plan, take_back
from curation.claims import hold, next_slot
from curation.models import BulkChange, Exchange, Review, ReviewSlot
from curation.recording import record
from curation.review import decide
from tests.asking import ask, ask_many, call_of

STATE = ("pk", "state", "included", "target", "target_origin", "decided_by")


def state(project) -> list[tuple]:
    return list(project.exchanges.order_by("pk").values_list(*STATE))


def changed(project, user, verb="included", rows=None) -> BulkChange:
    bulk = plan(project, user, verb, project.exchanges.all() if rows is None else rows)
    advance(bulk.pk)
    assert confirm(bulk)
    advance(bulk.pk)
    return BulkChange.objects.get(pk=bulk.pk)


@pytest.mark.parametrize("verb", ["included", "excluded", "later"])
def test_all_rows_get_the_verdict_and_all_of_it_is_taken_back_at_once(project, ana, verb):
    ask_many(project, 7)
    before = state(project)
    bulk = changed(project, ana, verb)
    assert bulk.status == "done"
    assert counts(bulk) == {"done": 7}
    assert set(project.exchanges.values_list("state", flat=True)) == {verb}
    assert set(Review.objects.values_list("via", "reviewer", "verb")) == {("bulk", ana.pk, verb)}
    assert next_slot(project, ana) is None
    assert take_back(bulk)
    advance(bulk.pk)
    assert state(project) == before
    assert counts(bulk) == {"undone": 7}
    assert next_slot(project, ana) is not None


def test_nothing_happens_before_it_is_confirmed(project, ana):
    ask_many(project, 3)
    before = state(project)
    bulk = plan(project, ana, "included", project.exchanges.all())
    advance(bulk.pk)
    advance(bulk.pk)
    assert counts(bulk) == {"fit": 3}
    assert state(project) == before
    assert not Review.objects.exists()


def test_the_dry_run_says_what_would_happen_to_each_row(json_project, ana, ben, give):
    def asked(prompt: str, answer: str) -> Exchange:
        return ask(json_project, prompt, answer)

    give(asked("Where is Batumi, please tell me?", '{"in": "Georgia"}'), ana, "included")
    asked("where is batumi please tell me", '{"in": "Turkey"}')
    asked("Where is Kutaisi?", "no JSON")
    fit, held = asked("Where is Tbilisi?", "{}"), asked("Where is Gori?", "{}")
    hold(held, ben)
    bulk = plan(json_project, ana, "included", json_project.exchanges.all())
    advance(bulk.pk)
    assert counts(bulk) == {"same": 1, "contradicts": 1, "fails": 1, "held": 1, "fit": 1}
    assert bulk.rows.get(outcome="fit").exchange_id == fit.pk
    confirm(bulk)
    advance(bulk.pk)
    assert counts(bulk) == {"same": 1, "fails": 1, "held": 1, "done": 2}


def test_what_was_decided_between_the_count_and_the_word_is_left_alone(project, ana, ben, give):
    rows = ask_many(project, 3)
    bulk = plan(project, ana, "included", project.exchanges.all())
    advance(bulk.pk)
    give(rows[0], ben, "excluded")
    hold(rows[1], ben)
    confirm(bulk)
    advance(bulk.pk)
    assert counts(bulk) == {"changed": 1, "held": 1, "done": 1}
    assert Exchange.objects.get(pk=rows[0].pk).state == "excluded"


def test_taking_back_leaves_alone_what_was_decided_since(project, ana, ben, give):
    rows = ask_many(project, 3)
    bulk = changed(project, ana)
    give(rows[1], ben, "excluded")
    take_back(bulk)
    advance(bulk.pk)
    assert counts(bulk) == {"undone": 2, "kept": 1}
    assert [row.state for row in project.exchanges.order_by("pk")] == ["pending", "excluded", "pending"]


def test_taking_back_restores_a_verdict_that_stood_before(project, ana, ben, give):
    row = ask(project, "When?")
    give(row, ben, "included", target="At nine.")
    before = state(project)
    bulk = changed(project, ana, "excluded")
    assert Exchange.objects.get().included is None
    take_back(bulk)
    advance(bulk.pk)
    assert state(project) == before
    assert ReviewSlot.objects.get().done_at is not None


def test_a_text_that_a_person_wrote_and_the_captured_answer_stay(project, ana, give):
    row = ask(project, "When?", "At nine.")
    give(row, ana, "excluded", target="At eight.")
    changed(project, ana, "included")
    row.refresh_from_db()
    assert (row.response, row.target, row.target_origin) == ("At nine.", "At eight.", "edited")


def test_rows_of_another_project_are_never_touched(project, json_project, ana):
    other = ask(json_project, "Batumi?", "{}")
    bulk = changed(project, ana, rows=[(other.pk, other.version)])
    assert bulk.total_count == 0
    assert Exchange.objects.get(pk=other.pk).state == "pending"


def test_a_tick_on_an_old_page_changes_nothing(project, ana, ben, give):
    row = ask(project, "When?")
    old = row.version
    give(row, ben, "excluded")
    assert counts(changed(project, ana, rows=[(row.pk, old)])) == {"changed": 1}


def test_more_than_the_most_is_refused(project, ana, monkeypatch):
    monkeypatch.setattr(bulks, "MOST", 3)
    ask_many(project, 4)
    with pytest.raises(TooMany, match="more than 3 rows"):
        plan(project, ana, "included", project.exchanges.all())
    assert not BulkChange.objects.exists()


def test_a_killed_worker_loses_nothing_and_does_nothing_twice(project, ana, monkeypatch):
    monkeypatch.setattr(bulks, "CHUNK", 2)
    ask_many(project, 7)
    bulk = plan(project, ana, "included", project.exchanges.all())
    for _ in range(20):
        advance(bulk.pk, steps=1)
        confirm(bulk)
        BulkChange.objects.update(moved_at="2020-01-01T00:00Z")
        if not due().exists():
            break
    assert counts(bulk) == {"done": 7}
    assert Review.objects.count() == 7


def test_it_is_asked_for_once(project, ana):
    ask_many(project, 2)
    bulk = changed(project, ana)
    assert not confirm(bulk)
    assert take_back(bulk)
    assert not take_back(bulk)


def test_the_cost_does_not_grow_with_the_rows_of_a_chunk(project, ana):
    def cost(count: int) -> int:
        record([call_of(project, json.dumps([count, number]), "Yes.") for number in range(count)])
        bulk = plan(project, ana, "included", project.exchanges.pending())
        with CaptureQueriesContext(connection) as queries:
            advance(bulk.pk)
            confirm(bulk)
            advance(bulk.pk)
            take_back(bulk)
            advance(bulk.pk)
        return len(queries)

    cost(1)
    assert cost(3) == cost(60)


def test_a_row_undone_by_its_reviewer_alone_is_kept_when_the_rest_is_taken_back(project, ana, ticket):
    rows = ask_many(project, 2)
    bulk = changed(project, ana)
    decide(project, ana, "excluded", ticket(rows[0], ana))
    take_back(bulk)
    advance(bulk.pk)
    assert counts(bulk) == {"kept": 1, "undone": 1}
