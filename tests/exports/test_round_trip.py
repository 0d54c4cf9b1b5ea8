"""From an application's call to the file: whatever is captured and included comes out of every format."""

import codecs
import json
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.datasets import freeze
from curation.models import DatasetVersion, Project
from curation.projects import create_project
from curation.recording import Call, record
from jobs.exports import open_file, request_export, run
from jobs.formats import FORMATS
from jobs.models import Export

from .examples import read_back

pytestmark = pytest.mark.django_db
# What breaks files: NUL, halves of letters, line ends that only some readers take for such, a byte order mark, letters
# from right to left, marks that turn the direction, letters of several code points, starters of formulas, quotes.
NASTY = """\x00 \ud83d \udeeb \ud800 \u2028 \u2029 \x85 \x0b \x0c \x1e \r\n \t \ufeff شلوم \u202e \u200f 👩\u200d👧
    🛫 漢字 é e\u0301 = + - @ \" ' , ; \\ < </script>""".replace("\n    ", " ").split(" ")
TEXTS = st.lists(st.sampled_from([*NASTY, " ", "\n", "word"]), max_size=12).map("".join)
FEW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def call(project: Project, prompt: str, answer: str) -> Call:
    """As clients send it: `json.dumps` writes half a letter as an escape."""
    said = {"role": "assistant", "content": answer}
    return Call(
        id=uuid4(),
        project_id=project.pk,
        source="gateway",
        endpoint="/v1/chat/completions",
        started_at=timezone.now(),
        status_code=200,
        request_body=json.dumps({"model": "m", "messages": [{"role": "user", "content": prompt}]}).encode(),
        response_body=json.dumps({"choices": [{"index": 0, "finish_reason": "stop", "message": said}]}).encode(),
    )


def kept(text: str) -> str:
    """What can be stored of it: NUL and halves of letters become U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "\ufffd")


def included(asked: list[tuple[str, str]]) -> Project:
    """A project with these calls, all included; each other answer was corrected."""
    project = create_project(f"p-{uuid4().hex}", name="Support", keeps_captured_prompt=True)
    record([call(project, prompt, answer) for prompt, answer in asked])
    for number, row in enumerate(project.exchanges.order_by("pk")):
        row.target = f"{row.response} Corrected." if number % 2 else None
        row.state, row.included = "included", timezone.now()
        row.save()
    return project


def exported(version: DatasetVersion, split: str, format: str) -> bytes:
    export = request_export(version, split, format)
    run(export.pk)
    data = open_file(Export.objects.get(pk=export.pk)).read()
    assert not data.startswith(codecs.BOM_UTF8)
    return data


@pytest.mark.parametrize("format", FORMATS)
@FEW
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4))
def test_what_was_captured_and_included_comes_back(format, texts):
    asked = [(f"{prompt} question {number}", f"{answer}.") for number, (prompt, answer) in enumerate(texts)]
    asked += [(f"Plain question {number}", f"Plain answer {number}") for number in range(10)]
    with transaction.atomic():
        version = freeze(included(asked)).version
        found = [pair for split in ("train", "test") for pair in read_back(format, exported(version, split, format))]
    corrected = [(kept(p), kept(a) + (" Corrected." if n % 2 else "")) for n, (p, a) in enumerate(asked)]
    assert sorted(found) == sorted(corrected[1::2] if format == "openai-dpo" else corrected)
