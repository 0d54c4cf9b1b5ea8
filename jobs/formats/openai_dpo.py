"""OpenAI's format for preferences: what a person wrote is preferred to what the model had said."""

from typing import Any

from curation.tool_calls import looks_like_calls

from .base import Format, Row, by_line, example_of, in_words


def line(row: Row) -> dict[str, Any] | None:
    """None where nobody corrected the answer: then there is nothing to prefer it to. None too where either calls tools:
    pairs are of texts.
    """
    example = example_of(row.body)
    captured = (row.captured or b"").decode()
    if example.calls_tools or looks_like_calls(captured, example.tools):
        return None
    if not captured.strip() or captured == example.answer or example.asked[-1]["role"] == "assistant":
        return None
    asked: dict[str, Any] = {"messages": in_words(example.asked)}
    if example.tools:
        asked |= {"tools": example.tools, "parallel_tool_calls": True}
    return {
        "input": asked,
        "preferred_output": [{"role": "assistant", "content": example.answer}],
        "non_preferred_output": [{"role": "assistant", "content": captured}],
    }


FORMAT = Format(
    "openai-dpo",
    "OpenAI preferences (DPO)",
    "One pair for each corrected answer: the correction is preferred to the captured one. Left out: others, and calls.",
    by_line(line),
    wants_captured=True,
)
