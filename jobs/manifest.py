"""What stands beside each file: what it is, the hashes to check it by, and which row each of its records comes from."""

from array import array
from typing import Any, BinaryIO

import orjson

from .models import Export

_PIECE = 10_000


def name_of(export_name: str) -> str:
    return f"{export_name}.manifest.json"


def read(file: BinaryIO) -> dict[str, Any]:
    return orjson.loads(file.read())


def write(export: Export, file: BinaryIO, *, name: str, sha256: str, byte_count: int, rows: "array[int]") -> None:
    """`rows` are the ids in the order of the records. No clock: the same file has the same manifest."""
    version = export.version
    head = {
        "project": version.project.slug,
        "version": version.number,
        "content_hash": version.content_hash,
        "training_prompt": version.training_prompt,
        "split": export.split,
        "format": export.format,
        "file": name.rsplit("/", 1)[-1],
        "sha256": sha256,
        "bytes": byte_count,
        "records": len(rows),
    }
    file.write(orjson.dumps(head, option=orjson.OPT_INDENT_2)[:-2])
    file.write(b',\n  "rows": [')
    for start in range(0, len(rows), _PIECE):
        file.write((b"," if start else b"") + orjson.dumps(rows[start : start + _PIECE].tolist())[1:-1])
    file.write(b"]\n}\n")
