"""The format of the time before chats: one text in, one text out."""

from .base import Format, Row, by_line, example_of, text_of


def line(row: Row) -> dict[str, str]:
    """The turns before the answer, joined by blank lines, and the answer."""
    example = example_of(row.body)
    prompt = "\n\n".join(text_of(turn.get("content")) for turn in example.asked)
    return {"prompt": prompt, "completion": example.answer}


FORMAT = Format(
    "prompt-completion",
    "Prompt and completion",
    "For trainers of plain text; Together takes it too. Who said what is lost.",
    by_line(line),
)
