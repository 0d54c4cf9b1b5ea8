"""The engine itself. Its libraries take seconds to load, so they wait until there is something to train or answer."""

from collections.abc import Sequence
from pathlib import Path

from jobs.trainer.engines.base import Example, Model, Progress, Settings


class Lora:
    """Trains and loads adapters of the language model at `path`."""

    methods = frozenset({"supervised", "dpo"})

    def __init__(self, path: str) -> None:
        self.path = path

    def train(
        self,
        examples: Sequence[Example],
        validation: Sequence[Example],
        settings: Settings,
        progress: Progress,
        folder: Path,
    ) -> int:
        """Learn an adapter from `examples` into `folder`; see `training.train`."""
        from jobs.trainer.engines.lora.training import train

        return train(self.path, examples, validation, settings, progress, folder)

    def load(self, folder: Path | None) -> Model:
        """The base model with the adapter in `folder`, or the base model alone."""
        from jobs.trainer.engines.lora.serving import Serving

        return Serving.load(self.path, folder)
