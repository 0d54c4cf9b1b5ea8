"""What is wrong with an answer that should be JSON of a certain shape: each fault with its path and its line. Pure."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from .json_layout import fault_in
from .json_places import Step, lines_of
from .schemas import is_schema, schema_faults
from .tool_calls import parameters_of

MOST_FAULTS = 20


class Fault(NamedTuple):
    """`path` as in "city.names[0]", "" for the whole; `line` counts from 1, None where none can be named."""

    path: str
    line: int | None
    words: str


def faults_in(text: str, schema: Any = None) -> list[Fault]:
    """What keeps the text from being strict JSON, or else from the schema; at most 20."""
    if words := fault_in(text):
        return [Fault("", _line_of_fault(text), words)]
    if schema is None:
        return []
    lines = lines_of(text)
    found = schema_faults(schema, text, MOST_FAULTS)
    return [Fault(_spelled(path), lines.get(tuple(path)), f"{words[0].upper()}{words[1:]}.") for path, words in found]


def call_faults(text: str, tools: Any) -> list[Fault]:
    """What keeps the text from calling these tools, each with the arguments it takes."""
    return faults_in(text, _calls_schema(tools))


def _calls_schema(tools: Any) -> dict[str, Any]:
    parameters = parameters_of(tools)
    # An id of its own keeps each tool's references inside its own schema.
    rules = [
        {
            "if": {"properties": {"name": {"const": name}}},
            "then": {"properties": {"arguments": {"$id": f"urn:tool:{number}", **schema}}},
        }
        for number, (name, schema) in enumerate(parameters.items())
        if is_schema(schema)
    ]
    call = {
        "type": "object",
        "required": ["name", "arguments"],
        "additionalProperties": False,
        "properties": {"name": {"enum": list(parameters)}, "arguments": {"type": "object"}},
        **({"allOf": rules} if rules else {}),
    }
    return {
        "type": "object",
        "required": ["tool_calls"],
        "additionalProperties": False,
        "properties": {"content": {"type": "string"}, "tool_calls": {"type": "array", "minItems": 1, "items": call}},
    }


def _line_of_fault(text: str) -> int | None:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.lineno
    except (RecursionError, ValueError):
        pass  # too deep, or a number with too many digits: neither has a place
    return None


def _spelled(path: list[Step]) -> str:
    return "".join(_steps(path)).removeprefix(".")


def _steps(path: list[Step]) -> Iterator[str]:
    for step in path:
        yield f"[{step}]" if isinstance(step, int) else f".{step}"
