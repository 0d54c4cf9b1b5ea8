"""The statistics say what scipy and scikit-learn say of the same numbers."""

import random

import numpy as np
import pytest
from scipy.stats import binom, binomtest
from sklearn.metrics import brier_score_loss, f1_score, roc_auc_score

from jobs.statistics import (
    Agreement,
    Paired,
    brier,
    cases_for,
    cases_needed,
    gain,
    mcnemar,
    paired,
    roc_auc,
    wilson,
)


@pytest.mark.parametrize(("right", "total"), [(0, 1), (1, 1), (0, 30), (30, 30), (41, 52), (7, 9), (5000, 12345)])
def test_wilson_is_scipys(right, total):
    theirs = binomtest(right, total).proportion_ci(method="wilson")
    ours = wilson(right, total)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_without_cases_a_share_may_be_anything():
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0, 1)


@pytest.mark.parametrize(
    ("fixed", "broken"), [(1, 0), (5, 0), (6, 0), (0, 6), (10, 3), (30, 30), (61, 40), (700, 620), (9000, 8700)]
)
def test_mcnemar_is_the_exact_binomial_test(fixed, broken):
    assert mcnemar(fixed, broken) == pytest.approx(binomtest(fixed, fixed + broken).pvalue, rel=1e-8)


def test_where_nothing_differs_there_is_no_evidence():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(20_000, 20_000) == pytest.approx(1.0)


def test_six_that_differ_one_way_are_the_fewest_that_tell():
    assert mcnemar(5, 0) > 0.05 > mcnemar(6, 0)


def test_the_interval_of_a_gain_holds_what_it_promises():
    """Over every outcome of 24 cases of which 25 % are fixed and 10 % broken, exactly, not by drawing."""
    count, up, down = 24, 0.25, 0.10
    covered = 0.0
    for fixed in range(count + 1):
        for broken in range(count + 1 - fixed):
            chance = binom.pmf(fixed, count, up) * binom.pmf(broken, count - fixed, down / (1 - up))
            interval = gain(fixed, broken, count)
            covered += chance * (interval.low <= up - down <= interval.high)
    assert 0.93 < covered < 0.99


def test_the_cases_said_to_be_needed_are_enough_about_four_times_in_five():
    needed = cases_needed(fixed=6, broken=2, total=40)
    assert needed is not None
    draw = np.random.default_rng(7).multinomial(needed, [6 / 40, 2 / 40, 32 / 40], size=2000)
    found = sum(mcnemar(int(fixed), int(broken)) < 0.05 for fixed, broken, _ in draw) / 2000
    assert 0.72 < found < 0.88
    assert cases_needed(3, 3, 40) is None
    assert cases_for(0.05) > cases_for(0.10) > 80


def test_pairs_are_counted():
    counted = paired([True, False, True, False, False], [True, True, False, False, True])
    assert counted == Paired(fixed=2, broken=1, both_right=1, both_wrong=1)
    assert (counted.total, counted.same, counted.before_right, counted.after_right) == (5, 2, 2, 3)
    assert counted.gain == pytest.approx(0.2)


def test_scores_are_held_against_labels_as_scikit_learn_does():
    draw = random.Random(11)
    labels = [draw.random() < 0.3 for _ in range(400)]
    scores = [round(min(max(draw.gauss(0.6 if label else 0.4, 0.2), 0), 1), 1) for label in labels]  # with ties
    assert brier(scores, labels) == pytest.approx(brier_score_loss(labels, scores))
    assert roc_auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))
    assert roc_auc([0.1, 0.9], [True, True]) is None
    assert brier([], []) is None


def test_f1_is_scikit_learns():
    wanted, found = [1, 1, 1, 0, 0, 1, 0], [1, 0, 1, 1, 0, 1, 0]
    hits = sum(w and f for w, f in zip(wanted, found, strict=True))
    counted = Agreement(hits, sum(found) - hits, sum(wanted) - hits)
    assert counted.f1 == pytest.approx(f1_score(wanted, found))
    assert (counted + Agreement(1, 0, 0)).hits == hits + 1
    assert Agreement(0, 0, 0).f1 is None
