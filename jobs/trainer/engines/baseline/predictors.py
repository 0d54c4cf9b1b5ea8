"""Predictors of one field each: a constant, one of the known values, a number, or what the nearest neighbours have."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from scipy import sparse

from jobs.trainer.engines.baseline.chain import Batch, Chain, Floats, Learning
from jobs.trainer.engines.baseline.features import Prompts
from jobs.trainer.engines.baseline.shape import ABSENT, Row
from jobs.trainer.engines.baseline.spans import Spans

MOST_VALUES = 500
NEIGHBOURS = 5
UNKNOWN = 1e-3  # the probability granted to a value the predictor cannot give


class Predictor(Protocol):
    """Predicts the encoded values of its columns from prompts."""

    kind: ClassVar[str]
    columns: list[int]

    @classmethod
    def begin(cls, columns: list[int], prompts: Prompts, rows: Sequence[Row], learning: Learning) -> Self:
        """A predictor about to learn from these prompts and their rows."""

    def learn(self) -> None:
        """One pass over the training prompts; nothing to do where the answer is found at once."""

    def predict(self, prompts: Prompts) -> list[Row]:
        """For each prompt the values of `columns`."""

    def losses(self, prompts: Prompts, rows: Sequence[Row]) -> Floats:
        """(N,) how surprised it is by the true values, in nats."""

    def state(self) -> dict[str, Any]:
        """Plain values and arrays, enough for `restore`."""

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Self:
        """The predictor whose state this is."""


class Constant:
    """Always the most common value."""

    kind: ClassVar[str] = "constant"

    def __init__(self, columns: list[int], value: str, share: float) -> None:
        self.columns, self.value, self.share = columns, value, share

    @classmethod
    def begin(cls, columns: list[int], prompts: Prompts, rows: Sequence[Row], learning: Learning) -> Self:
        """Count the values."""
        value, count = Counter(row[columns[0]] for row in rows).most_common(1)[0]
        return cls(columns, value, count / len(rows))

    def learn(self) -> None:
        """Nothing is left to learn."""

    def predict(self, prompts: Prompts) -> list[Row]:
        """The one value, for each prompt."""
        return [[self.value] for _ in prompts.texts]

    def losses(self, prompts: Prompts, rows: Sequence[Row]) -> Floats:
        """By the value's share among the training examples."""
        is_right = np.array([row[self.columns[0]] == self.value for row in rows])
        return -np.log(np.where(is_right, self.share, max(1 - self.share, UNKNOWN)))

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {"columns": self.columns, "value": self.value, "share": self.share}

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Self:
        """The predictor whose state this is."""
        return cls(**state)


class Category:
    """One of the values met in training: a linear classifier over TF-IDF."""

    kind: ClassVar[str] = "category"
    _training: Batch
    _learning: Learning

    def __init__(self, columns: list[int], values: list[str], chain: Chain) -> None:
        self.columns, self.values, self.chain = columns, values, chain

    @classmethod
    def begin(cls, columns: list[int], prompts: Prompts, rows: Sequence[Row], learning: Learning) -> Self:
        """Collect the values; beyond five hundred only the more common ones can ever be answered."""
        column = [row[columns[0]] for row in rows]
        values = [value for value, _ in Counter(column).most_common(MOST_VALUES)]
        self = cls(columns, values, Chain.blank(prompts.matrix.shape[1], len(values)))
        place = {value: at for at, value in enumerate(values)}
        known = [at for at, value in enumerate(column) if value in place]
        gold = np.array([place[column[at]] for at in known])
        self._training = prompts.matrix[known], np.ones(len(known), int), gold
        self._learning = learning
        return self

    def learn(self) -> None:
        """One pass over the training prompts."""
        self.chain.learn(self._training, self._learning)

    def predict(self, prompts: Prompts) -> list[Row]:
        """The most likely value for each prompt."""
        best = (prompts.matrix @ self.chain.emit + self.chain.first).argmax(1)
        return [[self.values[at]] for at in best]

    def losses(self, prompts: Prompts, rows: Sequence[Row]) -> Floats:
        """Minus the log probability of the true value."""
        place = {value: at for at, value in enumerate(self.values)}
        gold = np.array([place.get(row[self.columns[0]], -1) for row in rows])
        losses = self.chain.losses(prompts.matrix, np.ones(len(rows), int), np.maximum(gold, 0))
        return np.where(gold < 0, -np.log(UNKNOWN), losses)

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {"columns": self.columns, "values": self.values, "chain": self.chain.state()}

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Self:
        """The predictor whose state this is."""
        return cls(state["columns"], state["values"], Chain(**state["chain"]))


class Number:
    """A number by ridge regression over TF-IDF, within the range and with the decimals met in training."""

    kind: ClassVar[str] = "number"

    def __init__(
        self, columns: list[int], weights: Floats, bias: float, low: float, high: float, decimals: int, scale: float
    ) -> None:
        self.columns, self.weights, self.bias = columns, weights, bias
        self.low, self.high, self.decimals, self.scale = low, high, decimals, scale

    @classmethod
    def begin(cls, columns: list[int], prompts: Prompts, rows: Sequence[Row], learning: Learning) -> Self:
        """Fit at once, from the rows that hold a number."""
        from sklearn.linear_model import Ridge  # slow to import, and answering needs it not

        column = [number(row[columns[0]]) for row in rows]
        known = [at for at, value in enumerate(column) if value is not None]
        targets = np.array([column[at] for at in known])
        ridge = Ridge(alpha=1.0).fit(prompts.matrix[known], targets)
        decimals = Counter(len(rows[at][columns[0]].partition(".")[2]) for at in known).most_common(1)[0][0]
        scale = float(targets.std()) or 1.0
        low, high = float(targets.min()), float(targets.max())
        return cls(columns, ridge.coef_.ravel(), float(ridge.intercept_), low, high, decimals, scale)

    def learn(self) -> None:
        """Nothing is left to learn."""

    def predict(self, prompts: Prompts) -> list[Row]:
        """The rounded number for each prompt."""
        return [[f"{value:.{self.decimals}f}"] for value in self._values(prompts)]

    def losses(self, prompts: Prompts, rows: Sequence[Row]) -> Floats:
        """The distance to the true number in standard deviations of the training numbers (Laplace's error law)."""
        true = [number(row[self.columns[0]]) for row in rows]
        distances = [
            abs(value - guess) / self.scale if value is not None else -np.log(UNKNOWN)
            for value, guess in zip(true, self._values(prompts), strict=True)
        ]
        return np.array(distances)

    def _values(self, prompts: Prompts) -> Floats:
        values: Floats = np.clip(prompts.matrix @ self.weights + self.bias, self.low, self.high)
        return values

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return dict(vars(self))

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Self:
        """The predictor whose state this is."""
        return cls(**state)


class Nearest:
    """What the five most similar training prompts say, each with its similarity as its vote."""

    kind: ClassVar[str] = "nearest"

    def __init__(self, columns: list[int], matrix: sparse.csr_matrix, values: list[str]) -> None:
        self.columns, self.matrix, self.values = columns, matrix, values

    @classmethod
    def begin(cls, columns: list[int], prompts: Prompts, rows: Sequence[Row], learning: Learning) -> Self:
        """Remember every example."""
        return cls(columns, prompts.matrix, [row[columns[0]] for row in rows])

    def learn(self) -> None:
        """Nothing is left to learn."""

    def predict(self, prompts: Prompts) -> list[Row]:
        """The value with most votes; of equals the most similar prompt's."""
        return [[max(votes, key=lambda value: votes[value])] for votes in self._votes(prompts)]

    def losses(self, prompts: Prompts, rows: Sequence[Row]) -> Floats:
        """Minus the log of the true value's share of the votes."""
        shares = [
            votes.get(row[self.columns[0]], 0.0) / (sum(votes.values()) or 1.0)
            for votes, row in zip(self._votes(prompts), rows, strict=True)
        ]
        return -np.log(np.maximum(shares, UNKNOWN))

    def _votes(self, prompts: Prompts) -> list[dict[str, float]]:
        similar = (prompts.matrix @ self.matrix.T).toarray()
        ballots = []
        for row in similar:
            votes: dict[str, float] = {}
            for at in np.argsort(-row, kind="stable")[:NEIGHBOURS]:
                votes[self.values[at]] = votes.get(self.values[at], 0.0) + float(row[at])
            ballots.append(votes)
        return ballots

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        parts = {"data": self.matrix.data, "indices": self.matrix.indices, "indptr": self.matrix.indptr}
        return {"columns": self.columns, "values": self.values, "width": self.matrix.shape[1], **parts}

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Self:
        """The predictor whose state this is."""
        shape = (len(state["values"]), state["width"])
        matrix = sparse.csr_matrix((state["data"], state["indices"], state["indptr"]), shape)
        return cls(state["columns"], matrix, state["values"])


KINDS: dict[str, type[Predictor]] = {kind.kind: kind for kind in (Constant, Category, Spans, Number, Nearest)}


def number(value: str) -> float | None:
    """The number an encoded value is, or None."""
    if value == ABSENT or not (value[0].isdigit() or value[0] == "-"):
        return None
    try:
        return float(json.loads(value))
    except OverflowError:  # a whole number beyond what a float holds
        return None
