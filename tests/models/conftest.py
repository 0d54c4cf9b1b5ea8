from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from curation.models import DatasetVersion, Exchange, Project


@pytest.fixture
def ask(project: Project) -> Callable[..., Exchange]:
    """`ask("Where is gate 4?")`: a row for that prompt, as the door into the log would make it."""

    def make(prompt: str, **columns: Any) -> Exchange:
        now = timezone.now()
        defaults = {
            "project": project,
            "messages": [{"role": "user", "content": prompt}],
            "response": "It is upstairs.",
            "split": "train",
            "first_seen_at": now,
            "last_seen_at": now,
        }
        return Exchange.objects.create(user_prompt=prompt, **(defaults | columns))

    return make


@pytest.fixture
def version(project: Project) -> DatasetVersion:
    return DatasetVersion.objects.create(project=project, number=1, content_hash="0" * 64, train_count=0, test_count=0)
