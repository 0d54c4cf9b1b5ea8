"""The thread that has the model to itself: it answers all that wait for the same adapter together, token by token.

A step of a small model costs nearly the same for eight answers as for one, as its weights are read once for all.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor

from jobs.trainer.engines.lora.talking import Talk
from jobs.trainer.errors import places

logger = logging.getLogger(__name__)

MOST_TOGETHER = 8


class Decoder:
    """Works off talks, batch by batch, in the order in which they came."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._adapted: Any = None  # the same model with its adapters, once there is one
        self._unused: deque[str] = deque()
        self._waiting: deque[tuple[Talk, str | None]] = deque()
        self._changed = threading.Condition()
        self._free = threading.Lock()
        threading.Thread(target=self._work, daemon=True, name="decoder").start()

    def put(self, talk: Talk, adapter: str | None) -> None:
        """Have an answer made; its pieces come from another thread."""
        with self._changed:
            self._waiting.append((talk, adapter))
            self._changed.notify()

    def add(self, adapter: str, folder: Path) -> None:
        """Load an adapter, between two batches."""
        with self._free:
            if self._adapted is None:
                self._adapted = PeftModel.from_pretrained(self.model, str(folder), adapter_name=adapter).eval()
            else:
                self._adapted.load_adapter(str(folder), adapter_name=adapter)

    def remove(self, adapter: str) -> None:
        """Forget an adapter, after those that wait for it. Does not wait: it is called wherever a model is let go."""
        with self._changed:
            self._unused.append(adapter)

    def _work(self) -> None:
        while True:
            adapter, talks = self._next()
            with self._free:
                try:
                    with self._using(adapter):
                        self._answer(talks)
                    self._tidy()
                except Exception as error:  # noqa: BLE001 - the thread's boundary: those who wait must be told, and others served
                    logger.error("answering failed with %s", places(error))
                    for talk in talks:
                        talk.fail(error)

    def _next(self) -> tuple[str | None, list[Talk]]:
        """The one that waits longest, and those that can go with it."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            adapter = self._waiting[0][1]
            together = [pair for pair in self._waiting if pair[1] == adapter][:MOST_TOGETHER]
            for pair in together:
                self._waiting.remove(pair)
        return adapter, [talk for talk, _ in together]

    def _using(self, adapter: str | None) -> AbstractContextManager[None]:
        if self._adapted is not None and adapter is None:
            without: AbstractContextManager[None] = self._adapted.disable_adapter()
            return without
        if self._adapted is not None:
            self._adapted.set_adapter(adapter)
        return nullcontext()

    def _tidy(self) -> None:
        """The last adapter stays: peft keeps one, and it is small."""
        with self._changed:
            needed = {adapter for _, adapter in self._waiting}
            while self._unused and len(self._adapted.peft_config) > 1 and self._unused[0] not in needed:
                self._adapted.delete_adapter(self._unused.popleft())

    @torch.inference_mode()
    def _answer(self, talks: Sequence[Talk]) -> None:
        ids, mask = self._padded([talk.prompt for talk in talks])
        cache = None
        while talks:
            read = self.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=(mask.cumsum(-1) - 1).clamp_min(0)[:, -ids.shape[1] :],
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache = read.past_key_values
            taken = [talk.take(scores) for talk, scores in zip(talks, read.logits[:, -1], strict=True)]
            going = [row for row, token in enumerate(taken) if token is not None]
            if len(going) < len(talks):
                talks = [talks[row] for row in going]
                rows = torch.tensor(going, dtype=torch.long, device=mask.device)
                mask = mask[rows]
                if talks:
                    cache.batch_select_indices(rows)
            ids = torch.tensor([[taken[row]] for row in going], device=mask.device)
            mask = torch.cat([mask, mask.new_ones(len(going), 1)], dim=1)

    def _padded(self, prompts: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
        """On the left, so that all answers begin at the same place."""
        longest = max(map(len, prompts))
        ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        return ids.to(self.model.device), mask.to(self.model.device)
