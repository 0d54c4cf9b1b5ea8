"""From text to numbers: TF-IDF of a whole prompt, and features of each of its words with their neighbours."""

import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

WORDS = {"ngram_range": (1, 2), "token_pattern": r"(?u)\w+|[^\w\s]", "max_features": 15_000}
LETTERS = {"analyzer": "char_wb", "ngram_range": (3, 5), "max_features": 25_000}
# Chinese and Japanese write no spaces between words, so there each character is a word.
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|\d+|[^\W\d_\u3040-\u30ff\u3400-\u9fff]+|[^\w\s]|_")
LONGEST_RUN = 80
BREAK_AFTER = 40


class Word(NamedTuple):
    """A word, number or mark and where it stands: `text == prompt[start:end]`."""

    text: str
    start: int
    end: int


class Prompts:
    """Prompts with their TF-IDF rows (N, F) and, when someone asks, their words."""

    def __init__(self, texts: Sequence[str], matrix: sparse.csr_matrix) -> None:
        self.texts, self.matrix = list(texts), matrix

    @cached_property
    def words(self) -> list[list[Word]]:
        """The words of each prompt."""
        return [[Word(match.group(), *match.span()) for match in WORD.finditer(text)] for text in self.texts]

    def __len__(self) -> int:
        return len(self.texts)

    def pick(self, chosen: Sequence[int]) -> "Prompts":
        """Some of these prompts, by their positions."""
        return Prompts([self.texts[at] for at in chosen], self.matrix[list(chosen)])


class Reader:
    """Reads prompts with the vocabulary of the training prompts: words and word pairs, and letters 3 to 5 at a time."""

    def __init__(self, vectorizers: list[TfidfVectorizer]) -> None:
        self.vectorizers = vectorizers

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Reader":
        """A reader whose vocabulary comes from `texts`; letters are left out where the texts have no word at all."""
        vectorizers = []
        for options in (WORDS, LETTERS):
            vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **options)
            try:
                vectorizers.append(vectorizer.fit(texts))
            except ValueError:  # the library's "empty vocabulary": prompts of nothing but spaces
                continue
        return cls(vectorizers)

    def read(self, texts: Sequence[str]) -> Prompts:
        """The prompts of these texts."""
        parts = [vectorizer.transform(texts) for vectorizer in self.vectorizers]
        blank = sparse.csr_matrix((len(texts), 1), dtype=np.float32)
        return Prompts(texts, sparse.hstack([*parts, blank], format="csr"))

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {
            "parts": [
                {
                    "letters": vectorizer.analyzer == "char_wb",
                    "terms": vectorizer.get_feature_names_out().tolist(),
                    "idf": vectorizer.idf_,
                }
                for vectorizer in self.vectorizers
            ]
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> "Reader":
        """The reader whose state this is."""
        vectorizers = []
        for part in state["parts"]:
            options = LETTERS if part["letters"] else WORDS
            vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, vocabulary=part["terms"], **options)
            vectorizer.idf_ = part["idf"]
            vectorizers.append(vectorizer)
        return cls(vectorizers)


def runs(text: str, words: Sequence[Word]) -> list[int]:
    """Lengths of the runs into which a prompt's words fall: at a line's end, or after a sentence beyond forty words.

    Labels influence each other within a run only; a long document is many short runs."""
    lengths, length = [], 0
    for word, following in zip(words, [*words, None][1:], strict=True):
        length += 1
        is_line_end = following is not None and "\n" in text[word.end : following.start]
        is_full = length >= LONGEST_RUN or (length >= BREAK_AFTER and word.text in ".!?;")
        if following is None or is_line_end or is_full:
            lengths.append(length)
            length = 0
    return lengths


def word_features(words: Sequence[Word], first: int, after: int) -> list[list[str]]:
    """Features of words `first` to `after - 1`: the word, neighbours, letters, form, how near it is to an end."""
    around = ["<2", "<1", *(word.text for word in words[max(first - 2, 0) : after + 2]), ">1", ">2"]
    lower, forms = [text.lower() for text in around], [form(text) for text in around]
    offset = 2 + min(first, 2) - first
    return [_features(lower, forms, at + offset, min(at, 2), min(len(words) - 1 - at, 3)) for at in range(first, after)]


def _features(lower: list[str], forms: list[str], at: int, from_start: int, to_end: int) -> list[str]:
    word, own = lower[at], forms[at]
    before, after = lower[at - 1], lower[at + 1]
    return [
        "any",
        *(f"word{step}={lower[at + step]}" for step in (-2, -1, 0, 1, 2)),
        *(f"form{step}={forms[at + step]}" for step in (-1, 0, 1)),
        *(f"begin={word[:size]}" for size in (1, 2, 3)),
        *(f"end{size}={word[-size:]}" for size in (1, 2, 3, 4)),
        f"pair-={before} {word}",
        f"pair+={word} {after}",
        f"before={lower[at - 2]} {before}",
        f"forms-={forms[at - 1]} {own}",
        f"forms+={own} {forms[at + 1]}",
        f"before,form={before} {own}",
        f"after,form={after} {own}",
        f"length={min(len(word), 8)}",
        f"from start={from_start}",
        f"to end={to_end}",
    ]


@lru_cache(10_000)
def form(word: str) -> str:
    """`Oslo` is `Xx`, `GA` is `X`, `1984` is `9`: capitals, small letters, digits, everything else as it is."""
    kinds = ("X" if c.isupper() else "x" if c.isalpha() else "9" if c.isdigit() else c for c in word[:12])
    return "".join(kind for kind, _ in groupby(kinds))
