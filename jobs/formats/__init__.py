"""The formats a version can be written in: one small module each, which ends in its FORMAT. Pure."""

from . import (
    csv_table,
    fireworks,
    hf_messages,
    mistral,
    openai_chat,
    openai_dpo,
    openai_rft,
    prompt_completion,
    together,
    vertex,
)  # fmt: skip
from .base import Format, Row

__all__ = ["FORMATS", "Format", "Row", "choices"]

FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (
        openai_chat, openai_dpo, openai_rft, prompt_completion, together, fireworks, mistral, vertex, hf_messages,
        csv_table,
    )
}  # fmt: skip


def choices() -> list[tuple[str, str]]:
    """(name, label) of each, for forms and models."""
    return [(name, format.label) for name, format in FORMATS.items()]
