"""Chats as tokens: what the model reads, and which of it it is to learn to say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from jobs.trainer.engines.base import Example, Message, NotAnswerable, TrainingFailed
from jobs.trainer.tokens import text_of

LONGEST = 4096  # tokens of one example; what a longer one costs in memory grows faster than it teaches


@dataclass(frozen=True)
class Tokens:
    """One text; `is_label` marks the tokens that are learned."""

    ids: list[int]
    is_label: list[bool]


class Writer:
    """Writes chats as a model's own template has them."""

    def __init__(self, tokenizer: Any, context: int) -> None:
        self.tokenizer, self.context = tokenizer, context

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The messages, and the beginning of an answer. Raises NotAnswerable."""
        try:
            text = self._text(messages, begins_answer=True)
        except TemplateError as error:
            raise NotAnswerable(f"This model's chat template refuses the messages: {error}", "messages") from None
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def example(self, example: Example, number: int) -> Tokens:
        """An example of supervised training: every assistant message is learned unless its weight is 0.

        Raises TrainingFailed, naming the line `number`."""
        messages = example["messages"]
        wanted = [
            at for at, message in enumerate(messages) if message["role"] == "assistant" and message.get("weight", 1)
        ]
        return self._tokens(messages, wanted, number)

    def pair(self, example: Example, number: int) -> tuple[Tokens, Tokens]:
        """An example of DPO: the chat with the better answer, and with the worse one. Raises TrainingFailed."""
        before = example["input"]["messages"]
        better, worse = (
            self._tokens([*before, *answer], list(range(len(before), len(before) + len(answer))), number)
            for answer in (example["preferred_output"], example["non_preferred_output"])
        )
        return better, worse

    def _tokens(self, messages: Sequence[Message], wanted: Sequence[int], number: int) -> Tokens:
        try:
            text = self._text(messages)
            spans = [self._span(messages, at, text) for at in wanted]
        except TemplateError as error:
            raise TrainingFailed(f"Line {number}: this model's chat template refuses it: {error}") from None
        read = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        is_label = [any(begin <= at < end for begin, end in spans) for at, _ in read["offset_mapping"]]
        if not any(is_label):
            raise TrainingFailed(f"Line {number} holds no answer that this model could learn.")
        limit = min(LONGEST, self.context)
        if len(is_label) > limit:
            raise TrainingFailed(f"Line {number} holds {len(is_label)} tokens; with this model at most {limit}.")
        return Tokens(read["input_ids"], is_label)

    def _span(self, messages: Sequence[Message], at: int, text: str) -> tuple[int, int]:
        """Where the answer `at`, with the mark that ends it, stands in the text; an empty span where nothing does."""
        before = self._text(messages[:at], begins_answer=True)
        until = self._text(messages[: at + 1]).rstrip("\n")
        is_there = text.startswith(until) and until.startswith(before)
        return (len(before), len(until)) if is_there else (0, 0)

    def _text(self, messages: Sequence[Message], begins_answer: bool = False) -> str:
        plain = [{"role": _role(message["role"]), "content": text_of(message.get("content"))} for message in messages]
        if not plain:
            return ""
        text: str = self.tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=begins_answer)
        return text


def _role(role: str) -> str:
    return "system" if role == "developer" else role
