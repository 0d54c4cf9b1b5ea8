"""Near-duplicates stay together on one side of the split, for life."""

import json

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from curation.families import sketch, sketches
from curation.models import Exchange, Family
from curation.recording import record
from tests.asking import ask, call_of

LONG = "I want to know whether my baggage allowance changes when I fly with a partner on the second leg of my trip to"


def one(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@given(st.text())
def test_case_and_punctuation_make_no_other_question(text):
    assert sketch(one(text)) == sketch(one(f"  {text}!? "))


@given(st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "tool", "assistant"]), "content": st.text()})))
def test_any_messages_have_a_sketch_that_the_database_can_hold(messages):
    assert all(-(2**63) <= number < 2**63 for number in sketch(messages))


@given(st.lists(st.tuples(st.text(), st.sampled_from(["", "a"]))))
def test_many_at_once_are_sketched_like_each_alone(prompts):
    asked = [(one(text), digest) for text, digest in prompts]
    assert sketches(asked) == [sketch(*prompt) for prompt in asked]


def test_a_sketch_stays_what_it_is():
    """The stored ones are compared with those of later versions of this program."""
    numbers = [-6697627077718726956, -3248298059672737139, 4968573462162234300, -934435560361178701]
    assert sketch(one("Which gate does flight 123 to Zürich leave from, please?")) == [*numbers, -3341495281916859258]


def test_another_number_is_another_question():
    assert not set(sketch(one(f"{LONG} gate 4"))) & set(sketch(one(f"{LONG} gate 5")))


def test_another_attachment_is_another_question():
    with_picture = [
        {"role": "user", "content": [{"type": "text", "text": LONG}, {"type": "image_url", "image_url": {}}]}
    ]
    assert not set(sketch(with_picture, "a")) & set(sketch(with_picture, "b"))


def test_a_later_turn_is_of_the_family_of_its_first_question():
    later = [*one(LONG), {"role": "assistant", "content": "It does not."}, *one("And back?")]
    assert set(sketch(one(LONG))) & set(sketch(later))
    greeting = [*one("Hello"), {"role": "assistant", "content": "Hi!"}, *one("And back?")]
    assert not set(sketch(one("Hello"))) & set(sketch(greeting))


@pytest.mark.django_db
def test_what_is_nearly_the_same_comes_to_the_same_side(project):
    for number in range(15):
        place = chr(97 + number) * 9
        first, second = ask(project, f"{LONG} {place}?"), ask(project, f"{LONG.upper()},  {place.title()}")
        assert first != second
        assert (first.family, first.split) == (second.family, second.split)


@pytest.mark.django_db
def test_different_questions_have_families_of_their_own_and_fall_on_both_sides(project):
    rows = [ask(project, f"Question {number}") for number in range(40)]
    assert len({row.family_id for row in rows}) == 40
    assert {row.split for row in rows} == {"train", "test"}
    assert all(row.split == row.family.split for row in rows)


def join(project, keys: list[int], side: str = "train") -> Family:
    with connection.cursor() as cursor:
        cursor.execute("SELECT curation_join_family(%s, %s, %s)", [project.pk, keys, side])
        return Family.objects.get(pk=cursor.fetchone()[0])


@pytest.mark.django_db
def test_families_that_merge_are_held_out_and_neither_changes_its_side(project):
    train, test = join(project, [1, 2]), join(project, [3, 4], "test")
    assert join(project, [2, 3, 5]) == test
    for family in (train, test):
        family.refresh_from_db()
    assert (train.merged_into, train.split) == (test, "train")
    assert (test.merged_into, test.split, test.member_count) == (None, "test", 3)
    assert join(project, [1]) == test
    third = join(project, [6, 7])
    assert join(project, [5, 6]) == test
    third.refresh_from_db()
    assert third.merged_into == test


@pytest.mark.django_db
def test_a_template_does_not_draw_everything_to_one_side(project):
    families = [join(project, [4711, number], "train" if number % 2 else "test") for number in range(60)]
    assert len(set(families)) == 41
    assert Family.objects.get(pk=families[0].pk).member_count == 20
    assert join(project, [4711, 7]) == families[0]  # the same word for word


@pytest.mark.django_db
def test_the_database_refuses_another_side_and_another_family(project):
    row, other = ask(project, "Where?"), ask(project, "Whither and when exactly?")
    side = "test" if row.split == "train" else "train"
    for rows, change in [
        (Family.objects.filter(pk=row.family_id), {"split": side}),
        (Exchange.objects.filter(pk=row.pk), {"family": other.family}),
        (Exchange.objects.filter(pk=row.pk), {"split": side}),
    ]:
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(**change)


@pytest.mark.django_db
def test_a_row_keeps_the_tools_and_the_schema_it_was_asked_with(project):
    tools = [{"type": "function", "function": {"name": "gate", "parameters": {}}}]
    schema = {"type": "object", "required": ["gate"]}
    request = {
        "messages": one("Where?"),
        "tools": tools,
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    }
    call = call_of(project, "Where?", "{}", request_body=json.dumps(request).encode())
    row = Exchange.objects.get(pk=record([call])[call.id])
    assert (row.tools, row.answer_schema) == (tools, schema)
