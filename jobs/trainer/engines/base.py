"""What the trainer asks of an engine, and nothing of how an engine works.

An engine learns from examples and writes a folder; later it loads that folder and answers messages. It knows no HTTP
and no database, so another engine is one more class behind the same methods.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Message = dict[str, Any]
Example = dict[str, Any]


class TrainingFailed(Exception):
    """The engine cannot learn from this; `code` and the sentence end up in the job's `error`."""

    def __init__(self, message: str, code: str = "training_failed", param: str | None = "training_file") -> None:
        super().__init__(message)
        self.code, self.param = code, param


class Paused(Exception):
    """Training was put down at somebody's wish, with all that is needed to go on in the state folder."""


class NotAnswerable(Exception):
    """The model is sound but cannot answer in the form the caller demands; `param` names what stands in the way."""

    def __init__(self, message: str, param: str = "response_format") -> None:
        super().__init__(message)
        self.param = param


class TooLong(Exception):
    """The messages do not fit into the model's context."""

    def __init__(self, limit: int, tokens: int) -> None:
        super().__init__(f"{tokens} of at most {limit} tokens")
        self.limit, self.tokens = limit, tokens


class EngineMissing(Exception):
    """The engine's packages or its model are not on this machine; the message says how to get them."""


@dataclass(frozen=True)
class Settings:
    """Hyperparameters as ordered; None stands for "auto" and is the engine's to choose. `beta` belongs to DPO."""

    seed: int
    method: str = "supervised"
    n_epochs: int | None = None
    batch_size: int | None = None
    learning_rate_multiplier: float | None = None
    beta: float | None = None


class Progress(Protocol):
    """What an engine reports while it trains, and what it may ask."""

    state: Path
    """A folder that survives an interruption. What is in it at the start was left by this same job."""

    def message(self, text: str, level: str = "info") -> None:
        """One sentence for the job's event list."""

    def settled(self, hyperparameters: dict[str, int | float]) -> None:
        """The hyperparameters that "auto" became, once, before the first step."""

    def step(self, number: int, total: int, metrics: dict[str, float]) -> None:
        """One step of `total` is over."""

    def checkpoint(self, number: int, save: Callable[[Path], None]) -> None:
        """The model after step `number` may be kept; `save` writes it as it stands now into an empty folder."""

    def saved(self) -> None:
        """All steps so far could be gone on from, were the process to end now."""

    def resumed(self, number: int) -> None:
        """Training goes on after step `number`; what an earlier process reported beyond it is forgotten."""

    def is_pause_wanted(self) -> bool:
        """Whether to save and raise Paused; asked between steps by engines whose training takes more than seconds."""


@dataclass(frozen=True)
class Asked:
    """One request for an answer. `top_logprobs` is None where no probabilities are wanted."""

    messages: Sequence[Message]
    wants_json: bool = False
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    top_logprobs: int | None = None


@dataclass(frozen=True)
class Piece:
    """One token of an answer: its text, its log probability, and the likeliest tokens in its place with theirs.

    Some tokens are part of a character: their text is empty until the character is complete."""

    text: str
    logprob: float | None = None
    likeliest: Sequence[tuple[str, float]] = ()
    is_cut: bool = False  # the model's context is full


class Model(Protocol):
    """Something that answers."""

    has_logprobs: bool
    """Whether pieces carry probabilities."""

    longest: int | None
    """Tokens after which an answer ends where the caller names no limit."""

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens of the messages, as this model reads them. Raises TooLong."""

    def answer(self, asked: Asked) -> Iterator[Piece]:
        """The assistant's answer, token by token, made while it is read: whoever has enough stops reading.

        Raises NotAnswerable and TooLong before the first piece."""


class Engine(Protocol):
    """Something that learns."""

    methods: frozenset[str]
    """Of OpenAI's methods of fine-tuning, those it knows: "supervised", "dpo"."""

    def train(
        self,
        examples: Sequence[Example],
        validation: Sequence[Example],
        settings: Settings,
        progress: Progress,
        folder: Path,
    ) -> int:
        """Learn from `examples`, measure on `validation` (may be empty), write the model into the empty `folder`.

        Returns how many tokens were trained on. The same examples and settings give the same model. Raises
        TrainingFailed, Paused and EngineMissing."""

    def load(self, folder: Path | None) -> Model:
        """The model in `folder`, or the untrained base model for None. Raises EngineMissing."""
