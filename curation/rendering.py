"""What a row becomes as a training example: which system prompt stands before it, and which keys a trainer knows."""

from typing import Any

from django.db import connection

from .chat import ChatError, Message, canonical, digest, split_prompt, training_messages
from .models import Exchange, Project
from .tool_calls import calls_in

# What captured messages carry besides is the answering service's own, and trainers refuse it.
_KEYS = ("role", "content", "name", "tool_calls", "tool_call_id", "function_call", "weight")


class Unteachable(Exception):
    """A row cannot become an example; the message says why."""


class Renderer:
    """Renders a project's rows. The captured system prompts give way to the project's training prompt, or to the one
    that a captured prompt has for itself; where the project keeps them, or has none, they stay.
    """

    def __init__(self, project: Project) -> None:
        self.keeps_captured = project.keeps_captured_prompt or not project.training_prompt
        self._prompt = "" if project.keeps_captured_prompt else project.training_prompt
        self._variants = {} if project.keeps_captured_prompt else _variants(project)

    @property
    def has_variants(self) -> bool:
        return bool(self._variants)

    def prompt_for(self, captured: str) -> str:
        """The system prompt that is taught in place of the captured one."""
        return self._variants.get(digest(captured), self._prompt) or captured

    def example(self, messages: list[Message], answer: str | None, tools: Any = None) -> dict[str, Any]:
        """{"messages": […], "tools": […]}, ready for `canonical`. Raises Unteachable."""
        if not (answer or "").strip():
            raise Unteachable("It has no answer to teach. Write one, or exclude it.")
        try:
            prompt = self._prompt
            if self._variants:
                prompt = self._variants.get(digest(split_prompt(messages).system), prompt)
            taught = training_messages(messages, prompt, answer or "")
        except ChatError as error:
            raise Unteachable(f"It cannot become an example: {error} Exclude it.") from error
        if calls := calls_in(answer, tools):
            taught[-1] = calls.message(taught)
        example: dict[str, Any] = {"messages": [_trainable(message) for message in taught]}
        if tools:
            example["tools"] = tools
        return example

    def body(self, row: Exchange) -> str:
        """The row's example as it is frozen. Raises Unteachable."""
        return canonical(self.example(row.messages, row.teaches, row.tools))


def _variants(project: Project) -> dict[str, str]:
    """What each captured system prompt gives way to, by its digest; by hand, as a row's page asks it each time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT digest, training_prompt FROM curation_promptvariant WHERE project_id = %s", [project.pk])
        return dict(cursor.fetchall())


def _trainable(message: Message) -> Message:
    return {key: message[key] for key in _KEYS if message.get(key) is not None}
