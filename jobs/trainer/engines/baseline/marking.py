"""Values that stand in the prompt itself: where they stand, and how what stands there is written in the answer."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from jobs.trainer.engines.baseline.features import Prompts, Word
from jobs.trainer.engines.baseline.shape import ABSENT, encode

Span = tuple[int, int]  # first word, word after the last
CASES: dict[str, Callable[[str], str]] = {"as it is": str, "lower": str.lower, "upper": str.upper, "title": str.title}
SHORT = 3


def wanted(value: str) -> list[str]:
    """The texts that would have to stand in the prompt for this encoded value; none for null, objects and the like."""
    if value == ABSENT:
        return []
    decoded = json.loads(value)
    items = decoded if isinstance(decoded, list) else [decoded]
    if not all(isinstance(item, str | int | float) and not isinstance(item, bool) for item in items):
        return []
    return [text for text in (item if isinstance(item, str) else encode(item) for item in items) if text.strip()]


def find(text: str, words: Sequence[Word], target: str) -> list[Span]:
    """Where `target` stands in whole words: every place as written, else the first in any case.

    Numbers and texts of one or two characters occur by chance, so of those only the first place counts."""
    starts = {word.start: at for at, word in enumerate(words)}
    ends = {word.end: at + 1 for at, word in enumerate(words)}

    def places(hay: str, needle: str) -> Iterator[Span]:
        at = hay.find(needle)
        while at >= 0:
            if at in starts and at + len(needle) in ends:
                yield starts[at], ends[at + len(needle)]
            at = hay.find(needle, at + 1)

    target = target.strip()
    exact = list(places(text, target))
    if exact:
        return exact[:1] if len(target) < SHORT or target.isdigit() else exact
    folded = text.lower()
    # A few characters grow when lowered (İ); then positions no longer agree and the search would lie.
    return list(places(folded, target.lower()))[:1] if len(folded) == len(text) else []


def is_spannable(prompts: Prompts, values: Sequence[str]) -> bool:
    """Whether most of a field's values, and at least three, stand in their prompts."""
    hopes = [(at, texts) for at, value in enumerate(values) if (texts := wanted(value))]
    found = sum(all(find(prompts.texts[at], prompts.words[at], text) for text in texts) for at, texts in hopes)
    return found >= 3 and found >= 0.6 * len(hopes)


@dataclass
class Writing:
    """How one field writes what was marked."""

    is_list: bool
    is_number: bool
    empty: str
    case: str
    known: dict[str, str]

    @classmethod
    def of(cls, prompts: Prompts, values: Sequence[str]) -> "Writing":
        """Learn it from a field's values and the prompts they stand in."""
        kinds: Counter[str] = Counter()
        empties: Counter[str] = Counter()
        cases: Counter[str] = Counter()
        known: dict[str, Counter[str]] = defaultdict(Counter)
        for text, words, value in zip(prompts.texts, prompts.words, values, strict=True):
            found = [(target, spans[0]) for target in wanted(value) if (spans := find(text, words, target))]
            if not found:
                empties[value] += not wanted(value)
                continue
            kinds[type(json.loads(value)).__name__] += 1
            for target, (first, after) in found:
                marked = text[words[first].start : words[after - 1].end]
                known[marked.lower()][target] += 1
                cases.update(name for name, change in CASES.items() if change(marked) == target)
        kind = kinds.most_common(1)[0][0]
        return cls(
            is_list=kind == "list",
            is_number=kind in ("int", "float"),
            empty=max(empties, key=lambda value: empties[value], default="[]" if kind == "list" else "null"),
            case=max(CASES, key=lambda name: cases[name]),
            known={marked: targets.most_common(1)[0][0] for marked, targets in known.items()},
        )

    def write(self, marked: Sequence[tuple[str, float]]) -> str:
        """The encoded value of the texts marked in a prompt, each with how sure its mark is."""
        if not marked:
            return self.empty
        if self.is_list:
            return encode(list(dict.fromkeys(self._spell(text) for text, _ in marked)))
        spelled = self._spell(max(marked, key=lambda mark: mark[1])[0])
        return self._number(spelled) if self.is_number else encode(spelled)

    def _spell(self, text: str) -> str:
        return self.known.get(text.lower()) or CASES[self.case](text)

    def _number(self, text: str) -> str:
        try:
            value = json.loads(text)
        except ValueError:
            return self.empty
        return encode(value) if isinstance(value, int | float) else self.empty
