"""The trained model: reads the last user message, predicts each field, writes an answer like the training answers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jobs.trainer.engines.base import Message, NotAnswerable
from jobs.trainer.engines.baseline import folder as folders
from jobs.trainer.engines.baseline.answering import Answering
from jobs.trainer.engines.baseline.features import Prompts, Reader
from jobs.trainer.engines.baseline.predictors import KINDS, Predictor
from jobs.trainer.engines.baseline.shape import Row, Shape
from jobs.trainer.tokens import text_of


class Trained(Answering):
    """A shape, a reader, and predictors that together give one value for each field."""

    def __init__(self, shape: Shape, reader: Reader, predictors: Sequence[Predictor]) -> None:
        self.shape, self.reader, self.predictors = shape, reader, predictors

    def text(self, messages: Sequence[Message], wants_json: bool) -> str:
        """The answer to the last user message."""
        if wants_json and not self.shape.is_json:
            raise NotAnswerable("This model learned to answer in plain text, so it cannot promise a JSON object.")
        return self.shape.decode(self.predict(self.reader.read([last_user_text(messages)]))[0])

    def learn(self) -> None:
        """One pass over the training prompts for every predictor."""
        for predictor in self.predictors:
            predictor.learn()

    def predict(self, prompts: Prompts) -> list[Row]:
        """The encoded values of all fields for each prompt."""
        rows = [[""] * len(self.shape.paths) for _ in prompts.texts]
        for predictor in self.predictors:
            for row, values in zip(rows, predictor.predict(prompts), strict=True):
                for column, value in zip(predictor.columns, values, strict=True):
                    row[column] = value
        return rows

    def measure(self, prompts: Prompts, rows: Sequence[Row]) -> tuple[float, float]:
        """Mean loss for each field in nats, and the share of fields that are right."""
        losses = np.sum([predictor.losses(prompts, rows) for predictor in self.predictors], axis=0)
        is_right = np.array(rows, object) == np.array(self.predict(prompts), object)
        return float(losses.mean()) / len(rows[0]), float(is_right.mean())

    def save(self, folder: Path) -> None:
        """Write the model into `folder`."""
        predictors = [{"kind": predictor.kind, "state": predictor.state()} for predictor in self.predictors]
        state = {"version": 1, "shape": self.shape.state(), "reader": self.reader.state(), "predictors": predictors}
        folders.save(state, folder)

    @classmethod
    def load(cls, folder: Path) -> "Trained":
        """The model in `folder`."""
        state: dict[str, Any] = folders.load(folder)
        predictors = [KINDS[part["kind"]].restore(part["state"]) for part in state["predictors"]]
        return cls(Shape.restore(state["shape"]), Reader.restore(state["reader"]), predictors)


def last_user_text(messages: Sequence[Message]) -> str:
    """The last user message's text; without one the last message's, without any the empty text."""
    by_user = [message for message in messages if message.get("role") == "user"]
    last = (by_user or list(messages))[-1:]
    return text_of(last[0].get("content")) if last else ""
