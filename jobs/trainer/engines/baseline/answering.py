"""The form in which this engine's models answer: a whole text, given out token by token, without probabilities."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from jobs.trainer.engines.base import Asked, Message, Piece, TooLong
from jobs.trainer.tokens import CONTEXT_TOKENS, count, pieces


class Answering(ABC):
    """A model with a `text`."""

    has_logprobs: bool = False
    longest: int | None = None

    @abstractmethod
    def text(self, messages: Sequence[Message], wants_json: bool) -> str:
        """The answer to the last user message. Raises NotAnswerable."""

    def count(self, messages: Sequence[Message]) -> int:
        """Words, numbers and punctuation marks. Raises TooLong."""
        tokens = count(messages)
        if tokens > CONTEXT_TOKENS:
            raise TooLong(CONTEXT_TOKENS, tokens)
        return tokens

    def answer(self, asked: Asked) -> Iterator[Piece]:
        """The answer's tokens. The engine is deterministic: temperature and the like change nothing."""
        return map(Piece, pieces(self.text(asked.messages, asked.wants_json)))
