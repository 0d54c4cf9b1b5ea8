"""Why a row deserves a look: what is known of it, turned into reasons with words and weights. The weighing is pure."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db.models.functions import Now

from .answers import says_the_same
from .chat import ChatError, parse_strict
from .json_layout import fault_in
from .models import Disagreement, Exchange
from .schemas import schema_fault

# What a full-blown signal adds to a row's priority. A project may set others.
WEIGHTS: dict[str, float] = {
    "feedback": 4.0,
    "invalid": 4.0,
    "different": 3.0,
    "candidate": 3.0,
    "cut_off": 3.0,
    "refusal": 3.0,
    "unsure": 2.0,
    "threshold": 2.0,
    "novel": 1.5,
    "traffic": 1.0,
}
NAMES: dict[str, str] = {
    "feedback": "Somebody said it was wrong, or what it should have been",
    "invalid": "Not valid JSON, or not as its schema wants it",
    "different": "Answered differently on repeats",
    "candidate": "Another model answers otherwise",
    "cut_off": "Cut off, or stopped by a filter",
    "refusal": "Looks like a refusal",
    "unsure": "The model was unsure of a token",
    "threshold": "A score near the threshold",
    "novel": "Far from everything included",
    "traffic": "Asked often (its weight, for each tenfold)",
}
# Answers that begin so mostly decline to answer. Reviewers see the row sooner, nothing else depends on it.
_REFUSAL = re.compile(
    r"\W*(i['’]?m (very |so )?sorry|sorry,|i can(no|['’])t|i am (sorry|unable|not able)|i['’]m (unable|not able)|"
    r"as an ai\b|unfortunately,? i (can|am)|es tut mir leid|ich kann (leider |das )?nicht|je suis désolé|"
    r"je ne peux pas|lo siento)",
    re.IGNORECASE,
)
_ENDED = {"length": "Cut off at the token limit", "content_filter": "Stopped by the provider's content filter"}
NEAR = 0.1  # a score within that of the threshold
FAR = 0.3  # nothing included is even that similar
UNSURE = 0.5


class Reason(NamedTuple):
    """`words` are for a person and quote nothing that was captured but the name of a score."""

    code: str
    words: str
    weight: float


@dataclass(frozen=True)
class Facts:
    """What is known of a row. `answer` None: it was too long to be looked at."""

    prompt: str
    answer: str | None
    schema: Any = None
    seen_count: int = 1
    answer_count: int = 1
    finish_reason: str = ""
    thumbs_down: int = 0
    demonstrations: int = 0
    likelihood: float | None = None  # of its least likely token
    nearest: float | None = None  # how similar the nearest included prompt is, 0 to 1
    dissenters: Sequence[str] = ()  # other models whose answer is not that of the row


@dataclass(frozen=True)
class Rule:
    """As in AttentionRule; `label` is how a person reads it."""

    id: int
    part: str
    test: str
    words: str
    weight: float
    label: str

    def fits(self, facts: Facts) -> bool:
        text = facts.prompt if self.part == "prompt" else facts.answer
        if text is None:
            return False
        if self.test == "empty":
            return not text.strip()
        if self.test == "longer":
            return self.words.strip().isdecimal() and len(text) > int(self.words)
        text, words = text.casefold(), self.words.casefold()
        if self.test == "equals":
            return text.strip() == words.strip()
        return (words in text) == (self.test == "contains")


@dataclass(frozen=True)
class Judge:
    """How one project weighs its rows."""

    is_json: bool = False
    threshold: float = 0.5
    weights: Mapping[str, float] = field(default_factory=dict)
    rules: Iterable[Rule] = ()

    def reasons(self, facts: Facts) -> list[Reason]:
        """All that speaks for (or, by a rule, against) a look, the weightiest first."""
        found = [
            Reason(code, words, round(self.weights.get(code, WEIGHTS[code]) * strength, 3))
            for code, words, strength in self._signals(facts)
        ]
        found += [
            Reason(f"rule-{rule.id}", f"Rule: {rule.label}", rule.weight) for rule in self.rules if rule.fits(facts)
        ]
        return sorted((reason for reason in found if reason.weight), key=lambda reason: -abs(reason.weight))

    def _signals(self, facts: Facts) -> Iterator[tuple[str, str, float]]:
        """Code, words and strength (1 is full) of each signal that is there."""
        yield from _said(facts)
        if facts.answer_count > 1:
            strength = min(1.0, 0.5 + 0.25 * (facts.answer_count - 1))
            calls = "one call" if facts.seen_count == 1 else f"{facts.seen_count:,} calls"
            yield "different", f"Answered {facts.answer_count} ways in {calls}", strength
        if facts.dissenters:
            names = facts.dissenters[0] if len(facts.dissenters) == 1 else f"{len(facts.dissenters)} other models"
            yield "candidate", f"Answered otherwise by {names}", 1.0
        if words := _ENDED.get(facts.finish_reason):
            yield "cut_off", words, 1.0
        if facts.answer is not None:
            if _REFUSAL.match(facts.answer):
                yield "refusal", "The answer reads like a refusal", 1.0
            yield from self._of_json(facts, facts.answer)
        if facts.likelihood is not None and facts.likelihood < UNSURE:
            yield "unsure", f"The model gave one of its tokens {facts.likelihood:.0%}", 1 - facts.likelihood
        if facts.nearest is not None and facts.nearest < FAR:
            words = f"Far from everything included: the nearest prompt is {facts.nearest:.0%} alike"
            yield "novel", words, 1 - facts.nearest / FAR
        if facts.seen_count > 1:
            yield "traffic", f"Asked {facts.seen_count:,} times", math.log10(facts.seen_count)

    def _of_json(self, facts: Facts, answer: str) -> Iterator[tuple[str, str, float]]:
        wants_json = self.is_json or facts.schema is not None
        fault = fault_in(answer)
        if fault:
            if wants_json and answer.strip():
                yield "invalid", f"Not valid JSON. {fault}", 1.0
            return
        if facts.schema is not None and (fault := schema_fault(facts.schema, answer)):
            yield "invalid", fault, 1.0
        if wants_json and (score := nearest_score(answer, self.threshold)):
            name, value = score
            words = f"Its score {name} is {value:g}, near the threshold {self.threshold:g}"
            yield "threshold", words, 1 - abs(value - self.threshold) / NEAR


def _said(facts: Facts) -> Iterator[tuple[str, str, float]]:
    if facts.demonstrations:
        yield "feedback", "An end user gave the answer it should have had", 1.0
    elif facts.thumbs_down:
        times = "" if facts.thumbs_down == 1 else f" {facts.thumbs_down:,} times"
        yield "feedback", f"An end user gave it a thumb down{times}", 1.0


def note_disagreement(exchange_id: int, model: str, answer: str) -> bool:
    """What another model answers to a row's prompt: kept, and a reason for a look, while it differs from what the row
    teaches. False where it says the same; then an earlier answer of that model is forgotten.
    """
    rows = Exchange.objects.select_related("project").only("response", "target", "project__answer_format")
    row = rows.get(pk=exchange_id)
    earlier = Disagreement.objects.filter(exchange=row, model=model)
    if says_the_same(answer.strip(), (row.teaches or "").strip(), row.project.is_json):
        earlier.delete()
        return False
    values = {"answer": answer, "noted_at": Now()}
    Disagreement.objects.update_or_create(exchange=row, model=model, defaults=values)
    return True


def nearest_score(answer: str, threshold: float) -> tuple[str, float] | None:
    """The name and value of the fractional number in valid JSON that is nearest to the threshold, if it is near."""
    scores = [(name, value) for name, value in _fractions(parse_strict(answer.encode("utf-8", "surrogatepass")))]
    near = [score for score in scores if abs(score[1] - threshold) < NEAR]
    return min(near, key=lambda score: abs(score[1] - threshold), default=None)


def _fractions(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, float) and 0 <= value <= 1:
        yield name[:40], value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _fractions(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _fractions(inner, name)


def likelihood(body: str) -> float | None:
    """The probability of the least likely token of a captured answer, whole or streamed, chat or older completion;
    None where none is told.
    """
    lowest = min((value for part in _parts(body) for value in _logprobs(part)), default=None)
    return None if lowest is None else math.exp(min(lowest, 0.0))


def _parts(body: str) -> Iterator[Any]:
    whole = body.lstrip().startswith("{")
    lines = [body] if whole else [line[5:] for line in body.splitlines() if line.startswith("data:")]
    for line in lines:
        try:
            yield parse_strict(line.encode("utf-8", "surrogatepass"))
        except ChatError:
            continue  # "[DONE]", or a line that was cut


def _logprobs(part: Any) -> Iterator[float]:
    choices = part.get("choices") if isinstance(part, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    told = first.get("logprobs") if isinstance(first, dict) else None
    if not isinstance(told, dict):
        return
    tokens = told.get("content") or told.get("token_logprobs") or []
    for token in tokens if isinstance(tokens, list) else []:
        value = token.get("logprob") if isinstance(token, dict) else token
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield float(value)
