"""Regions of prompts: groups that share words, found in a sample and named by the words that set them apart. Pure."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST_REGIONS = 24
ROWS_EACH = 12  # a region should stand for so many rows of the sample at least
WORDS, NAMING = 3000, 3


@dataclass(frozen=True)
class Regions:
    """Numbered from 1. What holds no known word belongs to the last, which has no words of its own."""

    words: list[str]
    weights: np.ndarray  # (words,) float32, how telling each is
    centres: np.ndarray  # (regions, words) float32, each of length 1
    names: list[str]

    @property
    def other(self) -> int:
        return len(self.names) + 1

    def name(self, region: int) -> str:
        return self.names[region - 1] if 0 < region <= len(self.names) else "other"

    def place(self, texts: Sequence[str]) -> list[int]:
        """The region of each text."""
        matrix = _vectors(self.words, self.weights, texts)
        likeness = np.asarray(matrix @ self.centres.T)
        nearest = likeness.argmax(axis=1)
        return [int(place) + 1 if row[place] > 0 else self.other for place, row in zip(nearest, likeness, strict=True)]

    def as_json(self) -> dict[str, Any]:
        packed = {name: base64.b64encode(getattr(self, name).tobytes()).decode() for name in ("weights", "centres")}
        return {"words": self.words, "names": self.names, **packed}

    @classmethod
    def of_json(cls, stored: dict[str, Any]) -> "Regions":
        weights, centres = (
            np.frombuffer(base64.b64decode(stored[name]), dtype=np.float32) for name in ("weights", "centres")
        )
        return cls(stored["words"], weights, centres.reshape(-1, len(stored["words"])), stored["names"])


def find_regions(texts: Sequence[str]) -> Regions | None:
    """Group a sample of prompts by their words; None where they are too few or share none."""
    from sklearn.cluster import MiniBatchKMeans  # takes a second to load, and only a worker needs it
    from sklearn.feature_extraction.text import TfidfVectorizer

    count = min(MOST_REGIONS, len(texts) // ROWS_EACH)
    if count < 2:
        return None
    # Words in more than half of the prompts tell nothing apart.
    reader = TfidfVectorizer(max_features=WORDS, min_df=2, max_df=0.5, sublinear_tf=True, dtype=np.float32)
    try:
        matrix = reader.fit_transform(texts)
    except ValueError:  # not one word is left
        return None
    groups = MiniBatchKMeans(count, random_state=0, n_init=3, batch_size=1024).fit(matrix)
    centres = groups.cluster_centers_.astype(np.float32)
    lengths = np.linalg.norm(centres, axis=1, keepdims=True)
    centres = (centres / np.where(lengths, lengths, 1))[lengths[:, 0] > 0]
    words = [str(word) for word in reader.get_feature_names_out()]
    return Regions(words, reader.idf_.astype(np.float32), centres, _names(words, centres))


def _vectors(words: list[str], weights: np.ndarray, texts: Sequence[str]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    reader = TfidfVectorizer(vocabulary=words, sublinear_tf=True, dtype=np.float32)
    reader.idf_ = weights
    return reader.transform(texts)


def _names(words: list[str], centres: np.ndarray) -> list[str]:
    """The words in which a region is most unlike the others together."""
    apart = centres - centres.mean(axis=0)
    return [", ".join(words[place] for place in row.argsort()[::-1][:NAMING] if row[place] > 0) for row in apart]
