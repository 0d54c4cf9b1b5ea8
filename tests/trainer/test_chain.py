"""The chain of labels against the definition: every possible row of labels, counted one by one."""

from itertools import pairwise, product

import numpy as np
import pytest
from scipy import sparse

from jobs.trainer.engines.baseline.chain import Chain, Learning

LABELS, FEATURES = 3, 5
LENGTHS = np.array([3, 1, 4])


@pytest.fixture
def chain() -> Chain:
    rng = np.random.default_rng(1)
    return Chain(rng.normal(size=(FEATURES, LABELS)), rng.normal(size=(LABELS, LABELS)), rng.normal(size=LABELS))


@pytest.fixture
def matrix() -> sparse.csr_matrix:
    rng = np.random.default_rng(2)
    return sparse.csr_matrix(rng.random((LENGTHS.sum(), FEATURES)) * (rng.random((LENGTHS.sum(), FEATURES)) > 0.4))


def weighed(chain: Chain, features: np.ndarray) -> dict[tuple[int, ...], float]:
    """The unnormalised probability of every row of labels."""
    scores = features @ chain.emit
    return {
        row: float(
            np.exp(
                chain.first[row[0]]
                + sum(scores[at, label] for at, label in enumerate(row))
                + sum(chain.move[pair] for pair in pairwise(row))
            )
        )
        for row in product(range(LABELS), repeat=len(features))
    }


def test_losses_and_labels_agree_with_counting_every_row(chain: Chain, matrix: sparse.csr_matrix) -> None:
    gold = np.array([0, 1, 2, 1, 2, 2, 0, 1])
    losses = chain.losses(matrix, LENGTHS, gold)
    labels, chances = chain.decode(matrix, LENGTHS)
    at = 0
    for place, length in enumerate(LENGTHS):
        part = slice(at, at + length)
        weights = weighed(chain, matrix[part].toarray())
        total = sum(weights.values())
        assert losses[place] == pytest.approx(-np.log(weights[tuple(gold[part])] / total))
        best = max(weights, key=lambda row: weights[row])
        assert tuple(labels[part]) == best
        for offset, label in enumerate(best):
            share = sum(weight for row, weight in weights.items() if row[offset] == label) / total
            assert chances[at + offset] == pytest.approx(share)
        at += length


def test_learning_makes_the_true_labels_likely(matrix: sparse.csr_matrix) -> None:
    chain = Chain.blank(FEATURES, LABELS)
    gold = np.array([0, 1, 2, 1, 0, 1, 2, 0])
    before = chain.losses(matrix, LENGTHS, gold).sum()
    assert before == pytest.approx(LENGTHS.sum() * np.log(LABELS))
    for _ in range(60):
        chain.learn((matrix, LENGTHS, gold), Learning(batch_size=2, rng=np.random.default_rng(1)))
    assert chain.losses(matrix, LENGTHS, gold).sum() < 0.2 * before
    assert chain.decode(matrix, LENGTHS)[0].tolist() == gold.tolist()


@pytest.mark.parametrize("weights", ["emit", "move", "first"])
def test_a_step_goes_down_the_slope_of_the_loss(chain: Chain, matrix: sparse.csr_matrix, weights: str) -> None:
    """AdaGrad's first step has the sign of the slope, measured here by moving each weight a little."""
    gold = np.array([0, 1, 2, 1, 2, 2, 0, 1])
    slopes = np.zeros_like(getattr(chain, weights))
    for place in np.ndindex(*slopes.shape):
        moved = {name: value.copy() for name, value in chain.state().items()}
        moved[weights][place] += 1e-5
        raised = Chain(**moved).losses(matrix, LENGTHS, gold).sum()
        slopes[place] = (raised - chain.losses(matrix, LENGTHS, gold).sum()) / 1e-5
    before = getattr(chain, weights).copy()
    chain.learn((matrix, LENGTHS, gold), Learning(batch_size=3))
    steps = getattr(chain, weights) - before
    is_clear = np.abs(slopes) > 1e-2
    assert is_clear.any()
    assert (np.sign(steps[is_clear]) == -np.sign(slopes[is_clear])).all()
