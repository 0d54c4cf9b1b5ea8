"""What jobs need to know of a provider's answers, and the one error its calls raise. Pure: no Django, no rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any


class ProviderError(Exception):
    """A call that brought nothing. The message says what happened and what to do; it never holds a key.

    `permanent`: the same call will fail again until a person changes something.
    `surely_undone`: the provider did nothing, so even a call that costs money may be made again. False means unclear.
    `code`: the provider's own error code, or one of ours; `status`: the HTTP status, None without an answer.
    `retry_after`: seconds the provider asked us to wait, 0 when it did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool,
        surely_undone: bool = False,
        code: str = "",
        status: int | None = None,
        retry_after: float = 0,
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.surely_undone = surely_undone
        self.code = code
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True)
class RemoteFile:
    id: str
    name: str
    is_ready: bool


@dataclass(frozen=True)
class RemoteJob:
    """A fine-tuning job as its provider tells it. `status` is the provider's own word and may be an unknown one."""

    id: str
    status: str
    created_at: int
    training_file: str
    model: str = ""
    error: str = ""
    trained_tokens: int | None = None
    estimated_finish: int | None = None
    result_files: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RemoteEvent:
    id: str
    level: str
    message: str
    data: Mapping[str, Any]
    created_at: int


@dataclass(frozen=True)
class RemoteCheckpoint:
    id: str
    step: int
    model: str
    metrics: Mapping[str, Any]
    created_at: int


@dataclass(frozen=True)
class Reply:
    """One chat completion. `text` is None without an answer (a refusal); tools are called as `tool_calls` writes it."""

    text: str | None
    finish_reason: str
    latency_ms: float
    prompt_tokens: int | None
    completion_tokens: int | None
    # Where the answer was streamed: when its first piece of text came, milliseconds.
    first_token_ms: float | None = None


@dataclass(frozen=True)
class RemoteWebhook:
    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class RemoteModel:
    id: str
    shutdown_on: date | None
