"""When calls go worse beyond chance."""

import pytest
from scipy.stats import fisher_exact

from jobs.alarms import Window, alarms, fisher, is_worth_a_look


@pytest.mark.parametrize(
    "table",
    [(5, 20, 0, 100), (30, 100, 10, 100), (7, 25, 40, 1000), (0, 50, 0, 50), (20, 20, 0, 20), (150, 1000, 90, 1000)],
)
def test_the_exact_test_is_fishers(table):
    bad, total, bad_before, total_before = table
    expected = fisher_exact([[bad, total - bad], [bad_before, total_before - bad_before]], alternative="greater").pvalue
    assert fisher(*table) == pytest.approx(expected, rel=1e-6)


CALM = Window(calls=200, errors=2, answers=198, malformed=1, thumbs=40, down=4)


@pytest.mark.parametrize(
    ("now", "before", "codes"),
    [
        (CALM, CALM, []),
        (Window(calls=40, errors=12), CALM, ["errors"]),
        (Window(calls=40, errors=4), CALM, []),  # too few to say so
        (Window(calls=19, errors=19), CALM, []),
        (Window(calls=200, answers=200, malformed=30), CALM, ["shape"]),
        (Window(calls=200, answers=200, thumbs=40, down=24), CALM, ["thumbs"]),
        (Window(calls=200, errors=2, answers=198, malformed=1, thumbs=40, down=9), CALM, []),  # may be chance
        (Window(calls=100, errors=60, answers=40, malformed=40), Window(), ["errors", "shape"]),
        (Window(calls=100, errors=40), Window(), []),
        (Window(calls=100, errors=10), Window(calls=100, errors=50), []),  # it has got better
    ],
)
def test_what_rises_beyond_chance_is_told(now, before, codes):
    assert [alarm.code for alarm in alarms(now, before)] == codes


def test_it_is_told_in_numbers():
    [alarm] = alarms(Window(calls=40, errors=12), CALM)
    assert alarm.words.startswith("12 of 40 brought no answer, before 2 of 200 (p = ")


def test_it_is_looked_at_anew_when_the_calls_have_grown():
    assert not is_worth_a_look(Window(calls=19), 0)
    assert is_worth_a_look(Window(calls=20), 0)
    assert not is_worth_a_look(Window(calls=24), 20)
    assert is_worth_a_look(Window(calls=20, thumbs=5), 20)
