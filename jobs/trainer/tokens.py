"""How this trainer counts text: words, numbers and punctuation marks, long words in pieces of sixteen characters."""

import re
from collections.abc import Iterable
from typing import Any

CONTEXT_TOKENS = 65_536
PIECE = re.compile(r"\s{0,16}\w{1,16}|\s{0,16}[^\w\s]|\s{1,16}")


def pieces(text: str) -> list[str]:
    """Cut `text` into tokens; joined again they give exactly `text`."""
    return PIECE.findall(text)


def text_of(content: Any) -> str:
    """The text of a message's content: a string, null, or a list of parts of which the text parts are joined."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") == "text")
    return ""


def count(messages: Iterable[dict[str, Any]]) -> int:
    """Tokens in all messages' contents together; roles and separators are not counted."""
    return sum(len(pieces(text_of(message.get("content")))) for message in messages)
