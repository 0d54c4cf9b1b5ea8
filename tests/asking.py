"""Calls as applications make them, recorded through the one door into the log."""

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from curation import indexing
from curation.models import Exchange, LoggedCall, Project
from curation.recording import Call, record

SYSTEM = "You are the help desk of a small shop. Answer in one friendly sentence."


def call_of(project: Project, prompt: str, answer: str | None, *, messages: Sequence[Any] = (), **fields: Any) -> Call:
    asked = list(messages) or [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt}]
    choice = {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
    answered = {"model": "baseline", "choices": [choice], "usage": {"prompt_tokens": 30, "completion_tokens": 9}}
    return Call(
        **{
            "id": uuid.uuid4(),
            "project_id": project.pk,
            "source": LoggedCall.Source.GATEWAY,
            "endpoint": "/v1/chat/completions",
            "started_at": datetime.now(UTC),
            "request_body": json.dumps({"model": project.slug, "messages": asked}).encode(),
            "response_body": json.dumps(answered).encode(),
            "requested_model": project.slug,
            "served_model": "baseline",
            "status_code": 200,
            "duration_ms": 12.5,
            **fields,
        }
    )


def ask(project: Project, prompt: str, answer: str | None = "It depends.", **more: Any) -> Exchange:
    """One call, recorded and in the search; the exchange it belongs to."""
    call = call_of(project, prompt, answer, **more)
    found = record([call])
    indexing.catch_up()
    return Exchange.objects.get(pk=found[call.id])


def ask_many(project: Project, count: int, answer: str = "It depends.") -> list[Exchange]:
    """That many different prompts, oldest first."""
    calls = [call_of(project, f"Question {number}", answer) for number in range(1, count + 1)]
    ids = record(calls)
    while indexing.catch_up():
        pass
    rows = Exchange.objects.in_bulk([ids[call.id] for call in calls])
    return [rows[ids[call.id]] for call in calls]
