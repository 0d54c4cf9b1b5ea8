"""How an adapter is learned: shuffled batches, a rate that rises and falls, the best state kept, all resumable."""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor

from jobs.trainer.engines.base import Example, Paused, Progress, Settings, TrainingFailed
from jobs.trainer.engines.lora import losses, weights
from jobs.trainer.engines.lora.conversations import Tokens, Writer
from jobs.trainer.engines.lora.saving import Saved

RATE = {"supervised": 1e-3, "dpo": 1e-4}
RANK = 16
EPOCHS, BATCH = 3, 8
MOST_STEPS = 3000
WARM_UP = 0.1
SAVES = 20  # how often the state is saved in the whole training
MEASURED = 200  # validation examples measured after each pass
PATIENCE = 2  # passes without a lower validation loss, after which training ends
Batch = Sequence[Any]


@dataclass
class _Plan:
    """The hyperparameters as they are used."""

    epochs: int
    batch: int
    multiplier: float
    beta: float
    seed: int
    method: str
    examples: int

    @property
    def each_pass(self) -> int:
        return math.ceil(self.examples / self.batch)

    @property
    def steps(self) -> int:
        return min(self.epochs * self.each_pass, MOST_STEPS)

    def rate(self, step: int) -> float:
        """Of the optimiser at a step: up in the first tenth, then down to nothing."""
        warm = max(1, round(WARM_UP * self.steps))
        height = step / warm if step <= warm else (self.steps - step) / max(1, self.steps - warm)
        return RATE[self.method] * self.multiplier * max(height, 0.01)

    def order(self, epoch: int) -> list[int]:
        """A pass goes through the examples in an order of its own, which depends on seed and pass alone."""
        return torch.randperm(self.examples, generator=torch.Generator().manual_seed(self.seed + epoch)).tolist()

    def batch_at(self, step: int) -> list[int]:
        """Which examples step `step` (from 1) learns from."""
        epoch, at = divmod(step - 1, self.each_pass)
        return self.order(epoch)[at * self.batch : (at + 1) * self.batch]


def train(
    path: str,
    examples: Sequence[Example],
    validation: Sequence[Example],
    settings: Settings,
    progress: Progress,
    folder: Path,
) -> int:
    """Learn an adapter for the model at `path`; returns how many tokens were read. See Engine.train."""
    weights.take_threads()
    torch.manual_seed(settings.seed)
    tokenizer, model = weights.load(path)
    plan = _planned(settings, len(examples), progress)
    write = _writer(tokenizer, model, settings.method)
    data = [write(example, number) for number, example in enumerate(examples, 1)]
    held_out = [write(example, number) for number, example in enumerate(validation[:MEASURED], 1)]
    model = _with_adapter(model)
    _introduce(model, data, held_out, plan, progress)
    run = _Run(model, data, held_out, plan, progress)
    run.go()
    run.saved.best(model)
    _save(model, folder)
    return run.tokens


def _planned(settings: Settings, examples: int, progress: Progress) -> _Plan:
    plan = _Plan(
        epochs=settings.n_epochs or EPOCHS,
        batch=settings.batch_size or min(BATCH, max(1, examples // 10)),
        multiplier=settings.learning_rate_multiplier or 1.0,
        beta=settings.beta or 0.1,
        seed=settings.seed,
        method=settings.method,
        examples=examples,
    )
    if plan.epochs * plan.each_pass > MOST_STEPS:
        progress.message(f"Training ends after {MOST_STEPS} steps, the most that are made here.", "warn")
    chosen = {"n_epochs": plan.epochs, "batch_size": plan.batch, "learning_rate_multiplier": plan.multiplier}
    progress.settled({**chosen, "beta": plan.beta} if plan.method == "dpo" else chosen)
    return plan


def _writer(tokenizer: Any, model: Any, method: str) -> Callable[[Example, int], Any]:
    writer = Writer(tokenizer, model.config.max_position_embeddings)
    return writer.pair if method == "dpo" else writer.example


def _with_adapter(model: Any) -> Any:
    model.config.use_cache = False
    config = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(model, config)


def _introduce(model: Any, data: Batch, held_out: Batch, plan: _Plan, progress: Progress) -> None:
    learned, everything = model.get_nb_trainable_parameters()
    progress.message(
        f"{len(data)} examples with {_tokens(data)} tokens a pass, {len(held_out)} for validation; "
        f"{learned / 1e6:.1f} of {everything / 1e6:.0f} million weights are learned, on {weights.device().type}"
        f"{' with bfloat16' if weights.has_bf16() else ''}"
    )


class _Run:
    """One training from its first step, or its last saved one, to its end."""

    def __init__(self, model: Any, data: Batch, held_out: Batch, plan: _Plan, progress: Progress) -> None:
        self.model, self.data, self.held_out, self.plan, self.progress = model, data, held_out, plan, progress
        self.learned = [value for value in model.parameters() if value.requires_grad]
        self.optimizer = torch.optim.AdamW(self.learned, lr=plan.rate(1), weight_decay=0.0)
        self.saved = Saved(progress.state)
        self.at = self.saved.restore(model, self.optimizer)
        self.tokens = sum(_tokens(self._batch(step)) for step in range(1, self.at.step + 1))
        progress.resumed(self.at.step)

    def go(self) -> None:
        """All steps that are left. Raises Paused and TrainingFailed."""
        save_every = max(1, self.plan.steps // SAVES)
        while self.at.step < self.plan.steps and self.at.passes_without_gain < PATIENCE:
            self.at.step += 1
            metrics = self._learn()
            ends_pass = self.at.step % self.plan.each_pass == 0 or self.at.step == self.plan.steps
            if ends_pass:
                metrics |= self._validate()
            self.progress.step(self.at.step, self.plan.steps, metrics)
            if ends_pass:
                self.progress.checkpoint(self.at.step, lambda folder: _save(self.model, folder))
            if ends_pass or self.at.step % save_every == 0:
                self._keep()
            if self.progress.is_pause_wanted():
                self._keep()
                raise Paused
        if self.at.step < self.plan.steps:
            self.progress.message(f"Stopped early: {PATIENCE} passes brought no lower validation loss; the best stays")

    def _learn(self) -> dict[str, float]:
        batch = self._batch(self.at.step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate(self.at.step)
        self.model.train()
        loss, share = self._loss(batch)
        if not math.isfinite(loss.item()):
            raise TrainingFailed(
                "The loss is no longer a number; choose a smaller learning_rate_multiplier.", "training_diverged", None
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.learned, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.tokens += _tokens(batch)
        return {"train_loss": loss.item(), "train_mean_token_accuracy": share}

    def _validate(self) -> dict[str, float]:
        if not self.held_out:
            return {}
        self.model.eval()
        sums, size = [0.0, 0.0], self.plan.batch
        with torch.no_grad():
            for begin in range(0, len(self.held_out), size):
                batch = self.held_out[begin : begin + size]
                loss, share = self._loss(batch)
                sums = [sums[0] + loss.item() * len(batch), sums[1] + share * len(batch)]
        loss_now, share_now = (value / len(self.held_out) for value in sums)
        if loss_now < self.at.best_loss:
            self.at.best_loss, self.at.passes_without_gain = loss_now, 0
            self.saved.keep_best(self.model)
        else:
            self.at.passes_without_gain += 1
        return {"valid_loss": loss_now, "valid_mean_token_accuracy": share_now}

    def _loss(self, batch: Batch) -> tuple[Tensor, float]:
        if self.plan.method == "dpo":
            return losses.preference(self.model, batch, self.plan.beta)
        return losses.supervised(self.model, batch)

    def _batch(self, step: int) -> Batch:
        return [self.data[at] for at in self.plan.batch_at(step)]

    def _keep(self) -> None:
        self.saved.keep(self.model, self.optimizer, self.at)
        self.progress.saved()


def _tokens(batch: Batch) -> int:
    texts = (text for example in batch for text in ([example] if isinstance(example, Tokens) else example))
    return sum(len(text.ids) for text in texts)


def _save(model: Any, folder: Path) -> None:
    """The adapter in peft's own form, which other programs (vLLM, for one) load as well."""
    model.save_pretrained(folder, safe_serialization=True)
    with suppress(FileNotFoundError):
        (folder / "README.md").unlink()  # a form with nothing filled in
