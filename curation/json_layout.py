"""JSON answers as people read and write them: laid out anew without touching a digit, a key's order or an escape."""

import re

from .chat import ChatError, canonical, parse_strict

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_OPENING, _CLOSING = ("{", "["), ("}", "]")


def fault_in(text: str) -> str:
    """What keeps the text from being strict JSON, in words; "" when nothing does."""
    try:
        parse_strict(text.encode("utf-8", "surrogatepass"))
    except ChatError as error:
        return str(error)
    return ""


def same_value(one: str | None, other: str | None) -> bool:
    """Do both texts hold the same JSON value? White space and the order of keys make no difference."""
    if one is None or other is None or fault_in(one) or fault_in(other):
        return False
    return canonical(parse_strict(one.encode())) == canonical(parse_strict(other.encode()))


def on_one_line(text: str) -> str:
    """Valid JSON without the white space between its parts."""
    return "".join(TOKEN.findall(text))


def laid_out(text: str) -> str:
    """Valid JSON over several lines, two spaces a level; empty objects and arrays stay closed up."""
    parts: list[str] = []
    depth = 0
    before = ""
    for part in TOKEN.findall(text):
        if part in _CLOSING:
            depth -= 1
            parts.append(part if before in _OPENING else f"\n{'  ' * depth}{part}")
        else:
            if before in _OPENING or before == ",":
                parts.append("\n" + "  " * depth)
            parts.append(": " if part == ":" else part)
            depth += part in _OPENING
        before = part
    return "".join(parts)
