"""Examples with all that formats have to cope with, and how a file of each format is read back."""

import csv
import io
import json
from typing import Any

import pyarrow.parquet

from curation.chat import canonical, text_of

TOOLS = [{"type": "function", "function": {"name": "gate", "parameters": {"type": "object"}}}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "gate", "arguments": '{"number":4}'}}
SYSTEM = {"role": "system", "content": "Answer briefly."}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def said(content: str) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


# (example, answer as captured)
EXAMPLES = [
    ({"messages": [SYSTEM, user("Where is gate 4?"), said("Upstairs.")]}, "Downstairs."),
    ({"messages": [user("Kui kaua läheb? “Täpselt”\u2028\u0085"), said('{"minuteid": 12}')]}, '{"minuteid": 12}'),
    (
        {
            "messages": [
                SYSTEM, user("Hello"), said("Hi"),
                user([{"type": "text", "text": "And"}, {"type": "text", "text": "now?"}]), said("=1+1"),
            ]
        },
        None,
    ),
    (
        {
            "messages": [
                user("Gate?"), {"role": "assistant", "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "call_1", "content": "upstairs"}, said("Upstairs, 🛫."),
            ],
            "tools": TOOLS,
        },
        "I do not know.",
    ),
    ({"messages": [user("One"), user("Two"), said("'Three, \"four\"\r\nfive")]}, "@six"),
    (
        {
            "messages": [SYSTEM, user("Open gate 4"), {"role": "assistant", "tool_calls": [CALL]}],
            "tools": TOOLS,
        },
        "I cannot.",
    ),
]  # fmt: skip


def body(example: dict[str, Any]) -> bytes:
    return canonical(example).encode()


def read_back(format: str, data: bytes) -> list[tuple[str, str]]:
    """(what was asked last, the answer) of each record, as a program reads it that knows nothing of ours."""
    match format:
        case "hf-messages":
            rows = pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()
            return [(_last_user(row["messages"]), _said(row["messages"][-1])) for row in rows]
        case "csv":
            table = csv.DictReader(io.StringIO(data.decode(), newline=""))
            return [(_cell(row["prompt"]), _cell(row["answer"])) for row in table]
    assert b"\xef\xbb\xbf" not in data[:3]
    lines = [json.loads(line) for line in data.decode().splitlines()]
    assert len(lines) == data.count(b"\n")
    return [_pair(format, line) for line in lines]


def _pair(format: str, line: dict[str, Any]) -> tuple[str, str]:
    match format:
        case "openai-dpo":
            return _last_user(line["input"]["messages"]), line["preferred_output"][0]["content"]
        case "openai-rft":
            return _last_user(line["messages"]), line["reference_answer"]
        case "prompt-completion":
            return line["prompt"], line["completion"]
        case "vertex":
            parts = line["contents"][-1]["parts"]
            texts = [part["text"] if "text" in part else json.dumps(part["functionCall"]) for part in parts]
            asked = [c["parts"][0]["text"] for c in line["contents"] if c["role"] == "user" and "text" in c["parts"][0]]
            return asked[-1], "".join(texts)
    return _last_user(line["messages"]), _said(line["messages"][-1])


def _said(message: dict[str, Any]) -> str:
    """The words, or the first call's name and arguments."""
    if calls := message.get("tool_calls"):
        (call,) = json.loads(calls) if isinstance(calls, str) else calls
        return f"{call['function']['name']} {call['function']['arguments']}"
    return message["content"]


def _last_user(messages: list[dict[str, Any]]) -> str:
    return text_of([message for message in messages if message["role"] == "user"][-1]["content"])


def _cell(text: str) -> str:
    return text[1:] if text.startswith("'") else text
