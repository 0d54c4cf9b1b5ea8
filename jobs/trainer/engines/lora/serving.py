"""Tuned models that answer: one base model in memory, and beside it the small adapters of those that are in use."""

import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import count as counter
from pathlib import Path
from typing import Any

import torch

from jobs.trainer.engines.base import Asked, Message, Piece, TooLong
from jobs.trainer.engines.lora import weights
from jobs.trainer.engines.lora.conversations import Writer
from jobs.trainer.engines.lora.decoding import Decoder
from jobs.trainer.engines.lora.talking import Talk

_numbers = counter(1)
_loading = threading.Lock()


class Serving:
    """A base model with one adapter, or with none."""

    has_logprobs: bool = True
    longest: int | None = int(os.environ.get("CURATION_TRAINER_MAX_TOKENS") or 256)

    def __init__(self, base: "_Base", adapter: str | None) -> None:
        self.base, self.adapter = base, adapter

    @classmethod
    def load(cls, path: str, folder: Path | None) -> "Serving":
        """The model at `path` with the adapter in `folder`; it is dropped when nobody holds this object any more."""
        with _loading:
            base = _base(path)
        if folder is None:
            return cls(base, None)
        adapter = f"adapter_{next(_numbers)}"
        base.decoder.add(adapter, folder)
        served = cls(base, adapter)
        weakref.finalize(served, base.decoder.remove, adapter).atexit = False
        return served

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens of the messages as the model's template writes them. Raises TooLong."""
        return len(self._read(messages))

    def answer(self, asked: Asked) -> Iterator[Piece]:
        """Tokens as they are made. Whoever stops reading stops the model."""
        talk = Talk(self.base.tokenizer, self.base.ends, self.base.context, self._read(asked.messages), asked)
        self.base.decoder.put(talk, self.adapter)
        try:
            while (piece := talk.pieces.get()) is not None:
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
        finally:
            talk.is_left = True

    def _read(self, messages: Sequence[Message]) -> list[int]:
        ids = self.base.writer.prompt(messages)
        if len(ids) >= self.base.context:
            raise TooLong(self.base.context, len(ids))
        return ids


class _Base:
    """One model that all its adapters share."""

    def __init__(self, path: str) -> None:
        weights.take_threads()
        self.tokenizer, model = weights.load(path)
        self.context: int = model.config.max_position_embeddings
        self.writer = Writer(self.tokenizer, self.context)
        self.ends = _ends(self.tokenizer, model)
        self.decoder = Decoder(model.to(torch.bfloat16 if weights.has_bf16() else torch.float32).eval())


@cache
def _base(path: str) -> _Base:
    return _Base(path)


def _ends(tokenizer: Any, model: Any) -> frozenset[int]:
    """The tokens that end an answer."""
    said = model.generation_config.eos_token_id
    found = {tokenizer.eos_token_id, *(said if isinstance(said, list) else [said])}
    return frozenset(token for token in found if token is not None)
