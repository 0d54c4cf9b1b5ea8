"""OpenAI's format for reinforcement fine-tuning: the question, and for the grader what the answer should be."""

from contextlib import suppress
from typing import Any

import orjson

from .base import Format, Row, by_line, example_of


def line(row: Row) -> dict[str, Any]:
    """The grader reads {{item.reference_answer}}, and {{item.reference_json}} where the answer is a JSON object."""
    example = example_of(row.body)
    item: dict[str, Any] = {
        # These models call the system prompt the developer's.
        "messages": [turn | {"role": "developer"} if turn["role"] == "system" else turn for turn in example.asked],
        "reference_answer": example.answer,
    }
    with suppress(orjson.JSONDecodeError):
        value = orjson.loads(example.answer)
        if isinstance(value, dict):
            item["reference_json"] = value
    return item | ({"tools": example.tools} if example.tools else {})


FORMAT = Format(
    "openai-rft",
    "OpenAI reinforcement (RFT)",
    "The question alone, with the approved answer as the field reference_answer for a grader.",
    by_line(line),
)
