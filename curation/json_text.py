"""JSON as text: read strictly, written in one spelling, made fit for the database, edited in place. Pure."""

import hashlib
import json
import math
import re
from collections.abc import Iterable
from typing import Any, NoReturn

MAX_DEPTH = 64
_BROKEN = re.compile("[\x00\ud800-\udfff]")
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_BLANKS = re.compile(r"[ \t\n\r]*")


class ChatError(ValueError):
    """Text that is not what it should be; the message says what is wrong and never quotes the text."""


def canonical(value: Any) -> str:
    """One spelling for equal JSON values: keys sorted, no blanks, letters as they are."""
    return _CANONICAL.encode(value)


def digest(text: str) -> str:
    """Hex SHA-256 of the text's UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def clean(text: str) -> tuple[str, bool]:
    """The text with NUL and unpaired surrogates as U+FFFD, which Postgres can store; whether there were any."""
    if text.isascii() and "\x00" not in text:
        return text, False
    cleaned, count = _BROKEN.subn("\ufffd", text)
    return cleaned, count > 0


def may_be_broken(raw: bytes) -> bool:
    """False when a JSON text surely has no string that `clean` would change: those can only be written as escapes."""
    return b"\\u0000" in raw or b"\\ud" in raw or b"\\uD" in raw


def clean_value(value: Any) -> tuple[Any, bool]:
    """`clean` for every string in a JSON value, keys too."""
    cleaned = _cleaned(value)
    return cleaned, cleaned != value


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)[0]
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {clean(key)[0]: _cleaned(item) for key, item in value.items()}
    return value


def parse_strict(raw: bytes) -> Any:
    """The value of a JSON text that everybody reads the same way. Raises ChatError.

    Refused: what is not UTF-8, a byte order mark, NaN and infinities (also as 1e999), a key twice in one object,
    nesting deeper than MAX_DEPTH.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ChatError(f"The text is not UTF-8 (byte {error.start}).") from None
    if text.startswith("\ufeff"):
        raise ChatError("The text begins with a byte order mark; send it without.")
    try:
        value = _STRICT.decode(text)
    except json.JSONDecodeError as error:
        raise ChatError(f"The text is not valid JSON: {error.msg} (character {error.pos}).") from None
    except RecursionError:
        raise _too_deep() from None
    except ChatError:
        raise
    except ValueError:  # Python's limit on the digits of an integer
        raise ChatError("The text holds a number with too many digits.") from None
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        _check_depth(value)
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ChatError("The text holds an object that has the same key twice.")
    return value


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ChatError("The text holds a number that is too large.")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ChatError(f"The text holds {name}, which is not JSON.")


_STRICT = json.JSONDecoder(object_pairs_hook=_no_duplicates, parse_float=_finite, parse_constant=_no_constant)
_LENIENT = json.JSONDecoder()


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer) if isinstance(inner, dict | list)]
        if not level:
            return
    raise _too_deep()


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _too_deep() -> ChatError:
    return ChatError(f"The text is nested more than {MAX_DEPTH} levels deep.")


def with_model(raw: bytes, model: str) -> bytes:
    """The body with another value of its top-level "model"; every other byte stays. `parse_strict` has accepted it."""
    text = raw.decode("utf-8")
    position = _skip(text, _skip(text, 0) + 1)
    while text[position : position + 1] == '"':
        key, position = _LENIENT.raw_decode(text, position)
        start = _skip(text, _skip(text, position) + 1)  # behind the colon
        _, end = _LENIENT.raw_decode(text, start)
        if key == "model":
            return (text[:start] + json.dumps(model) + text[end:]).encode("utf-8")
        position = _skip(text, _skip(text, end) + 1)  # behind the comma
    return raw


def _skip(text: str, position: int) -> int:
    return _BLANKS.match(text, position).end()  # type: ignore[union-attr]  # matches everywhere, if only nothing
