"""What every format works with: rows of a frozen version in, a file's bytes out. Pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import orjson

from curation.chat import Message, said_in, text_of

# JSON may hold these as they are, but programs that read line by line take them for the end of one.
_LINE_ENDS = {"\u2028": b"\\u2028", "\u2029": b"\\u2029", "\x85": b"\\u0085"}
_ENCODED = [(end.encode(), escape) for end, escape in _LINE_ENDS.items()]


class Row(NamedTuple):
    """One example: the row it comes from, canonical JSON of {"messages": […], "tools": […]} in UTF-8, and the answer as
    it was captured, for formats that ask for it.
    """

    exchange_id: int
    body: bytes
    captured: bytes | None = None


class Example(NamedTuple):
    """A row taken apart: what was asked, and the message to learn."""

    asked: list[Message]
    said: Message
    tools: list[Any]

    @property
    def calls_tools(self) -> bool:
        return bool(self.said.get("tool_calls"))

    @property
    def answer(self) -> str:
        """What is said as text: calls of tools as the JSON that people edit."""
        return said_in(self.said)

    @property
    def system(self) -> str:
        return "\n\n".join(text_of(turn.get("content")) for turn in self.asked if turn.get("role") == "system")

    @property
    def turns(self) -> list[Message]:
        return [turn for turn in self.asked if turn.get("role") != "system"]


class Sink(Protocol):
    """What a format writes to."""

    def write(self, data: bytes, /) -> int: ...


# Writes the file and gives, for each record in it, the row that it comes from.
Write = Callable[[Iterable[Row], Sink], Iterator[int]]


@dataclass(frozen=True)
class Format:
    """A shape that trainers take. `about` says in a sentence who takes it and what is special."""

    name: str
    label: str
    about: str
    write: Write
    suffix: str = "jsonl"
    content_type: str = "application/jsonl; charset=utf-8"
    wants_captured: bool = False


def example_of(body: bytes) -> Example:
    value = orjson.loads(body)
    *asked, answer = value["messages"]
    said = answer if answer.get("tool_calls") else {"role": "assistant", "content": text_of(answer.get("content"))}
    return Example(asked, said, value.get("tools") or [])


def safe_line(line: bytes) -> bytes:
    """The JSON text with nothing in it that any reader takes for the end of a line."""
    if line.isascii():  # told in a tenth of the time
        return line
    for end, escape in _ENCODED:
        if end in line:
            line = line.replace(end, escape)
    return line


def by_line(line_of: Callable[[Row], Any]) -> Write:
    """A writer of JSON Lines from a function that makes the value of one line, or None where a row has none."""

    def write(rows: Iterable[Row], file: Sink) -> Iterator[int]:
        for row in rows:
            value = line_of(row)
            if value is not None:
                file.write(safe_line(orjson.dumps(value)) + b"\n")
                yield row.exchange_id

    return write


def in_words(messages: list[Message]) -> list[Message]:
    """The messages with their content as one string, for trainers that know no parts."""
    return [message | {"content": text_of(message.get("content"))} for message in messages]


def alternating(messages: list[Message]) -> list[Message]:
    """What one side says in several turns in a row becomes one turn, for trainers that want the sides to alternate."""
    joined: list[Message] = []
    for message in messages:
        before = joined[-1] if joined else {}
        is_plain = not message.get("tool_calls") and not before.get("tool_calls") and message["role"] != "tool"
        if is_plain and before.get("role") == message["role"]:
            joined[-1] = before | {"content": f"{before['content']}\n\n{message['content']}"}
        else:
            joined.append(message)
    return joined
