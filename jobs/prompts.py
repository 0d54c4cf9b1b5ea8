"""A prompt template: text that names columns of a table. Pure, and nothing in it is ever run.

    {{ Column }}         the cell of that column, letter by letter
    {{ each: Column }}   the cell is a list, and each of its values makes a prompt of its own
    {{ "{{" }}           two opening braces

A cell that looks like a template stays the text it is.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from curation.chat import canonical

MAX_TEMPLATE = 20_000  # characters
MAX_PROMPT = 100_000  # characters
MAX_VALUES = 1_000  # of one list
_BRACES = '{{ "{{" }}'
_MARK = re.compile(r'\{\{[ \t]*(?:(?P<braces>"\{\{")|(?P<each>each:)?[ \t]*(?P<column>[^{}\r\n]*[^{}\s]))[ \t]*\}\}')


class TemplateError(ValueError):
    """The template cannot be used; the message says where it is wrong and what to write."""


@dataclass(frozen=True)
class Part:
    """A stretch of a template, or of a prompt made from it. `column` is empty for the template's own words."""

    text: str
    column: str = ""


@dataclass(frozen=True)
class Template:
    """A template that was read. In its parts, the text of a column's part is the mark that stood there."""

    parts: tuple[Part, ...]
    each: str = ""  # the column whose cells are lists

    @property
    def columns(self) -> list[str]:
        """The columns it names, each once, in the order they come."""
        return list(dict.fromkeys(part.column for part in self.parts if part.column))

    @property
    def source(self) -> str:
        """The template as text; `parse` reads it back as the same template."""
        return "".join(part.text if part.column else escaped(part.text) for part in self.parts)

    def fill(self, variables: Mapping[str, str]) -> list[Part]:
        """The parts of one prompt: what came from a cell bears its column."""
        return [Part(variables[part.column], part.column) if part.column else part for part in self.parts]

    def render(self, variables: Mapping[str, str]) -> str:
        """One prompt. Raises TemplateError when it is too long."""
        prompt = "".join(part.text for part in self.fill(variables))
        if len(prompt) > MAX_PROMPT:
            raise TemplateError(f"The prompt has {len(prompt):,} characters; {MAX_PROMPT:,} are the most.")
        return prompt

    def expand(self, row: Mapping[str, str], separator: str) -> Iterator[dict[str, str]]:
        """The cells this template needs of a row: once, or once for each value of the list. None for an empty list."""
        variables = {column: row[column] for column in self.columns}
        if not self.each:
            yield variables
            return
        for value in values_of(row[self.each], separator):
            yield variables | {self.each: value}


def parse(source: str, columns: Sequence[str]) -> Template:
    """Read a template for a table with these columns. Raises TemplateError."""
    if len(source) > MAX_TEMPLATE:
        raise TemplateError(f"The template has {len(source):,} characters; {MAX_TEMPLATE:,} are the most.")
    parts, lists, end = [Part("")], [], 0
    for mark in _MARK.finditer(source):
        parts.append(_words(source, end, mark.start()))
        end = mark.end()
        if mark["braces"]:
            parts.append(Part("{{"))
            continue
        column = _known(mark["column"].strip(), columns)
        parts.append(Part(mark[0], column))
        if mark["each"]:
            lists.append(column)
    parts.append(_words(source, end, len(source)))
    if len(set(lists)) > 1:
        raise TemplateError(f"Only one column can be a list, and there are two: {lists[0]} and {lists[-1]}.")
    template = Template(tuple(_joined(parts)), lists[0] if lists else "")
    if not template.columns:
        example = columns[0] if columns else "Column"
        raise TemplateError(
            f"The template names no column, so every row would make the same prompt. Write {{{{ {example} }}}} where "
            "the cell belongs."
        )
    return template


def escaped(text: str) -> str:
    """The text as a template that says just that."""
    return text.replace("{{", _BRACES)


def values_of(cell: str, separator: str) -> list[str]:
    """The values of a cell that holds a list: a JSON list, or texts between separators. Empty ones do not count.

    Raises TemplateError for a list that is too long.
    """
    values = [value for value in (value.strip() for value in _split(cell, separator)) if value]
    if len(values) > MAX_VALUES:
        raise TemplateError(f"A list has {len(values):,} values; {MAX_VALUES:,} are the most.")
    return values


def _split(cell: str, separator: str) -> list[str]:
    if cell.lstrip().startswith("["):
        try:
            listed = json.loads(cell)
        except (ValueError, RecursionError):  # a text in brackets
            return cell.split(separator)
        return [value if isinstance(value, str) else canonical(value) for value in listed if value is not None]
    return cell.split(separator)


def _words(source: str, start: int, end: int) -> Part:
    """The template's own words between two marks; braces that opened nothing are most likely a slip."""
    words = source[start:end]
    if "{{" in words:
        line = source.count("\n", 0, start + words.index("{{")) + 1
        raise TemplateError(
            f"Line {line}: {{{{ is not followed by the name of a column and }}}}. To write two braces, write {_BRACES}."
        )
    return Part(words)


def _known(column: str, columns: Sequence[str]) -> str:
    if column in columns:
        return column
    alike = difflib.get_close_matches(column, columns, 1)
    guess = f" Did you mean {alike[0]}?" if alike else ""
    raise TemplateError(f"The table has no column “{column}”.{guess} Its columns are: {', '.join(columns)}.")


def _joined(parts: Sequence[Part]) -> Iterator[Part]:
    """Neighbouring words as one part, none of them empty."""
    words = ""
    for part in parts:
        if not part.column:
            words += part.text
            continue
        if words:
            yield Part(words)
        yield part
        words = ""
    if words:
        yield Part(words)
