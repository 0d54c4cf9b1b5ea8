"""One linear learner for labels in a row: a conditional random field (Lafferty, McCallum, Pereira 2001).

A text with one label is a row of length one, and the same learner is then plain softmax regression. It learns by
mini-batches with AdaGrad (Duchi, Hazan, Singer 2011): only the weights of features seen in a batch are touched, so a
pass over the examples costs what their non-zero features cost.

Shapes: N rows, T labels in the longest row, L labels, F features, M = sum of the rows' lengths.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Batch = tuple[sparse.csr_matrix, Ints, Ints]  # features (M, F), lengths (N,), true labels (M,)
RATE = 0.1
RIDGE = 5e-5


@dataclass
class Learning:
    """How to learn: a factor on the learning rate, rows a batch, and the source of chance."""

    rate_multiplier: float = 1.0
    batch_size: int = 8
    rng: np.random.Generator = field(default_factory=np.random.default_rng)


@dataclass
class Chain:
    """Weights from features to labels, from label to next label, and for the first label of a row."""

    emit: Floats  # (F, L)
    move: Floats  # (L, L)
    first: Floats  # (L,)

    @classmethod
    def blank(cls, features: int, labels: int) -> "Chain":
        """A chain that knows nothing: all weights zero."""
        return cls(np.zeros((features, labels), np.float32), np.zeros((labels, labels)), np.zeros(labels))

    @cached_property
    def _squares(self) -> list[Floats]:
        """AdaGrad's sums of squared slopes; only a chain that learns has them."""
        return [np.full_like(weights, 1e-8) for weights in (self.emit, self.move, self.first)]

    def learn(self, examples: Batch, learning: Learning, dropout: float = 0) -> None:
        """One pass: every row once, in random order.

        `dropout` is the share of features hidden in each batch, so that none is relied on alone."""
        matrix, lengths, gold = examples
        starts = np.concatenate([[0], np.cumsum(lengths)])
        order = learning.rng.permutation(len(lengths))
        for at in range(0, len(order), learning.batch_size):
            chosen = order[at : at + learning.batch_size]
            places = np.concatenate([np.arange(starts[row], starts[row + 1]) for row in chosen])
            batch = matrix[places]
            if dropout:
                batch.data = batch.data * (learning.rng.random(batch.nnz) > dropout) / (1 - dropout)
            self._step(batch, lengths[chosen], gold[places], RATE * learning.rate_multiplier)

    def losses(self, matrix: sparse.csr_matrix, lengths: Ints, gold: Ints) -> Floats:
        """(N,) minus the log probability of each row's true labels, in nats."""
        emissions, mask = self._padded(matrix, lengths)
        forward = self._forward(emissions, mask)
        return _log_sum(forward[:, -1], 1) - self._score(emissions, mask, gold)

    def decode(self, matrix: sparse.csr_matrix, lengths: Ints) -> tuple[Ints, Floats]:
        """The most likely labels (M,) by Viterbi, and how sure each one is: its probability (M,)."""
        emissions, mask = self._padded(matrix, lengths)
        best, back = emissions[:, 0] + self.first, []
        stay = np.broadcast_to(np.arange(best.shape[1]), best.shape)
        for at in range(1, emissions.shape[1]):
            options = best[:, :, None] + self.move[None]
            live = mask[:, at, None]
            back.append(np.where(live, options.argmax(1), stay))
            best = np.where(live, options.max(1) + emissions[:, at], best)
        path = np.empty(mask.shape, int)
        path[:, -1] = best.argmax(1)
        for at in range(len(back) - 1, -1, -1):
            path[:, at] = np.take_along_axis(back[at], path[:, at + 1, None], 1)[:, 0]
        chances, _ = self._marginals(emissions, mask)
        labels = path[mask]
        return labels, chances[np.arange(len(labels)), labels]

    def state(self) -> dict[str, Any]:
        """The weights, by the names of the constructor's arguments."""
        return {"emit": self.emit, "move": self.move, "first": self.first}

    def _step(self, batch: sparse.csr_matrix, lengths: Ints, gold: Ints, rate: float) -> None:
        emissions, mask = self._padded(batch, lengths)
        chances, moves = self._marginals(emissions, mask)
        labels = np.zeros(mask.shape, int)
        labels[mask] = gold
        chances[np.arange(len(gold)), gold] -= 1
        pairs = mask[:, 1:]
        np.subtract.at(moves, (labels[:, :-1][pairs], labels[:, 1:][pairs]), 1)
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        used = np.unique(batch.indices)
        every: Any = slice(None)
        gradients = (batch[:, used].T @ chances, moves, chances[starts].sum(0))
        for weights, squares, rows, gradient in zip(
            (self.emit, self.move, self.first), self._squares, (used, every, every), gradients, strict=True
        ):
            slope = gradient / len(gold) + RIDGE * weights[rows]
            squares[rows] += slope**2
            weights[rows] -= rate * slope / np.sqrt(squares[rows])

    def _padded(self, matrix: sparse.csr_matrix, lengths: Ints) -> tuple[Floats, NDArray[np.bool_]]:
        """(N, T, L) scores with zeros after a row's end, and the (N, T) mask of what is real."""
        mask = np.arange(lengths.max())[None] < lengths[:, None]
        emissions = np.zeros((*mask.shape, len(self.first)))
        emissions[mask] = matrix @ self.emit
        return emissions, mask

    def _forward(self, emissions: Floats, mask: NDArray[np.bool_]) -> Floats:
        forward = np.empty_like(emissions)
        forward[:, 0] = emissions[:, 0] + self.first
        for at in range(1, emissions.shape[1]):
            reached = _log_sum(forward[:, at - 1, :, None] + self.move[None], 1) + emissions[:, at]
            forward[:, at] = np.where(mask[:, at, None], reached, forward[:, at - 1])
        return forward

    def _marginals(self, emissions: Floats, mask: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """(M, L) probability of each label at each place, and the (L, L) expected number of each move."""
        forward = self._forward(emissions, mask)
        total = _log_sum(forward[:, -1], 1)
        backward = np.zeros_like(emissions)
        moves = np.zeros_like(self.move, dtype=float)
        for at in range(emissions.shape[1] - 2, -1, -1):
            live = mask[:, at + 1]
            onward = self.move[None] + (emissions[:, at + 1] + backward[:, at + 1])[:, None, :]
            backward[:, at] = np.where(live[:, None], _log_sum(onward, 2), backward[:, at + 1])
            moves += np.exp(forward[live, at, :, None] + onward[live] - total[live, None, None]).sum(0)
        return np.exp(forward + backward - total[:, None, None])[mask], moves

    def _score(self, emissions: Floats, mask: NDArray[np.bool_], gold: Ints) -> Floats:
        rows = np.zeros(mask.shape, int)
        rows[mask] = gold
        placed = np.take_along_axis(emissions, rows[:, :, None], 2)[:, :, 0]
        moved = np.where(mask[:, 1:], self.move[rows[:, :-1], rows[:, 1:]], 0).sum(1)
        scores: Floats = np.where(mask, placed, 0).sum(1) + moved + self.first[rows[:, 0]]
        return scores


def _log_sum(values: Floats, axis: int) -> Floats:
    """log(sum(exp(values))) along an axis, without overflow."""
    top = values.max(axis, keepdims=True)
    total: Floats = (top + np.log(np.exp(values - top).sum(axis, keepdims=True))).squeeze(axis)
    return total
