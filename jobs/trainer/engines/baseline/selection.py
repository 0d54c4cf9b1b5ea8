"""Which predictor each field gets: the one that does best on training examples kept from it (cross-validation)."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jobs.trainer.engines.baseline.chain import Learning
from jobs.trainer.engines.baseline.features import Prompts
from jobs.trainer.engines.baseline.marking import is_spannable
from jobs.trainer.engines.baseline.predictors import KINDS, Predictor, number
from jobs.trainer.engines.baseline.shape import Row
from jobs.trainer.engines.baseline.spans import mark

FOLDS = 3
PASSES = 6
SAMPLE = 600  # examples are enough to tell predictors apart
FEW_NUMBERS = 10
READING_BONUS = 0.05
ORDER = ("constant", "category", "spans", "number", "nearest")  # of equals the simplest


class Choice(NamedTuple):
    """One predictor to be trained: its kind, its columns, and how it did on examples it had not seen."""

    kind: str
    columns: list[int]
    score: float


def choose(prompts: Prompts, rows: Sequence[Row], learning: Learning) -> list[Choice]:
    """The predictors that together cover every column, each column once."""
    fixed = [column for column in range(len(rows[0])) if len({row[column] for row in rows}) == 1]
    sample = learning.rng.permutation(len(rows))[:SAMPLE].tolist()
    prompts, rows = prompts.pick(sample), [rows[at] for at in sample]
    offers = [offer for offer in _offers(prompts, rows) if not set(offer[1]) <= set(fixed)]
    scores = _cross_validate(offers, prompts, rows, learning)
    best: dict[int, Choice] = {column: Choice("constant", [column], 1.0) for column in fixed}
    for column in range(len(rows[0])):
        if column in fixed:
            continue
        rivals = [at for at, (_, own) in enumerate(offers) if column in own]
        winner = max(rivals, key=lambda at: _preference(offers[at][0], scores[at][column]))
        best[column] = Choice(*offers[winner], scores[winner][column])
    return _joined(best)


def _preference(kind: str, score: float) -> tuple[float, int]:
    """By score, of equals the simplest. Values read off the prompt are preferred where the difference may be chance:
    they can be ones never seen before, and fields that are read together agree with each other."""
    return score + (READING_BONUS if kind == "spans" else 0), -ORDER.index(kind)


def _joined(best: dict[int, Choice]) -> list[Choice]:
    """One choice for each column, except that columns which were marked together stay together."""
    joined: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for column, choice in best.items():
        group = tuple(choice.columns) if choice.kind == "spans" else (column,)
        joined.setdefault((choice.kind, group), []).append(column)
    return [
        Choice(kind, sorted(columns), float(np.mean([best[column].score for column in columns])))
        for (kind, _), columns in joined.items()
    ]


def _offers(prompts: Prompts, rows: Sequence[Row]) -> list[tuple[str, list[int]]]:
    """Every predictor that makes sense, with its columns."""
    offers = []
    for column in range(len(rows[0])):
        values = Counter(row[column] for row in rows)
        repeated = sum(count for count in values.values() if count > 1)
        offers.append(("nearest", [column]))
        if repeated:
            offers.append(("constant", [column]))
        if repeated >= len(rows) / 2:
            offers.append(("category", [column]))
        if is_numeric([row[column] for row in rows]):
            offers.append(("number", [column]))
    spannable = [column for column in range(len(rows[0])) if is_spannable(prompts, [row[column] for row in rows])]
    return offers + [("spans", group) for group in _disjoint_groups(prompts, rows, spannable)]


def is_numeric(values: Sequence[str]) -> bool:
    """Whether a field is a quantity: nearly all numbers, and more than ten different ones."""
    numbers = [value for value in map(number, values) if value is not None]
    return len(numbers) >= 0.9 * len(values) and len(set(numbers)) > FEW_NUMBERS


def _disjoint_groups(prompts: Prompts, rows: Sequence[Row], columns: Sequence[int]) -> list[list[int]]:
    """Columns that can be marked together: at most one word in twenty of one's values belongs to another too."""
    covered = {column: np.concatenate([marks > 0 for marks in mark(prompts, rows, [column])]) for column in columns}
    groups: list[list[int]] = []
    for column in columns:
        for group in groups:
            taken = np.any([covered[other] for other in group], axis=0)
            if (covered[column] & taken).sum() <= 0.05 * covered[column].sum():
                group.append(column)
                break
        else:
            groups.append([column])
    return groups


def _cross_validate(
    offers: Sequence[tuple[str, list[int]]], prompts: Prompts, rows: Sequence[Row], learning: Learning
) -> list[dict[int, float]]:
    """For each offer its columns' mean score over the folds."""
    scores: list[dict[int, float]] = []
    every = range(len(rows))
    splits = [([at for at in every if at % FOLDS != out], list(every[out::FOLDS])) for out in range(FOLDS)]
    parts = [(prompts.pick(inside), prompts.pick(outside)) for inside, outside in splits]
    for kind, columns in offers:
        totals = dict.fromkeys(columns, 0.0)
        for (inside, outside), (training, held_out) in zip(splits, parts, strict=True):
            predictor = KINDS[kind].begin(columns, training, [rows[at] for at in inside], learning)
            train(predictor, PASSES)
            guesses = predictor.predict(held_out)
            for place, column in enumerate(columns):
                truth = [rows[at][column] for at in outside]
                totals[column] += score(truth, [guess[place] for guess in guesses]) / FOLDS
        scores.append(totals)
    return scores


def train(predictor: Predictor, passes: int) -> None:
    """That many passes."""
    for _ in range(passes):
        predictor.learn()


def score(truth: Sequence[str], guesses: Sequence[str]) -> float:
    """Share of right values; for a quantity, where exact hits are luck, 1 / (1 + mean distance in its own spread)."""
    if not is_numeric(truth):
        return sum(value == guess for value, guess in zip(truth, guesses, strict=True)) / len(truth)
    pairs = [(number(value), number(guess)) for value, guess in zip(truth, guesses, strict=True)]
    known = np.array([(value, guess or 0.0) for value, guess in pairs if value is not None])
    spread = known[:, 0].std() or 1.0
    return float(1 / (1 + np.abs(known[:, 0] - known[:, 1]).mean() / spread))
