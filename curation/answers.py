"""Texts as answers: when two of them say the same, and what is stored of one that a person typed."""

from typing import Any

from .checking import Fault, call_faults, faults_in
from .json_layout import fault_in, on_one_line, same_value
from .models import Project
from .tool_calls import looks_like_calls


def reads_as_json(project: Project, tools: Any, *texts: str | None) -> bool:
    """Are answers of this row JSON: because the project teaches it, or because one of the texts calls tools?"""
    return project.is_json or any(looks_like_calls(text, tools) for text in texts)


def answer_faults(project: Project, tools: Any, text: str) -> list[Fault]:
    """What keeps the text from being an answer of this project to a call that offered these tools."""
    if looks_like_calls(text, tools):
        return call_faults(text, tools)
    return faults_in(text, project.schema) if project.is_json else []


def says_the_same(one: str, other: str | None, is_json: bool) -> bool:
    """JSON by value; other text but for the line ends, which a browser makes CR LF."""
    if unix_lines(one) == unix_lines(other or ""):
        return True
    return is_json and same_value(one, other)


def unix_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def as_stored(typed: str, captured: str | None, is_json: bool) -> str:
    """The editor shows JSON over several lines; what is taught keeps the layout the application is used to."""
    typed = unix_lines(typed)
    is_one_line = "\n" not in (captured or "").strip()
    return on_one_line(typed) if is_json and is_one_line and not fault_in(typed) else typed
