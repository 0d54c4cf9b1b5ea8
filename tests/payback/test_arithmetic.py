"""The sums of payback, against ones done by hand, and the two that are told about fine-tuning."""

from datetime import date

import pytest

from curation.pricing import Change, Outlay, Rate, break_even_on, days_to_break_even, sums_told

FREE = Rate(0, 0)


def shorter(calls: float, long: float, short: float, price: float) -> Change:
    return Change(calls, long, short, 0, Rate(price, 0), Rate(price, 0))


def test_139_tokens_cut_to_under_100_at_100_000_calls_a_day():
    """14,000 dollars a year is what it saves at 9.59 to 9.83 dollars a million tokens, and at no other price."""
    assert shorter(100_000, 139, 100, 9.834).saving_per_year == pytest.approx(14_000, rel=0.001)
    assert shorter(100_000, 139, 99, 9.59).saving_per_year == pytest.approx(14_000, rel=0.001)
    assert shorter(100_000, 139, 99, 3.75).saving_per_year == pytest.approx(5_475)
    told = sums_told({"dear": 3.75, "cheap": 0.8})[0]
    assert not told.adds_up
    assert "1,423.5 to 1,460 million tokens a year" in told.words
    assert "9.59 to 9.83 dollars a million" in told.words
    assert "(dear), makes it 5,475 dollars" in told.words
    assert sums_told({"other": 9.7})[0].adds_up
    assert not sums_told({})[0].adds_up


def test_9_dollars_in_place_of_150_for_10_000_calls_are_94_percent_less():
    change = Change(10_000, 1000, 1000, 0, Rate(15, 0), Rate(0.9, 0))
    assert (change.call_before * 10_000, change.call_after * 10_000) == (pytest.approx(150), pytest.approx(9))
    assert change.saved_share == pytest.approx(0.94)
    assert change.saving_per_day == pytest.approx(141)
    told = sums_told({})[1]
    assert told.adds_up
    assert "94.0 %" in told.words


def test_dearer_tuned_tokens_can_eat_what_the_shorter_prompt_saves():
    """gpt-3.5-turbo's old story: twice the price a token, 139 → 99 tokens."""
    change = Change(100_000, 139, 99, 20, Rate(1.5, 2), Rate(3, 6))
    assert change.call_before == pytest.approx((139 * 1.5 + 20 * 2) / 1e6)
    assert change.saving_per_day == pytest.approx(-16.85)
    assert days_to_break_even(change, Outlay(1, 0, 0)) is None
    assert break_even_on(change, Outlay(1, 0, 0), date(2026, 1, 1)) is None


@pytest.mark.parametrize(
    ("outlay", "days", "on"),
    [
        (Outlay(0, 0, 0), 0, date(2026, 1, 1)),
        (Outlay(5, 0, 0), 1, date(2026, 1, 2)),
        (Outlay(5, 60, 40, evaluation=5), 5, date(2026, 1, 6)),
        (Outlay(50.01, 0, 0), 6, date(2026, 1, 7)),
        (Outlay(1e9, 0, 0), None, None),
    ],
)
def test_training_and_peoples_time_are_paid_back_by_the_savings(outlay, days, on):
    change = shorter(100_000, 200, 100, 1)
    assert change.saving_per_day == pytest.approx(10)
    assert days_to_break_even(change, outlay) == days
    assert break_even_on(change, outlay, date(2026, 1, 1)) == on


def test_calls_that_cost_nothing_save_nothing():
    change = Change(1000, 100, 10, 5, FREE, FREE)
    assert (change.saving_per_day, change.saved_share) == (0, None)
