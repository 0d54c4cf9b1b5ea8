"""One answer in the making: which token comes next, and what text it adds."""

import queue
import secrets
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from jobs.trainer.engines.base import Asked, Piece
from jobs.trainer.engines.lora.json_prefix import JsonPrefix

HALF = "\ufffd"  # what a decoder shows for a part of a character
FIRST = 64  # so many of the likeliest tokens are looked at before all of them are sorted


class Talk:
    """Takes the model's scores for the next token, chooses one, and hands its text to whoever reads `pieces`.

    The last thing in `pieces` is None, or the error that ended it."""

    def __init__(self, tokenizer: Any, ends: frozenset[int], context: int, ids: list[int], asked: Asked) -> None:
        self.tokenizer, self.ends, self.context, self.asked = tokenizer, ends, context, asked
        self.prompt, self.made = ids, list[int]()
        self.pieces: queue.SimpleQueue[Piece | BaseException | None] = queue.SimpleQueue()
        self.is_left = False
        self._shown = self._known = 0  # tokens whose text is out, and where the comparison begins
        self._json = JsonPrefix() if asked.wants_json else None
        self._chance = torch.Generator().manual_seed(secrets.randbits(62) if asked.seed is None else asked.seed)

    def take(self, logits: Tensor) -> int | None:
        """The next token for these scores over the vocabulary; None when the answer is over."""
        if self.is_left:
            return None
        logits = logits.float().cpu()
        for token in self._in_order(self._scores(logits)):
            is_end, text = token in self.ends, ""
            if not is_end:
                text = self._text_with(token)
            if self._json is None or self._fits(is_end, text):
                break
        else:
            is_end = True
        if is_end:
            self.pieces.put(None)
            return None
        return self._go_on(token, text, logits)

    def fail(self, error: BaseException) -> None:
        """No more comes."""
        self.pieces.put(error)

    def _go_on(self, token: int, text: str, logits: Tensor) -> int | None:
        is_whole = not text.endswith(HALF)
        self.made.append(token)
        if is_whole:
            self._known, self._shown = self._shown, len(self.made)
            self._json = self._json and self._json.after(text)
        is_full = len(self.prompt) + len(self.made) >= self.context
        self.pieces.put(self._piece(token, text if is_whole else "", logits, is_full))
        if is_full or (self._json and self._json.is_complete):
            self.pieces.put(None)
            return None
        return token

    def _scores(self, logits: Tensor) -> Tensor:
        """The highest score is the choice. With a temperature chance has its part: Gumbel noise makes the order of the
        scores a draw without replacement, so that the second in it is what would be drawn were the first not there."""
        if self.asked.temperature == 0:
            return logits
        scores = (logits / self.asked.temperature).log_softmax(-1)
        if self.asked.top_p < 1:
            ordered, places = scores.sort(descending=True)
            beyond = ordered.exp().cumsum(-1) - ordered.exp() > self.asked.top_p
            scores = scores.index_fill(0, places[beyond], -torch.inf)
        noise = torch.rand(scores.shape, generator=self._chance).clamp_min(1e-20)
        return scores - (-noise.log()).log()

    def _in_order(self, scores: Tensor) -> Iterator[int]:
        """Tokens, best first."""
        first = scores.topk(min(FIRST, len(scores))).indices.tolist()
        yield from first
        yield from scores.argsort(descending=True).tolist()[len(first) :]

    def _fits(self, is_end: bool, text: str) -> bool:
        """Whether the answer stays the beginning of a JSON object. A part of a character can only be in a string."""
        assert self._json is not None
        if is_end:
            return False  # a whole object ends the answer by itself
        if text.endswith(HALF):
            return self._json.wants == "string" and not self._json.word
        return bool(text) and self._json.after(text) is not None

    def _text_with(self, token: int) -> str:
        """The text that `token` adds, with that of tokens before it that were only part of a character."""
        known = self._decode(self.made[self._known : self._shown])
        return self._decode([*self.made[self._known :], token])[len(known) :]

    def _piece(self, token: int, text: str, logits: Tensor, is_cut: bool) -> Piece:
        if self.asked.top_logprobs is None:
            return Piece(text, is_cut=is_cut)
        logprobs = logits.log_softmax(-1)
        best = logprobs.topk(self.asked.top_logprobs)
        likeliest = [
            (self._decode([other]), value)
            for other, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]
        return Piece(text, logprobs[token].item(), likeliest, is_cut)

    def _decode(self, ids: list[int]) -> str:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True)
        return text
