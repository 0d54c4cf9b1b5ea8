"""Fields whose values stand in the prompt: each word is marked as outside, beginning or inside one field's value.

Fields whose values do not overlap are marked together, so that a word taken for the city is no longer free to be the
country.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, ClassVar, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from scipy import sparse

from jobs.trainer.engines.baseline.chain import Batch, Chain, Floats, Ints, Learning
from jobs.trainer.engines.baseline.features import Prompts, runs, word_features
from jobs.trainer.engines.baseline.marking import Writing, find, wanted
from jobs.trainer.engines.baseline.shape import Row

DROPOUT = 0.5
EMPTY_RUNS = 3  # runs without any value that are learned from, for each run with one


class Run(NamedTuple):
    """Words `first` to `after - 1` of prompt number `owner`."""

    owner: int
    first: int
    after: int


class Spans:
    """Marks the values of its columns with one chain; label 0 is outside, then begin and inside for each column."""

    kind: ClassVar[str] = "spans"
    _training: Batch
    _learning: Learning

    def __init__(self, columns: list[int], writings: list[Writing], vocabulary: dict[str, int], chain: Chain) -> None:
        self.columns, self.writings, self.vocabulary, self.chain = columns, writings, vocabulary, chain
        self._matrices: WeakKeyDictionary[Prompts, sparse.csr_matrix] = WeakKeyDictionary()

    @classmethod
    def begin(cls, columns: list[int], prompts: Prompts, rows: Sequence[Row], learning: Learning) -> "Spans":
        """Collect words, features and labels of the training prompts; no weight is learned yet."""
        writings = [Writing.of(prompts, [row[column] for row in rows]) for column in columns]
        gold = mark(prompts, rows, columns)
        chosen = _worth_learning(_runs(prompts), gold, learning.rng)
        names = _names(prompts, chosen)
        vocabulary = {name: at for at, name in enumerate(dict.fromkeys(name for word in names for name in word))}
        self = cls(columns, writings, vocabulary, Chain.blank(len(vocabulary), 1 + 2 * len(columns)))
        labels = np.concatenate([gold[run.owner][run.first : run.after] for run in chosen])
        self._training = self._matrix(names), _lengths(chosen), labels
        self._learning = learning
        return self

    def learn(self) -> None:
        """One pass over the training prompts."""
        self.chain.learn(self._training, self._learning, DROPOUT)

    def predict(self, prompts: Prompts) -> list[Row]:
        """The encoded values of the columns for each prompt."""
        found: list[list[list[tuple[str, float]]]] = [[[] for _ in self.columns] for _ in prompts.texts]
        every = _runs(prompts)
        if every:
            labels, chances = self.chain.decode(self._read(prompts), _lengths(every))
            _collect(prompts, every, labels, chances, found)
        return [
            [writing.write(marked) for writing, marked in zip(self.writings, columns, strict=True)] for columns in found
        ]

    def losses(self, prompts: Prompts, rows: Sequence[Row]) -> Floats:
        """(N,) minus the log probability of the true marks of each prompt, in nats."""
        losses = np.zeros(len(prompts))
        every = _runs(prompts)
        if every:
            gold = mark(prompts, rows, self.columns)
            labels = np.concatenate([gold[run.owner][run.first : run.after] for run in every])
            np.add.at(
                losses, [run.owner for run in every], self.chain.losses(self._read(prompts), _lengths(every), labels)
            )
        return losses

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {
            "columns": self.columns,
            "writings": [asdict(writing) for writing in self.writings],
            "vocabulary": list(self.vocabulary),
            "chain": self.chain.state(),
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> "Spans":
        """The predictor whose state this is."""
        vocabulary = {name: at for at, name in enumerate(state["vocabulary"])}
        writings = [Writing(**writing) for writing in state["writings"]]
        return cls(state["columns"], writings, vocabulary, Chain(**state["chain"]))

    def _read(self, prompts: Prompts) -> sparse.csr_matrix:
        """Features of all words of these prompts; kept while someone holds the prompts, for they are measured often."""
        if prompts not in self._matrices:
            self._matrices[prompts] = self._matrix(_names(prompts, _runs(prompts)))
        return self._matrices[prompts]

    def _matrix(self, names: Sequence[Sequence[str]]) -> sparse.csr_matrix:
        known = [[self.vocabulary[name] for name in word if name in self.vocabulary] for word in names]
        ends = np.cumsum([0, *map(len, known)])
        places = np.fromiter((place for word in known for place in word), np.int32, ends[-1])
        return sparse.csr_matrix((np.ones(len(places), np.float32), places, ends), (len(known), len(self.vocabulary)))


def mark(prompts: Prompts, rows: Sequence[Row], columns: Sequence[int]) -> list[Ints]:
    """The true labels of each prompt's words. Where values overlap, the earlier column and the earlier place win."""
    marks = []
    for text, words, row in zip(prompts.texts, prompts.words, rows, strict=True):
        labels = np.zeros(len(words), int)
        for place, column in enumerate(columns):
            for target in wanted(row[column]):
                for first, after in find(text, words, target):
                    if not labels[first:after].any():
                        labels[first:after] = 2 + 2 * place
                        labels[first] = 1 + 2 * place
        marks.append(labels)
    return marks


def _runs(prompts: Prompts) -> list[Run]:
    every = []
    for owner, (text, words) in enumerate(zip(prompts.texts, prompts.words, strict=True)):
        first = 0
        for length in runs(text, words):
            every.append(Run(owner, first, first + length))
            first += length
    return every


def _worth_learning(every: list[Run], gold: list[Ints], rng: np.random.Generator) -> list[Run]:
    """All runs with a value in them and a few without: long documents are mostly without and would drown the rest."""
    full = [bool(gold[run.owner][run.first : run.after].any()) for run in every]
    empty = [at for at, is_full in enumerate(full) if not is_full]
    kept = set(rng.permutation(empty)[: EMPTY_RUNS * sum(full)].tolist())
    return [run for at, run in enumerate(every) if full[at] or at in kept]


def _names(prompts: Prompts, chosen: Sequence[Run]) -> list[list[str]]:
    return [names for run in chosen for names in word_features(prompts.words[run.owner], run.first, run.after)]


def _lengths(chosen: Sequence[Run]) -> Ints:
    return np.array([run.after - run.first for run in chosen])


def _collect(
    prompts: Prompts, every: Sequence[Run], labels: Ints, chances: Floats, found: list[list[list[tuple[str, float]]]]
) -> None:
    """Put each marked text, with its least sure word's probability, into `found[prompt][column]`."""
    at = 0
    for run in every:
        words, size = prompts.words[run.owner], run.after - run.first
        marks = labels[at : at + size]
        for begin in np.flatnonzero(marks % 2 == 1):
            end = begin + 1
            while end < size and marks[end] == marks[begin] + 1:
                end += 1
            text = prompts.texts[run.owner][words[run.first + begin].start : words[run.first + end - 1].end]
            found[run.owner][marks[begin] // 2].append((text, float(chances[at + begin : at + end].min())))
        at += size
