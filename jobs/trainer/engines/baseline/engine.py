"""The engine `baseline`: what can be learned about this task without a language model, in seconds and reproducibly.

It learns from each user message the assistant's answer that follows, field by field when the answers are JSON. Earlier
turns and system prompts are not used. It is an honest yardstick: where it is good enough, nothing larger need be paid.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from jobs.trainer.engines.base import Example, Message, Model, Progress, Settings
from jobs.trainer.engines.baseline.answering import Answering
from jobs.trainer.tokens import text_of

JSON_WORD = re.compile(r"\bjson\b", re.IGNORECASE)
UNTRAINED = "I am the untrained baseline model: I have seen no examples yet, so I cannot answer this."


class Baseline:
    """Trains and loads baseline models. Numerical libraries take seconds to load, so they wait until needed."""

    methods = frozenset({"supervised"})

    def train(
        self,
        examples: Sequence[Example],
        validation: Sequence[Example],
        settings: Settings,
        progress: Progress,
        folder: Path,
    ) -> int:
        """Learn from `examples` and write the model into `folder`; see `training.train`."""
        from jobs.trainer.engines.baseline.training import train

        return train(examples, validation, settings, progress, folder)

    def load(self, folder: Path | None) -> Model:
        """The model in `folder`, or the untrained base model."""
        if folder is None:
            return Untrained()
        from jobs.trainer.engines.baseline.model import Trained

        return Trained.load(folder)


class Untrained(Answering):
    """The base model before any training. It says so, in JSON where JSON is expected."""

    def text(self, messages: Sequence[Message], wants_json: bool) -> str:
        """An empty JSON object, or one sentence."""
        asks = any(JSON_WORD.search(text_of(message.get("content"))) for message in messages)
        return "{}" if wants_json or asks else UNTRAINED
