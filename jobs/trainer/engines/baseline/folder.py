"""A model's state as a folder: plain values in model.json, arrays in weights.npz. No code can hide in either."""

import json
from pathlib import Path
from typing import Any

import numpy as np

ARRAY = "$array"


def save(state: dict[str, Any], folder: Path) -> None:
    """Write nested dicts and lists of plain values and arrays."""
    arrays: dict[str, Any] = {}

    def without_arrays(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            arrays[f"a{len(arrays)}"] = value
            return {ARRAY: f"a{len(arrays) - 1}"}
        if isinstance(value, dict):
            return {key: without_arrays(child) for key, child in value.items()}
        return [without_arrays(child) for child in value] if isinstance(value, list | tuple) else value

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.json").write_text(json.dumps(without_arrays(state), ensure_ascii=False), encoding="utf-8")
    np.savez_compressed(folder / "weights.npz", **arrays)


def load(folder: Path) -> dict[str, Any]:
    """What `save` wrote. Tuples come back as lists. Raises OSError when it is not there."""
    with np.load(folder / "weights.npz", allow_pickle=False) as arrays:

        def with_arrays(value: dict[str, Any]) -> Any:
            return arrays[value[ARRAY]] if ARRAY in value else value

        text = (folder / "model.json").read_text(encoding="utf-8")
        state: dict[str, Any] = json.loads(text, object_hook=with_arrays)
        return state
