"""The table of patterns, compiled. Pure."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import re2

# Names that announce a secret. Not "key" or "token" alone: those are words of everyday, and of the API itself.
NAMES = (
    r"(?:api|access|account|auth|client|encryption|private|refresh|secret|session|signing)[ _-]?(?:key|token|secret)"
    r"|passw(?:or)?d|pwd|passphrase|secret"
)
_IS_NAME = re.compile(rf"(?i)[\w .-]{{0,40}}(?:{NAMES})")
_IS_SECRET_VALUE = re.compile(r"(?=[^\n]{0,60}[0-9])(?=[^\n]{0,60}[A-Za-z])[^\s\[\]{}<>]{8,}")


class Pattern(NamedTuple):
    name: str
    kind: str
    group: str
    regex: re.Pattern[str]
    hint: str


@cache
def table() -> list[dict[str, Any]]:
    """The file's entries as they are written, with their examples."""
    return tomllib.loads(Path(__file__).with_name("patterns.toml").read_text(encoding="utf-8"))["pattern"]


@cache
def patterns() -> list[Pattern]:
    return [
        Pattern(
            name=entry["name"],
            kind=entry["kind"],
            group=entry["group"],
            regex=re.compile(entry["regex"].replace("{names}", NAMES)),
            hint=entry["hint"].replace("{names}", NAMES),
        )
        for entry in table()
    ]


def any_of(hints: list[str]) -> Any:
    """One automaton that looks for all hints in a single pass over bytes, however many there are."""
    return re2.compile("|".join(f"(?:{hint})" for hint in hints).encode("latin-1"), _options())


def set_of(hints: list[str]) -> Any:
    """One automaton that tells in a single pass over bytes which of the hints are there, by their places."""
    found = re2.Set.SearchSet(_options())
    for hint in hints:
        found.Add(hint.encode("latin-1"))
    found.Compile()
    return found


def _options() -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return options


def is_named_secret(key: str, value: str) -> bool:
    """Whether a JSON pair is one like {"password": "hunter22"}: the name announces a secret, the value could be one."""
    return bool(_IS_NAME.fullmatch(key) and _IS_SECRET_VALUE.fullmatch(value))
