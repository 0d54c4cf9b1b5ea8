"""What lets an interrupted training go on: the adapter, the optimiser and the place, replaced as one file."""

import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict


@dataclass
class Place:
    """How far a training is."""

    step: int = 0
    best_loss: float = math.inf
    passes_without_gain: int = 0


class Saved:
    """The files of a job in its state folder. They are our own: nothing in them is run when they are read."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._state, self._best = folder / "state.pt", folder / "best.pt"

    def keep(self, model: Any, optimizer: torch.optim.Optimizer, place: Place) -> None:
        """Replace what was saved before; a process killed meanwhile leaves the one or the other, whole."""
        state = {"adapter": get_peft_model_state_dict(model), "optimizer": optimizer.state_dict()}
        _write({**state, "place": asdict(place)}, self._state)

    def restore(self, model: Any, optimizer: torch.optim.Optimizer) -> Place:
        """Put model and optimiser where an earlier process left them; the beginning where there was none."""
        if not self._state.exists():
            return Place()
        state = torch.load(self._state, weights_only=True)
        set_peft_model_state_dict(model, state["adapter"])
        optimizer.load_state_dict(state["optimizer"])
        return Place(**state["place"])

    def keep_best(self, model: Any) -> None:
        """The adapter with the lowest validation loss so far."""
        _write(get_peft_model_state_dict(model), self._best)

    def best(self, model: Any) -> None:
        """Put the best adapter into the model, where one was kept."""
        if self._best.exists():
            set_peft_model_state_dict(model, torch.load(self._best, weights_only=True))


def _write(state: Any, path: Path) -> None:
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
