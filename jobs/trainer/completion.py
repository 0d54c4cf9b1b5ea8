"""From a model's pieces to a chat completion: where an answer ends, and how it is written down whole or in chunks."""

from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain

from jobs.trainer.engines.base import Asked, Model, Piece
from jobs.trainer.reading import Body
from jobs.trainer.store import new_id, now


class Choice:
    """One answer in the making: iterate once, then ask for its reason to end. `close` stops the model."""

    def __init__(self, index: int, model: Model, asked: Asked, stops: list[str], most: int | None) -> None:
        """Waits for the first piece, so that a refusal comes before an answer has begun."""
        self.index, self.stops, self.most = index, stops, most or model.longest
        self.reason, self.tokens = "stop", 0
        self._made = model.answer(asked)
        first = next(self._made, None)
        self._pieces = chain([] if first is None else [first], self._made)

    def __iter__(self) -> Iterator[Piece]:
        for piece in self._until_it_ends():
            self.tokens += 1
            if piece.is_cut:
                self.reason = "length"
            yield piece

    def close(self) -> None:
        """Let the model go on with something else."""
        with suppress(AttributeError):  # not every iterator is a generator
            self._made.close()  # type: ignore[attr-defined]

    def _until_it_ends(self) -> Iterator[Piece]:
        held: list[Piece] = []  # what may turn out to be the beginning of a stop text
        text = ""
        for number, piece in enumerate(self._pieces):
            if number == self.most:
                self.reason = "length"
                break
            held.append(piece)
            text += piece.text
            if found := [at for stop in self.stops if (at := text.find(stop)) >= 0]:
                held = _before(held, min(found))
                break
            while held and len(text) - len(held[0].text) >= self._may_begin_a_stop(text):
                text = text[len(held[0].text) :]
                yield held.pop(0)
        yield from held

    def _may_begin_a_stop(self, text: str) -> int:
        """How many letters at the end of `text` are the beginning of a stop text."""
        return max(
            (size for stop in self.stops for size in range(1, len(stop)) if text.endswith(stop[:size])), default=0
        )


def _before(pieces: list[Piece], end: int) -> list[Piece]:
    """The pieces of the first `end` letters; the last of them may be cut."""
    kept: list[Piece] = []
    for piece in pieces:
        if end <= 0:
            break
        kept.append(replace(piece, text=piece.text[:end]))
        end -= len(piece.text)
    return kept


class Completion:
    """What all choices and chunks of one answer share. `wanted` is the checked request."""

    def __init__(self, wanted: Body, prompt_tokens: int, has_logprobs: bool) -> None:
        self.prompt_tokens, self.has_logprobs = prompt_tokens, has_logprobs
        self.head = {"id": new_id("chatcmpl-"), "created": now(), "model": wanted["model"], "system_fingerprint": None}

    def whole(self, choices: Iterator[Choice]) -> Body:
        """The completion as one object."""
        written, tokens = [], 0
        for choice in choices:
            pieces = list(choice)
            text = "".join(piece.text for piece in pieces)
            written.append(
                {
                    "index": choice.index,
                    "message": {"role": "assistant", "content": text, "refusal": None, "annotations": []},
                    "logprobs": self._logprobs(pieces),
                    "finish_reason": choice.reason,
                }
            )
            tokens += choice.tokens
            choice.close()
        return {**self.head, "object": "chat.completion", "choices": written, "usage": self._usage(tokens)}

    def chunks(self, choices: Iterator[Choice], include_usage: bool) -> Generator[Body, None, None]:
        """The completion chunk by chunk: role, text piece by piece, reason, and usage if wanted."""
        head = {**self.head, "object": "chat.completion.chunk"} | ({"usage": None} if include_usage else {})
        tokens = 0

        def chunk(choice: Choice, delta: Body, logprobs: Body | None = None, reason: str | None = None) -> Body:
            part = {"index": choice.index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
            return {**head, "choices": [part]}

        for choice in choices:
            try:
                yield chunk(choice, {"role": "assistant", "content": "", "refusal": None})
                for piece in choice:
                    yield chunk(choice, {"content": piece.text}, self._logprobs([piece]))
                yield chunk(choice, {}, reason=choice.reason)
                tokens += choice.tokens
            finally:
                choice.close()
        if include_usage:
            yield {**head, "choices": [], "usage": self._usage(tokens)}

    def _usage(self, tokens: int) -> Body:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": tokens,
            "total_tokens": self.prompt_tokens + tokens,
        }

    def _logprobs(self, pieces: list[Piece]) -> Body | None:
        if not self.has_logprobs:
            return None
        content = [
            {
                **_token(piece.text, piece.logprob or 0.0),
                "top_logprobs": [_token(text, value) for text, value in piece.likeliest],
            }
            for piece in pieces
        ]
        return {"content": content, "refusal": None}


def _token(text: str, logprob: float) -> Body:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode("utf-8", "replace"))}
