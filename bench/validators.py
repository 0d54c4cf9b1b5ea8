#!/usr/bin/env python3
"""Have the trainers' own programs read the golden files: a line for each program and file; ends with 1 when one fails.

    python bench/validators.py [FOLDER]

Wants an environment of its own with together, mistral-common, google-genai and datasets.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).resolve().parent.parent / "tests/exports/golden"
VERTEX_KEYS = {"contents", "systemInstruction", "tools", "generationConfig", "labels", "toolConfig"}
COOKBOOK_KEYS = {"role", "content", "name", "function_call", "weight"}


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().split("\n") if line]


def together(file: Path) -> str:
    from together.lib.utils.files import check_file

    said = check_file(file)
    if not said["is_check_passed"]:
        raise ValueError(said)
    return f"{said['num_samples']} samples"


def mistral(file: Path) -> str:
    from mistral_common.protocol.instruct import messages as turns
    from mistral_common.protocol.instruct.request import ChatCompletionRequest
    from mistral_common.protocol.instruct.tool_calls import Tool
    from mistral_common.protocol.instruct.validator import ValidationMode, get_validator
    from mistral_common.tokens.tokenizers.base import TokenizerVersion

    kinds = {
        "user": turns.UserMessage,
        "system": turns.SystemMessage,
        "assistant": getattr(turns, "FinetuningAssistantMessage", turns.AssistantMessage),
        "tool": turns.ToolMessage,
    }
    judges = [get_validator(TokenizerVersion[name], ValidationMode.finetuning) for name in ("v3", "v7", "v11", "v13")]
    for line in lines(file):
        tools = [Tool(**tool) for tool in line.get("tools", [])] or None
        for judge in judges:
            said = [kinds[turn["role"]](**turn) for turn in line["messages"]]
            judge.validate_request(ChatCompletionRequest(messages=said, tools=tools))
    return f"{len(lines(file))} lines by {', '.join(type(judge).__name__ for judge in judges)}"


def google(file: Path) -> str:
    from google.genai import types

    for line in lines(file):
        if extra := line.keys() - VERTEX_KEYS:
            raise ValueError(f"keys of no meaning: {extra}")
        for content in [*line["contents"], *filter(None, [line.get("systemInstruction")])]:
            types.Content.model_validate(content)
        for tool in line.get("tools", []):
            types.Tool.model_validate(tool)
    return f"{len(lines(file))} lines"


def hugging_face(file: Path) -> str:
    from datasets import load_dataset

    kind = {".parquet": "parquet", ".csv": "csv"}.get(file.suffix, "json")
    with tempfile.TemporaryDirectory() as cache:
        table = load_dataset(kind, data_files=str(file), split="train", cache_dir=cache)
        return f"{table.num_rows} rows of {', '.join(table.column_names)}"


def cookbook(file: Path) -> str:
    """What OpenAI's cookbook counts as errors of a chat line. It is older than tools: their keys are counted apart."""
    unknown = 0
    for line in lines(file):
        turns = line["messages"]
        for turn in turns:
            calls = turn.get("tool_calls")
            if turn["role"] not in ("system", "user", "assistant", "tool") or not (turn.get("content") or calls):
                raise ValueError(turn)
            if extra := turn.keys() - COOKBOOK_KEYS - {"tool_calls", "tool_call_id"}:
                raise ValueError(f"unrecognized keys {extra}")
            unknown += bool(turn.keys() & {"tool_calls", "tool_call_id"})
        if not any(turn["role"] == "assistant" for turn in turns):
            raise ValueError("no message of the assistant")
    return f"{len(lines(file))} lines; {unknown} messages have keys of tools, which it does not know"


JSONL = ("openai-chat", "openai-dpo", "openai-rft", "prompt-completion", "together", "fireworks")
CHECKS: list[tuple[str, Callable[[Path], str], list[str]]] = [
    ("together", together, ["together.jsonl", "openai-chat.jsonl", "prompt-completion.jsonl"]),
    ("mistral-common", mistral, ["mistral.jsonl"]),
    ("google-genai", google, ["vertex.jsonl"]),
    ("datasets", hugging_face, ["hf-messages.parquet", "csv.csv", *(f"{name}.jsonl" for name in JSONL)]),
    ("cookbook", cookbook, ["openai-chat.jsonl", "fireworks.jsonl"]),
]


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else GOLDEN
    failed = 0
    for name, check, files in CHECKS:
        program = name if name == "cookbook" else f"{name} {version(name)}"
        for file in files:
            try:
                said = f"ok    {check(folder / file)}"
            except Exception as error:  # noqa: BLE001 (each program has its own, of one meaning here)
                failed, said = failed + 1, f"FAIL  {type(error).__name__}: {error}"
            print(f"{program:24} {file:24} {said}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
