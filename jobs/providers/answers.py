"""What the official client returns, read with care: it does not check what it reads, so any field may be missing or of
another type.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any, TypeVar

from openai.pagination import SyncCursorPage
from openai.types import FileObject, ModerationCreateResponse
from openai.types.chat import ChatCompletion
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent
from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint

from curation.tool_calls import spoken_by

from .base import RemoteCheckpoint, RemoteEvent, RemoteFile, RemoteJob, Reply
from .errors import not_json

# A server that says has_more for ever must not keep a worker for ever.
MOST_PAGES = 10

T = TypeVar("T")


def items(page: object, kind: type[T]) -> Iterator[T]:
    """What a list holds, page by page."""
    for _ in range(MOST_PAGES):
        listed = checked(page, SyncCursorPage)
        for item in listed.data or ():
            yield checked(item, kind)
        if not listed.has_next_page():
            return
        page = listed.get_next_page()


def checked(answer: object, kind: type[T]) -> T:
    """The client hands an HTML page through as a string."""
    if not isinstance(answer, kind):
        raise not_json()
    return answer


def text(value: object, limit: int = 200) -> str:
    return value.replace("\0", "\ufffd")[:limit] if isinstance(value, str) else ""


def day_of(value: object) -> date | None:
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def file_of(item: FileObject) -> RemoteFile:
    if not text(item.id):
        raise not_json()
    is_ready = text(item.status) not in ("uploaded", "pending", "running")
    return RemoteFile(item.id, text(item.filename, 300), is_ready)


def job_of(item: FineTuningJob) -> RemoteJob:
    said = getattr(item.error, "message", None) or getattr(item.error, "code", None)
    metadata = item.metadata if isinstance(item.metadata, dict) else {}
    results = item.result_files if isinstance(item.result_files, list) else []
    return RemoteJob(
        id=text(item.id),
        status=text(item.status, 60),
        created_at=_whole(item.created_at),
        training_file=text(item.training_file),
        model=text(item.fine_tuned_model),
        error=text(said, 2000),
        trained_tokens=_count(item.trained_tokens),
        estimated_finish=_count(item.estimated_finish),
        result_files=tuple(name for name in map(text, results) if name),
        metadata={str(key): str(value) for key, value in metadata.items()},
    )


def event_of(item: FineTuningJobEvent) -> RemoteEvent:
    return RemoteEvent(
        id=text(item.id),
        level=text(item.level, 20) or "info",
        message=text(item.message, 2000),
        data=item.data if isinstance(item.data, dict) else {},
        created_at=_whole(item.created_at),
    )


def checkpoint_of(item: FineTuningJobCheckpoint) -> RemoteCheckpoint:
    metrics: Any = getattr(item.metrics, "to_dict", dict)()
    return RemoteCheckpoint(
        id=text(item.id),
        step=_count(item.step_number) or 0,
        model=text(item.fine_tuned_model_checkpoint),
        metrics=metrics if isinstance(metrics, dict) else {},
        created_at=_whole(item.created_at),
    )


def reply_of(answer: ChatCompletion, latency_ms: float, first_token_ms: float | None = None) -> Reply:
    if not answer.choices:
        raise not_json()
    choice, usage = answer.choices[0], answer.usage
    said = getattr(choice.message, "content", None)
    if calls := spoken_by(getattr(choice.message, "to_dict", dict)()):
        said = calls.text
    return Reply(
        text=said if isinstance(said, str) else None,
        finish_reason=text(choice.finish_reason, 40),
        latency_ms=latency_ms,
        prompt_tokens=_count(getattr(usage, "prompt_tokens", None)),
        completion_tokens=_count(getattr(usage, "completion_tokens", None)),
        first_token_ms=first_token_ms,
    )


def flags_of(answer: ModerationCreateResponse, count: int) -> list[list[str]]:
    """The categories of each text that is flagged, in the provider's words. Raises ProviderError."""
    results = answer.results if isinstance(answer.results, list) else []
    if len(results) != count:
        raise not_json()
    return [_flags(result.to_dict()) for result in results]


def _flags(result: dict[str, Any]) -> list[str]:
    if result.get("flagged") is not True:
        return []
    categories = result.get("categories")
    names = (
        [text(name, 60) for name, is_so in categories.items() if is_so is True] if isinstance(categories, dict) else []
    )
    return sorted(names) or ["flagged"]


def _whole(value: object) -> int:
    return int(value) if isinstance(value, int | float) and abs(value) < 2**53 else 0


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 2**31 else None
