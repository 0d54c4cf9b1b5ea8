"""Calls as the gateway would hand them on."""

import json
import uuid
from typing import Any

from django.utils import timezone

from curation.models import LoggedCall, Project
from curation.recording import Call


def make_call(project: Project, prompt: Any = "Hello?", answer: str | None = "Hi.", **changes: Any) -> Call:
    """A completed chat call. `prompt` may also be a list of messages."""
    messages = prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}]
    message = {"role": "assistant", "content": answer}
    fields: dict[str, Any] = {
        "id": uuid.uuid4(),
        "project_id": project.pk,
        "source": LoggedCall.Source.GATEWAY,
        "endpoint": "/v1/chat/completions",
        "started_at": timezone.now(),
        "request_body": json.dumps({"model": "support", "messages": messages}).encode(),
        "response_body": json.dumps(
            {"model": "m-1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        ).encode(),
        "status_code": 200,
        "served_model": "m-1",
    }
    return Call(**fields | changes)
