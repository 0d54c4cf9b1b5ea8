"""Files of past calls as people have them, and ways to bring them in."""

import gzip
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from curation.models import Membership, Project, User
from jobs import imports, uploads
from jobs.models import Import
from tests.machines import drive, media, provider, stub  # noqa: F401  (fixtures)

ASKED = {"role": "user", "content": "Where is gate 4?"}
ANSWERED = {"role": "assistant", "content": "Left."}


def chat_line(n: int) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": f"Question {n}"}, {"role": "assistant", "content": f"Answer {n}"}]}


def joined(*lines: Any) -> bytes:
    """Values as JSON lines; bytes as they are."""
    return b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)


def done(upload: Import) -> Import:
    """The import, once workers have done what buttons asked for."""
    upload.refresh_from_db()
    return drive(upload)


@pytest.fixture
def importing(project: Project, tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """Imports lines (values, or text as it is) by the command; returns its output and its complaints."""

    def run(*lines: Any, name: str = "calls.jsonl", **options: Any) -> tuple[str, str]:
        content, path = joined(*lines), tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        out, err = StringIO(), StringIO()
        call_command("import_calls", project.slug, str(path), stdout=out, stderr=err, **options)
        return out.getvalue().strip(), err.getvalue()

    return run


@pytest.fixture
def brought(project: Project) -> Callable[..., Import]:
    """`brought(line, line)`: a draft of an import, started if asked so."""

    def make(*lines: Any, name: str = "calls.jsonl", starts: bool = False, **options: Any) -> Import:
        upload = uploads.draft(project, ContentFile(joined(*lines), name))
        if starts:
            imports.start(upload, **options)
        return upload

    return make


@pytest.fixture
def operator(person: Callable[..., User], browser_of: Callable[[User | None], Client]) -> Client:
    return browser_of(person("ola", Membership.Role.OPERATOR))


@pytest.fixture
def url(project: Project) -> Callable[..., str]:
    return lambda name, *words: reverse(name, args=[project.slug, *words])
