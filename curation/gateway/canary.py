"""Which of an alias' calls go to a model that is tried on a share of them: always the same callers or conversations."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

_HUNDREDTHS = 10_000
_READ = 512  # characters; and so many of the first messages: the time it takes does not grow with the call
_FIRST = 8


def is_its_turn(model: str, share: int, wanted: Mapping[str, Any]) -> bool:
    """Whether a call belongs to the `share` (in percent) of the calls that go to that model. The model's name is hashed
    with it, so that the next one is tried on others.
    """
    told = f"{model}\0{_caller(wanted)}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(told, digest_size=8).digest()) % _HUNDREDTHS < share * 100


def _caller(wanted: Mapping[str, Any]) -> str:
    """Who asks, where the application says so; else what the conversation began with, so that it stays with a model."""
    for name in ("safety_identifier", "user"):
        if isinstance(wanted.get(name), str) and wanted[name]:
            return str(wanted[name][:_READ])
    messages = wanted.get("messages")
    for message in messages[:_FIRST] if isinstance(messages, list) else ():
        if isinstance(message, dict) and message.get("role") == "user":
            return _text(message.get("content"))
    return _text(wanted.get("prompt"))


def _text(content: object) -> str:
    if isinstance(content, list) and content:
        content = content[0].get("text") if isinstance(content[0], dict) else content[0]
    return content[:_READ] if isinstance(content, str) else ""
