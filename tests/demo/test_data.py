"""The demo's data is what its README says."""

import json
import unicodedata

import pytest

from curation.models import Project, Review
from jobs.demo import DATA, SLUGS, read

SCORES = ["toxic", "indecent", "threat", "offensive", "erotic", "spam"]
each = pytest.mark.parametrize("slug", SLUGS)


@each
def test_prompts_are_distinct_and_clean(slug):
    prompts = [row.prompt for row in read(slug).rows]
    assert len({prompt.casefold() for prompt in prompts}) == len(prompts)
    for prompt in prompts:
        assert prompt == prompt.strip()
        assert "{{" not in prompt
        assert not any(unicodedata.category(letter) in ("Cc", "Cf", "Cs") for letter in prompt.replace("\n", ""))


@pytest.mark.parametrize(
    ("slug", "total", "waiting"),
    [("moderation", 450, 85), ("airport", 450, 80), ("locations", 450, 80), ("products", 60, 60)],
)
def test_part_of_the_rows_waits_for_a_person(slug, total, waiting):
    rows = read(slug).rows
    assert (len(rows), sum(row.answer is None for row in rows)) == (total, waiting)


@each
def test_the_captured_prompt_is_long_and_the_trained_one_short(slug):
    demo = read(slug)
    assert 150 <= len(demo.system_prompt.split()) <= 400
    assert 5 <= len(demo.settings["training_prompt"].split()) <= 15


@each
def test_the_settings_fit_their_columns(slug):
    demo = read(slug)
    Project(slug=slug, **demo.settings).clean_fields()
    assert 0 < len(demo.source) <= Review._meta.get_field("source").max_length


def test_moderation_answers_hold_six_scores_and_only_spam_differs():
    answers = {row.answer for row in read("moderation").rows if row.answer}
    scores = [json.loads(answer) for answer in answers]
    assert [list(score) for score in scores] == [SCORES, SCORES]
    assert {tuple(score.values()) for score in scores} == {(0, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 1)}


def test_places_are_written_as_in_their_sentence():
    for row in read("locations").rows:
        if row.answer:
            answer = json.loads(row.answer)
            assert list(answer) == ["city", "state", "country", "place"]
            assert all(value is None or value in row.prompt for value in answer.values())


def test_each_subject_of_the_airport_has_one_reply():
    assert len({row.answer for row in read("airport").rows if row.answer}) == 16


@pytest.mark.parametrize("slug", ["moderation", "airport"])
def test_reviewers_are_given_the_answers_to_choose_from(slug):
    demo = read(slug)
    assert all(row.answer in demo.settings["instructions"] for row in demo.rows if row.answer)


def test_all_of_it_stays_small():
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 400_000
