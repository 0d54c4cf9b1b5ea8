"""Ways to train as the protocol knows them: what each is sent as, which file it learns from, which figures it takes.

The limits are those of OpenAI's description of the protocol; a provider may be narrower and then says so itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

MOST_PAIRS = 16
LONGEST_KEY, LONGEST_VALUE = 64, 512
MOST_INTEGRATIONS = 5


@dataclass(frozen=True)
class Limit:
    """A hyperparameter: whole or any number above `low` (from it on, when whole) and up to `high`, or "auto"."""

    low: float
    high: float = float("inf")
    is_whole: bool = True

    @property
    def words(self) -> str:
        if self.is_whole:
            ends = f"from {self.low:g}" + (f" to {self.high:g}" if isfinite(self.high) else " on")
            return f"“auto” or a whole number {ends}"
        return f"“auto” or a number above {self.low:g}" + (f", at most {self.high:g}" if isfinite(self.high) else "")

    def allows(self, value: object) -> bool:
        if value == "auto":
            return True
        if self.is_whole:
            return type(value) is int and self.low <= value <= self.high
        return type(value) in (int, float) and self.low < value <= self.high and isfinite(value)  # type: ignore[operator,arg-type]


_COMMON = {"n_epochs": Limit(1, 50), "batch_size": Limit(1, 256), "learning_rate_multiplier": Limit(0, is_whole=False)}
LIMITS: Mapping[str, Mapping[str, Limit]] = {
    "supervised": _COMMON,
    "dpo": {**_COMMON, "beta": Limit(0, 2, is_whole=False)},
    "reinforcement": {
        **_COMMON,
        "compute_multiplier": Limit(0.00001, 10, is_whole=False),
        "eval_interval": Limit(1),
        "eval_samples": Limit(1),
    },
}
EFFORTS = ("default", "low", "medium", "high")
# The format each learns from.
FORMATS = {"supervised": "openai-chat", "dpo": "openai-dpo", "reinforcement": "openai-rft"}


def wire(method: str, hyperparameters: Mapping[str, Any], grader: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The `method` of a request; None for supervised training with nothing chosen, which needs none."""
    wishes: dict[str, Any] = {"hyperparameters": dict(hyperparameters)} if hyperparameters else {}
    if grader and method == "reinforcement":
        wishes["grader"] = dict(grader)
    if method == "supervised" and not wishes:
        return None
    return {"type": method, method: wishes}


def fault(method: str, hyperparameters: Mapping[str, Any], grader: Mapping[str, Any] | None) -> str:
    """What the protocol does not allow, in words; empty when it is right."""
    if method not in LIMITS:
        return f"There is no method {method!r}; there are {', '.join(LIMITS)}."
    for name, value in hyperparameters.items():
        if name == "reasoning_effort" and method == "reinforcement":
            if value not in EFFORTS:
                return f"reasoning_effort is one of {', '.join(EFFORTS)}, not {value!r}."
        elif (limit := LIMITS[method].get(name)) is None:
            return f"{method} takes no {name}; it takes {', '.join(LIMITS[method])}."
        elif not limit.allows(value):
            return f"{name} is {limit.words}, not {value!r}."
    if method == "reinforcement" and not (isinstance(grader, Mapping) and grader.get("type")):
        return "Reinforcement needs a grader: an object with a type, as the provider's documents describe it."
    return ""


def extras_fault(suffix: str, seed: int | None, metadata: Mapping[str, Any], integrations: list[Any]) -> str:
    """The same for what every method takes; one pair of metadata is kept for our own id of the launch."""
    if len(suffix) > 64:
        return "The suffix has at most 64 characters."
    if seed is not None and not 0 <= seed < 2**31:
        return "The seed is a whole number from 0 to 2147483647."
    if len(metadata) >= MOST_PAIRS:
        return f"At most {MOST_PAIRS - 1} pairs of metadata go with a job."
    for key, value in metadata.items():
        if not 1 <= len(key) <= LONGEST_KEY or not isinstance(value, str) or len(value) > LONGEST_VALUE:
            return f"Metadata: keys of 1 to {LONGEST_KEY} characters, values that are texts of at most {LONGEST_VALUE}."
    are_named = all(isinstance(item, dict) and "type" in item for item in integrations)
    if len(integrations) > MOST_INTEGRATIONS or not are_named:
        return f"At most {MOST_INTEGRATIONS} integrations, each an object with a type."
    return ""
