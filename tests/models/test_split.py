"""Train or test is decided by a keyed hash of the prompt, not by chance and not by its order."""

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db

PROMPT_COUNT = 5_000


def held_out(key: str = "k1", share: int = 20, context: str = "") -> set[int]:
    """Numbers of the prompts that fall into the test split."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n FROM generate_series(1, %s) n"
            " WHERE curation_split(%s, %s, curation_prompt_key(('Prompt number ' || n)::citext)::text, %s) = 'test'",
            [PROMPT_COUNT, key, context, share],
        )
        return {number for (number,) in cursor.fetchall()}


@pytest.mark.parametrize("share", [1, 20, 50, 90])
def test_about_the_wanted_share_is_held_out(share):
    expected = PROMPT_COUNT * share / 100
    # Four standard deviations of a fair draw; the keys are fixed, so this passes always or never.
    spread = 4 * (expected * (1 - share / 100)) ** 0.5
    assert abs(len(held_out(share=share)) - expected) < spread


def test_the_side_never_changes_and_depends_on_the_key():
    assert held_out() == held_out()
    assert held_out() != held_out(key="k2")
    assert held_out() != held_out(context="a" * 64)


def test_a_greater_share_only_moves_prompts_out_of_training():
    assert held_out(share=10) < held_out(share=20) < held_out(share=50)


def test_the_case_of_a_prompt_does_not_choose_its_side():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM generate_series(1, 500) n WHERE"
            " curation_split('k', '', curation_prompt_key(('É prompt ' || n)::citext)::text, 50)"
            " <> curation_split('k', '', curation_prompt_key(upper('É prompt ' || n)::citext)::text, 50)"
        )
        assert cursor.fetchone() == (0,)
