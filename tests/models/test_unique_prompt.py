"""One row for one prompt, whatever its case and length; what counts as the same is the database's judgement alone."""

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.models import Exchange
from curation.projects import create_project

pytestmark = pytest.mark.django_db


def database_takes_as_equal(one: str, other: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::citext = %s::citext", [one, other])
        return cursor.fetchone()[0]


def database_digest(text: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT curation_digest(lower(%s))", [text])
        return cursor.fetchone()[0]


def is_refused(ask, *args, **columns) -> bool:
    """Whether the unique prompt, and nothing else, stands against another row."""
    try:
        with transaction.atomic():
            ask(*args, **columns)
    except IntegrityError as error:
        if "exchange_prompt_once" not in str(error):
            raise
        return True
    return False


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Where is Gate 4?", "where is gate 4?"),
        ("RÉSUMÉ", "résumé"),
        ("ÉCOLE DE ČESKÝ ŽIVOT ΑΘΗΝΑ МОСКВА", "école de český život αθηνα москва"),
        ("x" * 2000, "X" * 2000),
        ("x" * 2001, "X" * 2001),
        # The long S-stroke letter Ⱥ has two bytes and its small form three: the pair lies on both sides of the border.
        ("Ⱥ" + "x" * 1998, "ⱥ" + "x" * 1998),
    ],
)
def test_another_case_is_the_same_prompt(ask, first, second):
    ask(first)
    assert database_takes_as_equal(first, second)
    assert is_refused(ask, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Where is gate 4?", "Where is gate 5?"),
        ("Where is gate 4?", "Where is gate 4? "),
        ("x" * 2000, "x" * 2001),
        ("x" * 2001, "x" * 2002),
        ("x" * 1999 + "é", "x" * 1999 + "e"),
    ],
)
def test_another_text_is_another_prompt(ask, first, second):
    ask(first)
    assert not is_refused(ask, second)


@pytest.mark.parametrize("padding", [0, 1997, 1998, 1999, 2000, 2001])
@pytest.mark.parametrize(("first", "second"), [("İ", "i"), ("İ", "i̇"), ("ß", "SS"), ("Σ", "ς"), ("K", "k"), ("ı", "I")])
def test_letters_without_a_plain_pair_follow_the_database_at_every_length(ask, first, second, padding):
    first, second = first + "x" * padding, second + "x" * padding
    ask(first)
    assert is_refused(ask, second) == database_takes_as_equal(first, second)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), st.integers(0, 3))
def test_any_text_in_any_case_is_one_row_exactly_when_the_database_says_equal(ask, text, repeats):
    text *= 10**repeats
    with transaction.atomic():
        ask(text)
        for other in (text.upper(), text.lower(), text.swapcase(), text.casefold()):
            assert is_refused(ask, other) == database_takes_as_equal(text, other)
            Exchange.objects.exclude(user_prompt=text).delete()
        Exchange.objects.all().delete()


def test_a_prompt_of_a_megabyte_is_kept_whole_and_only_once(ask):
    prompt = "".join(f"Line {number}: É, 東京, Straße, мир.\n" for number in range(25_000))
    assert len(prompt.encode()) > 1_000_000
    row = ask(prompt)
    row.refresh_from_db()
    assert row.user_prompt == prompt
    assert row.prompt_key == "sha256:" + database_digest(prompt)
    assert is_refused(ask, prompt.upper().replace("STRASSE", "STRAßE"))
    assert not is_refused(ask, prompt + "!")


def test_a_prompt_typed_as_a_digest_takes_no_other_prompts_key(ask):
    long_prompt = "the same words again " * 200
    typed = "sha256:" + database_digest(long_prompt)
    for prompt in (typed, long_prompt):
        ask(prompt)
    assert is_refused(ask, typed.upper())
    assert is_refused(ask, long_prompt.upper())
    assert Exchange.objects.values("prompt_key").distinct().count() == 2


def test_other_projects_and_other_earlier_turns_have_their_own_row(ask):
    ask("Where is gate 4?")
    assert not is_refused(ask, "where is gate 4?", project=create_project("airport"))
    assert not is_refused(ask, "where is gate 4?", context_digest="a" * 64)
    assert is_refused(ask, "WHERE IS GATE 4?", context_digest="a" * 64)
