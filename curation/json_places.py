"""On which line of a JSON text each of its values begins. Pure."""

import json

from .json_layout import TOKEN

Step = str | int


def lines_of(text: str) -> dict[tuple[Step, ...], int]:
    """Lines, counted from 1, by the path to the value: keys and places. The text is valid JSON."""
    lines: dict[tuple[Step, ...], int] = {}
    path: list[Step | None] = []  # None: the key comes next
    line, seen = 1, 0
    for found in TOKEN.finditer(text):
        piece = found[0]
        line, seen = line + text.count("\n", seen, found.start()), found.start()
        if piece in ("}", "]"):
            path.pop()
        elif piece == ",":
            last = path[-1]
            path[-1] = last + 1 if isinstance(last, int) else None
        elif piece == ":":
            continue
        elif path and path[-1] is None:
            path[-1] = json.loads(piece)
        else:
            lines[tuple(step for step in path if step is not None)] = line
            if piece in ("{", "["):
                path.append(None if piece == "{" else 0)
    return lines
