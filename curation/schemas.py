"""Whether an answer has the shape the application asked for (JSON Schema). Pure; loads nothing from anywhere."""

import json
from functools import lru_cache
from itertools import islice
from typing import Any, NoReturn

import jsonschema_rs

from .json_text import canonical

_MOST_WORDS = 200  # characters of the fault that are passed on


def answer_schema(response_format: Any) -> Any | None:
    """The JSON Schema in a request's `response_format`, or None where it asks for no schema."""
    if not isinstance(response_format, dict) or response_format.get("type") != "json_schema":
        return None
    wanted = response_format.get("json_schema")
    schema = wanted.get("schema") if isinstance(wanted, dict) else None
    return schema if isinstance(schema, dict) else None


def schema_fault(schema: Any, text: str) -> str:
    """What keeps the valid JSON `text` from the schema, in words that do not quote it; "" when nothing does, or when
    the schema is none itself.
    """
    validator = _validator(canonical(schema))
    if validator is None:
        return ""
    error = next(iter(validator.iter_errors(json.loads(text))), None)
    if error is None:
        return ""
    place = "/".join(str(step) for step in error.instance_path)
    words = error.message if len(error.message) <= _MOST_WORDS else f"{error.message[:_MOST_WORDS]}…"
    return f"The answer does not fit its schema{f' at {place[:80]}' if place else ''}: {words}."


def schema_faults(schema: Any, text: str, most: int) -> list[tuple[list[str | int], str]]:
    """At most that many places where the valid JSON `text` does not fit the schema: the path to each, and words."""
    validator = _validator(canonical(schema))
    if validator is None:
        return []
    errors = islice(validator.iter_errors(json.loads(text)), most)
    return [(list(error.instance_path), error.message[:_MOST_WORDS]) for error in errors]


def is_schema(schema: Any) -> bool:
    """Can answers be checked against it?"""
    return isinstance(schema, dict) and _validator(canonical(schema)) is not None


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any | None:
    try:
        return jsonschema_rs.validator_for(
            json.loads(schema),
            mask="the value",
            retriever=_refuse,
            # Linear time: a captured pattern must not stop the freeze.
            pattern_options=jsonschema_rs.RegexOptions(),
        )
    except (ValueError, jsonschema_rs.ReferencingError):
        return None  # not a schema, or one that refers to somewhere else


def _refuse(address: str) -> NoReturn:
    raise ValueError("Schemas are not loaded from elsewhere.")
