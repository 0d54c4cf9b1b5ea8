"""How the baseline engine learns: shape, predictors, then passes over the examples with figures after each."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

import numpy as np

from jobs.trainer.engines.base import Example, Paused, Progress, Settings, TrainingFailed
from jobs.trainer.engines.baseline.chain import Learning
from jobs.trainer.engines.baseline.features import Prompts, Reader
from jobs.trainer.engines.baseline.model import Trained, last_user_text
from jobs.trainer.engines.baseline.predictors import KINDS
from jobs.trainer.engines.baseline.selection import Choice, choose
from jobs.trainer.engines.baseline.shape import Row, Shape
from jobs.trainer.tokens import count, text_of

MEASURED = 300  # examples measured after each pass
HELD_BACK = 10  # one in so many, when there is no validation file
FEWEST = 10


def train(
    examples: Sequence[Example], validation: Sequence[Example], settings: Settings, progress: Progress, folder: Path
) -> int:
    """Choose a predictor for each field, then train all of them pass by pass; returns the tokens trained on.

    Raises TrainingFailed and Paused. A training of seconds needs no state: an interrupted one begins again.

    Without validation examples a second model learns beside the first from nine examples in ten and is measured on the
    tenth; the model that is kept learns from all of them."""
    each_pass = sum(count(example["messages"]) for example in examples)
    progress.message(f"{len(examples)} examples with {each_pass} tokens (words, numbers, punctuation marks) a pass")
    progress.resumed(0)
    pairs = [pair for example in examples for pair in question_answers(example)]
    shape = Shape.of([answer for _, answer in pairs])
    prompts, rows = _encoded(shape, pairs, progress)
    reader = Reader.of(prompts)
    read = reader.read(prompts)
    epochs, learning = _resolve(settings, len(rows), progress)
    choices = choose(read, rows, learning)
    _explain(choices, shape, progress)

    def begin(chosen: Sequence[int]) -> Trained:
        part = read.pick(chosen), [rows[at] for at in chosen]
        return Trained(shape, reader, [KINDS[kind].begin(columns, *part, learning) for kind, columns, _ in choices])

    order = learning.rng.permutation(len(rows)).tolist()
    everything = begin(order)
    seen = read.pick(order[:MEASURED]), [rows[at] for at in order[:MEASURED]]
    unseen = _validation(shape, reader, validation)
    watched = everything
    if unseen is None:
        held_back = max(1, len(order) // HELD_BACK)
        watched = begin(order[held_back:])
        unseen = read.pick(order[:held_back]), [rows[at] for at in order[:held_back]]
    for number in range(1, epochs + 1):
        everything.learn()
        if watched is not everything:
            watched.learn()
        metrics = _measure(everything, seen, watched, unseen)
        progress.step(number, epochs, metrics)
        progress.checkpoint(number, everything.save)
        if number < epochs and progress.is_pause_wanted():
            raise Paused
    everything.save(folder)
    return each_pass * epochs


def question_answers(example: Example) -> list[tuple[str, str]]:
    """Each assistant text that is to be learned (weight not 0), with the user message before it."""
    messages = example["messages"]
    return [
        (last_user_text(messages[:at]), text)
        for at, message in enumerate(messages)
        if message["role"] == "assistant" and message.get("weight", 1) and (text := text_of(message.get("content")))
    ]


def _encoded(shape: Shape, pairs: Sequence[tuple[str, str]], progress: Progress) -> tuple[list[str], list[Row]]:
    encoded = [(question, row) for question, answer in pairs if (row := shape.encode(answer)) is not None]
    if len(encoded) < FEWEST:
        raise TrainingFailed(f"Only {len(encoded)} answers hold text to learn from; at least {FEWEST} are needed.")
    if len(encoded) < len(pairs):
        progress.message(f"{len(pairs) - len(encoded)} answers are not the JSON that the others are: left out.", "warn")
    return [question for question, _ in encoded], [row for _, row in encoded]


def _validation(shape: Shape, reader: Reader, examples: Sequence[Example]) -> tuple[Prompts, list[Row]] | None:
    """At most MEASURED validation examples that fit the shape; None when there are none."""
    pairs = [pair for example in examples for pair in question_answers(example)]
    encoded = [(question, row) for question, answer in pairs if (row := shape.encode(answer)) is not None]
    # Evenly spread over the file, which may be sorted.
    chosen = [encoded[at] for at in np.linspace(0, len(encoded) - 1, min(len(encoded), MEASURED)).astype(int)]
    return (reader.read([question for question, _ in chosen]), [row for _, row in chosen]) if chosen else None


def _resolve(settings: Settings, examples: int, progress: Progress) -> tuple[int, Learning]:
    """Fill in what was left to us: fewer passes over very large files, larger batches over large ones."""
    epochs = settings.n_epochs or min(15, max(3, 40_000 // examples))
    batch_size = settings.batch_size or min(64, max(8, examples // 40))
    rate = settings.learning_rate_multiplier or 1.0
    progress.settled({"n_epochs": epochs, "batch_size": batch_size, "learning_rate_multiplier": rate})
    return epochs, Learning(rate, batch_size, np.random.default_rng(settings.seed))


def _measure(
    everything: Trained, seen: tuple[Prompts, list[Row]], watched: Trained, unseen: tuple[Prompts, list[Row]]
) -> dict[str, float]:
    train_loss, train_accuracy = everything.measure(*seen)
    valid_loss, valid_accuracy = watched.measure(*unseen)
    if not (math.isfinite(train_loss) and math.isfinite(valid_loss)):
        raise TrainingFailed(
            "The loss is no longer a number; choose a smaller learning_rate_multiplier.", "training_diverged", None
        )
    return {
        "train_loss": train_loss,
        "train_mean_token_accuracy": train_accuracy,
        "valid_loss": valid_loss,
        "valid_mean_token_accuracy": valid_accuracy,
    }


def _explain(choices: Sequence[Choice], shape: Shape, progress: Progress) -> None:
    """Say which predictor was chosen for which fields; of many fields only how many each predictor got."""
    for kind, many in Counter(choice.kind for choice in choices).items():
        if len(choices) > 20:
            progress.message(f"Predictor {kind}: {many} fields.")
            continue
        for choice in (choice for choice in choices if choice.kind == kind):
            fields = shorten(", ".join(shape.name(column) for column in choice.columns), 200, placeholder=" …")
            progress.message(f"Predictor {kind} for {fields}: score {choice.score:.3f} in cross-validation.")
