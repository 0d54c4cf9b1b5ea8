"""One question to a model, and what came of it byte for byte, as the log wants it. Knows no rows."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from curation.chat import Answer, Message, canonical, read_answer

from .providers.base import ProviderError
from .providers.errors import not_json
from .providers.openai import Service

ENDPOINT = "/v1/chat/completions"
CHARACTERS_PER_TOKEN = 4  # roughly, in English


@dataclass(frozen=True)
class Heard:
    """What came of one request. Exactly one of `answer` and `error` is there; `response` is empty when nothing came."""

    request: bytes
    started_at: datetime
    duration_ms: float
    response: bytes = b""
    answer: Answer | None = None
    error: ProviderError | None = None

    @property
    def tokens(self) -> int:
        """Tokens of request and answer as the provider counted them; where it did not, characters tell roughly."""
        if self.answer is None:
            return 0
        counted = (self.answer.prompt_tokens or 0) + (self.answer.completion_tokens or 0)
        return counted or (len(self.request) + len(self.answer.text or "")) // CHARACTERS_PER_TOKEN


def chat_request(model: str, messages: Sequence[Message]) -> bytes:
    return canonical({"model": model, "messages": list(messages)}).encode()


def ask(service: Service, request: bytes) -> Heard:
    """Send one request and wait for what comes; never raises ProviderError. May run in a thread."""
    started_at, clock = datetime.now(UTC), time.perf_counter()

    def heard(**found: object) -> Heard:
        return Heard(request, started_at, (time.perf_counter() - clock) * 1000, **found)  # type: ignore[arg-type]

    try:
        response = service.answer(request)
    except ProviderError as error:
        # What the official client raised has the body of a refusal.
        refusal = getattr(error.__cause__, "response", None)
        return heard(error=error, response=refusal.content if refusal is not None else b"")
    answer = read_answer(response, is_stream=False)
    return heard(response=response, answer=answer) if answer.is_complete else heard(response=response, error=not_json())
