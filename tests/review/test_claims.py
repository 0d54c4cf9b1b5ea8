"""Two people side by side never get the same row, and nobody is kept from one for longer than a claim lasts."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from curation.claims import bring_back, hold, next_slot, release
from curation.models import Membership, ReviewSlot, User
from tests.asking import ask, ask_many

LONG_AGO = "2020-01-01T00:00Z"


def test_the_newest_row_comes_first_and_stays_mine(project, ana):
    _, newest = ask_many(project, 2)
    slot = next_slot(project, ana)
    assert slot.exchange_id == newest.pk
    again = next_slot(project, ana)
    assert (again.pk, again.claim_token) == (slot.pk, slot.claim_token)
    assert again.claimed_until > slot.claimed_until


def test_two_people_get_two_rows_and_a_third_none(project, ana, ben, person):
    ask_many(project, 2)
    assert next_slot(project, ana).pk != next_slot(project, ben).pk
    assert next_slot(project, person("eva", Membership.Role.REVIEWER)) is None


def test_a_claim_that_ran_out_passes_to_the_next_person(project, ana, ben):
    ask(project, "When do you open?")
    mine = next_slot(project, ana)
    ReviewSlot.objects.update(claimed_until=LONG_AGO)
    theirs = next_slot(project, ben)
    assert theirs.pk == mine.pk
    assert theirs.reviewer == ben
    assert theirs.claim_token != mine.claim_token


def test_leaving_a_row_frees_it_but_an_old_page_frees_nothing(project, ana, ben):
    row = ask(project, "When do you open?")
    old = hold(row, ana).claim_token
    ReviewSlot.objects.update(claimed_until=LONG_AGO)
    slot = hold(row, ben)
    release(slot.pk, old)
    release(slot.pk, None)
    assert hold(row, ana) is None
    release(slot.pk, slot.claim_token)
    assert hold(row, ana) is not None


def test_going_on_comes_back_to_a_row_of_mine_that_was_not_left(project, ana):
    first, second = ask_many(project, 2)
    kept = next_slot(project, ana)
    slot = next_slot(project, ana, after=kept)
    assert (kept.exchange_id, slot.exchange_id) == (second.pk, first.pk)
    assert next_slot(project, ana, after=slot).exchange_id == second.pk


def test_going_on_walks_down_the_queue_and_starts_again_at_its_end(project, ana):
    rows = ask_many(project, 3)
    seen = []
    slot = None
    for _ in range(4):
        slot = next_slot(project, ana, after=slot)
        seen.append(slot.exchange_id)
        release(slot.pk, slot.claim_token)
    assert seen == [rows[2].pk, rows[1].pk, rows[0].pk, rows[2].pk]


def test_put_off_rows_come_back_first_when_due_or_when_asked_for(project, ana, give):
    old, new = ask_many(project, 2)
    give(old, ana, "later")
    slot = next_slot(project, ana)
    assert slot.exchange_id == new.pk
    release(slot.pk, slot.claim_token)
    assert bring_back(project) == 1
    assert next_slot(project, ana).exchange_id == old.pk


def test_leaving_a_due_row_does_not_bring_it_straight_back(project, ana, give):
    old, new = ask_many(project, 2)
    give(old, ana, "later")
    bring_back(project)
    slot = next_slot(project, ana)
    assert slot.exchange_id == old.pk
    release(slot.pk, slot.claim_token)
    assert next_slot(project, ana, after=slot).exchange_id == new.pk


def test_another_projects_rows_are_never_handed_out(project, json_project, ana):
    ask(json_project, "Batumi?")
    assert next_slot(project, ana) is None


def test_the_claim_reads_the_index_of_open_slots(project, ana, django_assert_num_queries):
    ask_many(project, 300)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE curation_reviewslot")
        cursor.execute(
            "EXPLAIN SELECT id FROM curation_reviewslot s WHERE done_at IS NULL AND not_before IS NULL "
            "AND project_id = %s ORDER BY s.priority DESC, s.id DESC LIMIT 1",
            [project.pk],
        )
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "slot_open" in plan
    assert "Seq Scan" not in plan
    with django_assert_num_queries(2):
        next_slot(project, ana)


def test_a_claim_never_looks_through_all_that_a_person_decided(project, ana):
    ask_many(project, 300)
    with connection.cursor() as cursor:
        # As the planner knew the table before this person began: hardly a row has a reviewer.
        cursor.execute("ANALYZE curation_reviewslot")
        with CaptureQueriesContext(connection) as asked:
            next_slot(project, ana)
        claims = [query["sql"] for query in asked if query["sql"].lstrip().startswith("UPDATE")]
        assert claims
        cursor.execute("SET LOCAL enable_seqscan = off")
        for claim in claims:
            cursor.execute(f"EXPLAIN {claim}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "Index Cond: (exchange_id = s.exchange_id)" in plan


def test_what_a_person_holds_is_not_looked_for_among_all_that_they_decided(project, ana):
    ask_many(project, 300)
    with connection.cursor() as cursor:
        # As the planner knew the table before this person began: hardly a row has a reviewer.
        cursor.execute("ANALYZE curation_reviewslot")
        held = next_slot(project, ana)
        others = project.slots.exclude(pk=held.pk)
        others.update(reviewer=ana, done_at=timezone.now())
        with CaptureQueriesContext(connection) as asked:
            assert next_slot(project, ana) == held
        (claim,) = [query["sql"] for query in asked if query["sql"].lstrip().startswith("UPDATE")]
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("DROP INDEX slot_held")  # the planner takes this or the other, as its statistics have it
        cursor.execute(f"EXPLAIN (ANALYZE) {claim}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "slot_of_reviewer" in plan
    assert all(int(count) < 10 for count in re.findall(r"Rows Removed by Filter: (\d+)", plan)), plan


@pytest.mark.django_db(transaction=True)
def test_eight_people_at_once_share_eighty_rows_without_a_collision(project):
    ask_many(project, 80)
    people = [User.objects.create_user(f"person{number}") for number in range(8)]

    def work(user: User) -> list[int]:
        try:
            slots = [next_slot(project, user, after=None) for _ in range(1)]
            while slots[-1] is not None:
                ReviewSlot.objects.filter(pk=slots[-1].pk, reviewer=user).update(done_at="2026-01-01T00:00Z")
                slots.append(next_slot(project, user))
            return [slot.pk for slot in slots if slot is not None]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        claimed = [pk for share in pool.map(work, people) for pk in share]
    assert len(claimed) == len(set(claimed)) == 80
