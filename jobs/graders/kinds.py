"""Graders as JSON objects. Where OpenAI has one of the kind, it has OpenAI's name and keys (`string_check`,
`text_similarity`, `multi`), so that it can be carried elsewhere; `input` and `reference` may be written,
and then say what they always are: the answer and what was expected.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cache
from typing import Any

import re2

from curation.schemas import is_schema

from . import formula, judge, values
from .judge import INPUT, REFERENCE
from .plain import exact, fits, json_equal

# Comparing letter by letter takes time that grows with the square of the length.
MOST_LETTERS = 20_000
MOST_PARTS = 10


@dataclass(frozen=True)
class Grade:
    """A judgement: `score` from 0 (wrong) to 1 (right), whether that passes, a note for people, and what sums over
    many answers need (`detail`): counts of fields or labels, or pairs of score and truth.
    """

    score: float
    passes: bool
    note: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"score": self.score, "passes": self.passes, "note": self.note, "detail": dict(self.detail)}


def grade(definition: Mapping[str, Any], expected: str, answer: str | None) -> Grade:
    """What a grader says of an answer; none at all is wrong."""
    if answer is None:
        return Grade(0.0, False, "no answer")
    kind = definition["type"]
    if kind == "multi":
        return _multi(definition, expected, answer)
    return KINDS[kind].grade(definition, expected, answer)


def fault_in_definition(definition: Any, depth: int = 0) -> str:
    """What keeps a JSON value from being a grader, in words; "" when nothing does."""
    if not isinstance(definition, dict):
        return "A grader is a JSON object."
    kind = KINDS.get(str(definition.get("type")))
    if kind is None:
        return f"“type” is one of {', '.join(KINDS)}."
    known = {"type", "name", "input", "reference", *kind.keys}
    if unknown := sorted(set(definition) - known):
        return f"A {definition['type']} grader knows no “{unknown[0]}”; it knows {', '.join(sorted(known))}."
    for name, only in (("input", INPUT), ("reference", REFERENCE)):
        if not is_judge(definition) and definition.get(name, only) != only:
            return f"“{name}” can only be {only}."
    if definition["type"] == "multi":
        return _fault_in_parts(definition, depth)
    return kind.fault(definition)


def is_judge(definition: Any) -> bool:
    """Whether a model must be asked: such a grader is no part of `grade`, and never decides."""
    return isinstance(definition, dict) and definition.get("type") == "score_model"


# Composition


def _multi(definition: Mapping[str, Any], expected: str, answer: str) -> Grade:
    grades = {name: grade(part, expected, answer) for name, part in definition["graders"].items()}
    score = formula.value(definition["calculate_output"], {name: each.score for name, each in grades.items()})
    said = ", ".join(f"{name} {each.score:.2f}" for name, each in grades.items())
    return Grade(score, score >= definition.get("pass_threshold", 1.0), said)


def _fault_in_parts(definition: dict[str, Any], depth: int) -> str:
    parts = definition.get("graders")
    if depth or not isinstance(parts, dict) or not 1 <= len(parts) <= MOST_PARTS:
        return f"“graders” names up to {MOST_PARTS} graders, none of which is a multi."
    for name, part in parts.items():
        if is_judge(part):
            return f"{name}: a model's opinion stands by itself."
        if not name.isidentifier():
            return f"“{name}” cannot stand in a formula: a name has letters, digits and _ alone."
        if fault := fault_in_definition(part, depth + 1):
            return f"{name}: {fault}"
    return formula.fault(definition.get("calculate_output"), parts) or _threshold_fault(definition)


# Kinds


def _string_check(definition: Mapping[str, Any], expected: str, answer: str) -> Grade:
    wanted, said = expected.strip(), answer.strip()
    lowered = " ".join(wanted.split()).casefold(), " ".join(said.split()).casefold()
    found = {
        "eq": exact(expected, answer),
        "ne": not exact(expected, answer),
        "like": wanted in said,
        "ilike": lowered[0] in lowered[1],
        "ieq": lowered[0] == lowered[1],
    }[definition["operation"]]
    return _yes_or_no(found)


def _text_similarity(definition: Mapping[str, Any], expected: str, answer: str) -> Grade:
    one, other = expected.strip()[:MOST_LETTERS], answer.strip()[:MOST_LETTERS]
    score = 1.0 if one == other else SequenceMatcher(None, one, other, autojunk=False).ratio()
    return Grade(score, score >= definition["pass_threshold"], f"{score:.0%} alike")


def _json_equal(definition: Mapping[str, Any], expected: str, answer: str) -> Grade:
    return _yes_or_no(json_equal(expected, answer) is True)


def _json_schema(definition: Mapping[str, Any], expected: str, answer: str) -> Grade:
    return _yes_or_no(fits(answer, definition["schema"]))


def _json_fields(definition: Mapping[str, Any], expected: str, answer: str) -> Grade:
    found = values.fields_agreement(expected, answer, definition.get("fields"))
    return _of_counts(found, definition, "field")


def _labels(definition: Mapping[str, Any], expected: str, answer: str) -> Grade:
    found = values.labels_agreement(expected, answer, definition.get("separator", ","))
    return _of_counts(found, definition, "label")


def _of_counts(found: values.Counts, definition: Mapping[str, Any], what: str) -> Grade:
    score = found.f1
    note = ", ".join(
        f"{count} {what}{'' if count == 1 else 's'} {word}"
        for count, word in ((found.spurious, "too many or wrong"), (found.missed, "missed"))
        if count
    )
    detail = {"hits": found.hits, "spurious": found.spurious, "missed": found.missed}
    return Grade(score, score >= definition.get("pass_threshold", 1.0), note, detail)


def _number(definition: Mapping[str, Any], expected: str, answer: str) -> Grade:
    wanted, said = (values.number_in(text, definition.get("field", "")) for text in (expected, answer))
    if wanted is None or said is None:
        return Grade(0.0, False, "no number to compare")
    return Grade(float(close := abs(said - wanted) <= definition["tolerance"]), close, f"{said:g}, expected {wanted:g}")


def _scores(definition: Mapping[str, Any], expected: str, answer: str) -> Grade:
    """Each score on the same side of the threshold as it should be; `detail` keeps them for Brier score and ROC AUC."""
    pairs = values.scores(expected, answer, definition.get("fields"))
    if not pairs:
        return Grade(0.0, False, "no scores to compare")
    limit = definition.get("threshold", 0.5)
    wrong = [name for name, (said, true) in pairs.items() if said is None or (said >= limit) != (true >= limit)]
    share = 1 - len(wrong) / len(pairs)
    detail = {"scores": {name: [said, true >= limit] for name, (said, true) in pairs.items() if said is not None}}
    return Grade(share, not wrong, f"other side of {limit:g}: {', '.join(wrong)}" if wrong else "", detail)


def _regex(definition: Mapping[str, Any], expected: str, answer: str) -> Grade:
    return _yes_or_no(bool(_pattern(definition["pattern"]).search(answer)))


@cache
def _pattern(text: str) -> Any:
    """Of a kind that reads any answer in a time that grows with its length alone. Raises re2.error."""
    options = re2.Options()
    options.log_errors = False
    return re2.compile(text, options)


def _yes_or_no(is_so: bool) -> Grade:
    return Grade(float(is_so), is_so)


# What may stand in a definition


def _fine(definition: Mapping[str, Any]) -> str:
    return ""


def _operation_fault(definition: Mapping[str, Any]) -> str:
    known = ("eq", "ne", "like", "ilike", "ieq")
    return "" if definition.get("operation") in known else f"“operation” is one of {', '.join(known)}."


def _similarity_fault(definition: Mapping[str, Any]) -> str:
    if definition.get("evaluation_metric", "fuzzy_match") != "fuzzy_match":
        return "“evaluation_metric” can only be fuzzy_match here."
    return _threshold_fault(definition) if "pass_threshold" in definition else "“pass_threshold” is missing."


def _threshold_fault(definition: Mapping[str, Any], name: str = "pass_threshold") -> str:
    value = definition.get(name, 1.0)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "" if is_number and 0 <= value <= 1 else f"“{name}” is a number from 0 to 1."


def _schema_fault(definition: Mapping[str, Any]) -> str:
    return "" if is_schema(definition.get("schema")) else "“schema” is a JSON Schema."


def _fields_fault(definition: Mapping[str, Any]) -> str:
    names = definition.get("fields", [""])
    is_list = isinstance(names, list) and names and all(isinstance(name, str) for name in names)
    return _threshold_fault(definition) if is_list else "“fields” is a list of names."


def _scores_fault(definition: Mapping[str, Any]) -> str:
    return _threshold_fault(definition, "threshold") or _fields_fault(definition)


def _labels_fault(definition: Mapping[str, Any]) -> str:
    separator = definition.get("separator", ",")
    is_text = isinstance(separator, str) and 0 < len(separator) < 10
    return _threshold_fault(definition) if is_text else "“separator” is what stands between two labels."


def _number_fault(definition: Mapping[str, Any]) -> str:
    tolerance = definition.get("tolerance")
    if not isinstance(definition.get("field", ""), str):
        return "“field” is a name."
    is_number = isinstance(tolerance, int | float) and not isinstance(tolerance, bool)
    return "" if is_number and float(tolerance or 0) >= 0 else "“tolerance” is a number, 0 or more."


def _regex_fault(definition: Mapping[str, Any]) -> str:
    pattern = definition.get("pattern")
    if not isinstance(pattern, str) or not 0 < len(pattern) <= 1000:
        return "“pattern” is a regular expression of up to 1,000 letters."
    try:
        _pattern(pattern)
    except re2.error as error:
        words = error.args[0]
        words = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
        return f"“pattern” is no regular expression: {words}."
    return ""


def _judge_fault(definition: Mapping[str, Any]) -> str:
    return judge.fault(definition) or _threshold_fault(definition)


@dataclass(frozen=True)
class Kind:
    """A kind of grader: what it is for, an example to begin with, and the keys it knows."""

    words: str
    example: Mapping[str, Any]
    keys: tuple[str, ...]
    grade: Callable[[Mapping[str, Any], str, str], Grade]
    fault: Callable[[Mapping[str, Any]], str] = _fine


def _elsewhere(definition: Mapping[str, Any], expected: str, answer: str) -> Grade:
    raise AssertionError("graded by `grade` itself")


KINDS: dict[str, Kind] = {
    "string_check": Kind(
        "The same text, or text that holds it; ieq and ilike take capitals and white space for nothing.",
        {"type": "string_check", "operation": "ieq"}, ("operation",), _string_check, _operation_fault,
    ),
    "text_similarity": Kind(
        "How much of two texts is the same, letter by letter.",
        {"type": "text_similarity", "evaluation_metric": "fuzzy_match", "pass_threshold": 0.8},
        ("evaluation_metric", "pass_threshold"), _text_similarity, _similarity_fault,
    ),
    "regex": Kind(
        "A pattern in the answer.", {"type": "regex", "pattern": "^[A-Z]"}, ("pattern",), _regex, _regex_fault
    ),
    "json_equal": Kind("The same JSON value.", {"type": "json_equal"}, (), _json_equal),
    "json_fields": Kind(
        "Each field of a JSON object by itself: precision and recall.",
        {"type": "json_fields", "pass_threshold": 1.0}, ("fields", "pass_threshold"), _json_fields, _fields_fault,
    ),
    "json_schema": Kind(
        "JSON of a schema, whatever it says.",
        {"type": "json_schema", "schema": {"type": "object"}}, ("schema",), _json_schema, _schema_fault,
    ),
    "number": Kind(
        "A number, as near as the tolerance.",
        {"type": "number", "field": "", "tolerance": 0.05}, ("field", "tolerance"), _number, _number_fault,
    ),
    "scores": Kind(
        "Scores from 0 to 1 on the right side of a threshold, with Brier score and ROC AUC.",
        {"type": "scores", "threshold": 0.5}, ("fields", "threshold"), _scores, _scores_fault,
    ),
    "labels": Kind(
        "One label or several, in any order: F1.",
        {"type": "labels", "separator": ",", "pass_threshold": 1.0},
        ("separator", "pass_threshold"), _labels, _labels_fault,
    ),
    "multi": Kind(
        "Several graders and a formula of their scores.",
        {
            "type": "multi",
            "graders": {
                "shape": {"type": "json_schema", "schema": {"type": "object"}}, "fields": {"type": "json_fields"},
            },
            "calculate_output": "0.3 * shape + 0.7 * fields",
            "pass_threshold": 0.9,
        },
        ("graders", "calculate_output", "pass_threshold"), _elsewhere,
    ),
    "score_model": Kind(
        "A model's opinion by a written rubric, asked in both orders; it never decides.",
        {
            "type": "score_model",
            "model": "",
            "input": [
                {"role": "system", "content": "Score from 0 to 1 how well the answer says what the reference says."},
                {"role": "user", "content": f"Reference: {REFERENCE}"},
                {"role": "user", "content": f"Answer to judge: {INPUT}"},
            ],
            "pass_threshold": 0.7,
        },
        ("model", "pass_threshold"), _elsewhere, _judge_fault,
    ),
}  # fmt: skip
