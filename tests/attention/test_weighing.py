"""What needs a look comes first, and the weighing keeps up with what comes in."""

import json
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from curation.attention import begin_anew, catch_up, sweep
from curation.claims import hold, next_slot, release
from curation.models import Attention, AttentionRule, Exchange, Feedback, ReviewSlot
from curation.order import choose
from curation.recording import record
from curation.signals import note_disagreement
from tests.asking import ask, ask_many, call_of

LONG_AGO = "2020-01-01T00:00Z"


def codes(row: Exchange) -> list[str]:
    return [reason["code"] for reason in row.slots.get().reasons]


def say(row: Exchange, **said) -> None:
    call = row.calls.first()
    Feedback.objects.create(id=uuid.uuid4(), project=row.project, call_id=call.pk, said_at=timezone.now(), **said)


def test_a_row_that_was_answered_two_ways_comes_before_a_newer_one(project, ana):
    odd = ask(project, "When do you open?", "At nine.")
    ask(project, "When do you open?", "At ten.")
    ask(project, "Where are you?")
    assert sweep() >= 2
    assert codes(odd) == ["different", "traffic"]
    assert next_slot(project, ana).exchange_id == odd.pk


def test_what_comes_later_is_noticed(project):
    row = ask(project, "When do you open?", "At nine.")
    catch_up(project)
    assert codes(row) == []
    ask(project, "when do you open?", "At ten.")
    catch_up(project)
    assert codes(row) == ["different", "traffic"]
    assert row.slots.get().seen_count == 2


@pytest.mark.parametrize("said", [{"thumb": -1}, {"demonstration": "At eight."}])
def test_feedback_brings_a_row_forward_by_the_calls_id_or_the_callers_own(project, said):
    by_id, by_own = ask(project, "When do you open?"), ask(project, "Where?", own_id="order-7")
    catch_up(project)
    say(by_id, **said)
    Feedback.objects.create(id=uuid.uuid4(), project=project, own_id="order-7", said_at=timezone.now(), **said)
    catch_up(project)
    assert codes(by_id) == codes(by_own) == ["feedback"]


def test_a_thumb_up_is_no_reason(project):
    row = ask(project, "When do you open?")
    say(row, thumb=1)
    catch_up(project)
    assert codes(row) == []


def test_a_row_that_another_model_answers_otherwise_comes_forward_until_they_agree(project):
    row = ask(project, "When do you open?", "At nine.")
    catch_up(project)
    assert note_disagreement(row.pk, "ft:2", "At ten.")
    catch_up(project)
    assert row.slots.get().reasons[0]["words"] == "Answered otherwise by ft:2"
    assert note_disagreement(row.pk, "ft:2", "At eleven.")
    assert row.disagreements.get().answer == "At eleven."
    assert not note_disagreement(row.pk, "ft:2", "At nine.\n")
    assert not row.disagreements.exists()


def test_json_that_differs_in_layout_alone_is_no_disagreement(json_project):
    row = ask(json_project, "When?", '{"hour": 9, "day": "Monday"}')
    assert not note_disagreement(row.pk, "ft:2", '{"day":"Monday","hour":9}')
    assert note_disagreement(row.pk, "ft:2", '{"day":"Monday","hour":10}')


def test_the_answer_itself_is_read(json_project):
    def answered(prompt: str, answer: str, **more) -> Exchange:
        choice = {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"} | more
        call = call_of(json_project, prompt, answer, response_body=json.dumps({"choices": [choice]}).encode())
        return Exchange.objects.get(pk=record([call])[call.id])

    broken, cut = answered("a", "{"), answered("b", "{}", finish_reason="length")
    unsure = answered("c", "{}", logprobs={"content": [{"token": "{}", "logprob": -2.3}]})
    scored = answered("d", '{"spam": 0.5}')
    catch_up(json_project)
    assert [codes(row) for row in (broken, cut, unsure, scored)] == [
        ["invalid"],
        ["cut_off"],
        ["unsure"],
        ["threshold"],
    ]


def test_what_is_far_from_everything_included_is_novel(project, ana, give):
    give(ask(project, "When do you open on Mondays?"), ana, "included")
    near, far = ask(project, "When do you open on Sundays?"), ask(project, "Bitte eine Rechnung über zwölf Kisten.")
    catch_up(project)
    assert codes(near) == []
    assert codes(far) == ["novel"]


def test_all_rows_are_weighed_again_once_much_more_is_included(project, ana, give):
    row = ask(project, "Bitte eine Rechnung über zwölf Kisten.")
    rows = ask_many(project, 12)
    catch_up(project)
    assert codes(row) == []
    for other in rows:
        give(other, ana, "included")
    catch_up(project)
    assert codes(row) == ["novel"]


def test_a_rule_brings_rows_forward_and_says_how_many_wait(project):
    row = ask(project, "I want my money back!")
    ask(project, "Where are you?")
    catch_up(project)
    rule = AttentionRule.objects.create(project=project, part="prompt", test="contains", words="money back")
    begin_anew(project)
    catch_up(project)
    assert codes(row) == [f"rule-{rule.pk}"]
    assert Attention.objects.get(pk=project.pk).counts == {f"rule-{rule.pk}": 1}


def test_weights_of_the_project_count(project):
    ask(project, "When?", "At nine.")
    row = ask(project, "When?", "At ten.")
    Attention.objects.create(project=project, weights={"different": 0})
    catch_up(project)
    assert codes(row) == ["traffic"]


def test_a_decided_row_is_left_alone(project, ana, give):
    row = ask(project, "When?", "At nine.")
    give(row, ana, "included")
    ask(project, "When?", "At ten.")
    catch_up(project)
    assert row.slots.get().reasons is None


def test_another_projects_rows_do_not_count(project, json_project, ana, give):
    give(ask(json_project, "Batumi?", "{}"), ana, "included")
    row = ask(project, "Bitte eine Rechnung.")
    catch_up(project)
    assert codes(row) == []


def test_two_workers_do_not_weigh_at_once(project):
    ask(project, "When?")
    Attention.objects.create(project=project, busy_until="2999-01-01T00:00Z")
    assert catch_up(project) == 0
    Attention.objects.update(busy_until=LONG_AGO)
    assert catch_up(project) > 0
    assert Attention.objects.get(pk=project.pk).busy_until is None


def test_a_sweep_that_has_no_time_goes_on_where_it_stopped(project):
    rows = ask_many(project, 5)
    Attention.objects.create(project=project, newest_id=1)
    assert catch_up(project, seconds=0) == 0
    catch_up(project)
    assert all(row.slots.get().reasons is not None for row in rows)


def test_weighing_does_not_cost_more_queries_for_more_rows(project):
    def cost(count: int) -> int:
        record([call_of(project, f"{uuid.uuid4()}", "Yes.") for _ in range(count)])
        with CaptureQueriesContext(
            connection,
        ) as queries:
            catch_up(project)
        return len(queries)

    cost(1)
    assert cost(2) == cost(60)


def test_weighing_keeps_a_claim(project, ana):
    row = ask(project, "When?", "At nine.")
    slot = hold(row, ana)
    ask(project, "When?", "At ten.")
    catch_up(project)
    slot_now = ReviewSlot.objects.get(pk=slot.pk)
    assert (slot_now.claim_token, slot_now.reviewer) == (slot.claim_token, ana)


@pytest.mark.parametrize(
    ("kind", "wanted"), [("newest", [3, 2, 1]), ("most_seen", [1, 3, 2]), ("attention", [2, 1, 3])]
)
def test_the_order_is_the_reviewers_choice(project, ana, ben, kind, wanted):
    rows = ask_many(project, 3)
    ReviewSlot.objects.filter(exchange=rows[0]).update(seen_count=9, priority=1)
    ReviewSlot.objects.filter(exchange=rows[1]).update(priority=2)
    choose(project, ana, kind)
    got, slot = [], None
    for _ in rows:
        slot = next_slot(project, ana, after=slot)
        release(slot.pk, slot.claim_token)
        got.append(rows.index(slot.exchange) + 1)
    assert got == wanted
    assert next_slot(project, ben).exchange_id == rows[1].pk


def test_a_sample_is_the_same_rows_for_everybody_and_no_others(project, ana, ben):
    rows = ask_many(project, 4)
    for place, row in enumerate(rows):
        ReviewSlot.objects.filter(exchange=row).update(draw=[0.9, 0.04, 0.3, 0.02][place])
    for person in (ana, ben):
        choose(project, person, "sample", 5)
    first, second = next_slot(project, ana), next_slot(project, ben)
    assert [first.exchange_id, second.exchange_id] == [rows[3].pk, rows[1].pk]
    ReviewSlot.objects.filter(pk=first.pk).update(done_at=timezone.now())
    assert next_slot(project, ana, after=first) is None


@pytest.mark.parametrize(
    ("order", "index"),
    [
        ("s.priority DESC, s.id DESC", "slot_open"),
        ("s.id DESC", "Index"),  # the primary key will do while there is but one project
        ("s.seen_count DESC, s.id DESC", "slot_most_seen"),
        ("s.draw, s.id", "slot_drawn"),
    ],
)
def test_each_order_reads_an_index_of_its_own(project, order, index):
    ask_many(project, 300)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE curation_reviewslot")
        cursor.execute(
            "EXPLAIN SELECT id FROM curation_reviewslot s WHERE done_at IS NULL AND not_before IS NULL "
            f"AND project_id = %s ORDER BY {order} LIMIT 1",
            [project.pk],
        )
        plan = "\n".join(line for (line,) in cursor)
    assert index in plan
    assert "Sort" not in plan
