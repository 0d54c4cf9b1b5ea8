"""The judgements that need no settings: exact text, equal JSON, JSON of a schema."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from curation.json_layout import fault_in
from curation.schemas import schema_fault


def exact(expected: str, answer: str) -> bool:
    """The same text, save white space at its ends: models add it and no reader sees it."""
    return expected.strip() == answer.strip()


def json_equal(expected: str, answer: str) -> bool | None:
    """The same JSON value, whatever the order of keys, the white space and the way a number is written (1, 1.0, 1e0).

    None when the expected text is no JSON, so that the question does not arise. An answer that is no JSON, or wraps it
    in other text, is not equal: the program that reads it would fail.
    """
    try:
        wanted = strict(expected)
    except ValueError:
        return None
    try:
        return same(wanted, strict(answer))
    except ValueError:
        return False


def is_right(expected: str, answer: str | None, answer_format: str) -> bool:
    """The judgement that counts: JSON equality in a project whose answers are JSON ("json"), else the exact text."""
    if answer is None:
        return False
    if answer_format == "json":
        equal = json_equal(expected, answer)
        return exact(expected, answer) if equal is None else equal
    return exact(expected, answer)


def fits(answer: str | None, schema: Any) -> bool:
    """Whether an answer is JSON of that JSON Schema; of any kind of JSON without one."""
    return bool(answer) and not fault_in(answer or "") and not (schema and schema_fault(schema, answer or ""))


def strict(text: str) -> Any:
    """The JSON value of a text, numbers exact. Raises ValueError for what is no JSON, or says a key twice."""
    try:
        return json.loads(
            text, parse_int=Decimal, parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_object
        )
    except (InvalidOperation, RecursionError) as error:
        raise ValueError("no JSON anyone can use") from error


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key occurs twice")
    return made


def same(one: Any, other: Any) -> bool:
    """Equality in which true is not 1, which it is in Python."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)
