"""`export SLUG …`: a file for a script."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from jobs import exports

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("export", *words, stdout=out)
    return out.getvalue()


def test_it_writes_the_split_and_says_so(version, tmp_path):
    path = tmp_path / "train.jsonl"
    said = run("support", "--format", "openai-chat", "--split", "train", "--output", str(path))
    assert said == f"12 lines of support v1 train openai-chat in {path}\n"
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["messages"][-1]["content"] for line in lines][:2] == ["Answer 0.", "Answer 1."]
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["train.jsonl"]


def test_a_version_is_chosen_by_its_number(version, project, include, tmp_path):
    from curation.datasets import freeze

    include("One more?", "Yes.", "test")
    freeze(project)
    for number, count in (("1", 4), ("2", 5)):
        run("support", "--split", "test", "--output", str(tmp_path / "x"), "--version", number)
        assert (tmp_path / "x").read_bytes().count(b"\n") == count


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere", "--output", "x"], "There is no project"),
        (["support", "--output", "x"], "has no frozen version. Freeze one with: freeze support"),
        (["support", "--output", "x", "--version", "3"], "has no version 3"),
    ],
)
def test_what_cannot_be_is_said(project, words, said):
    with pytest.raises(CommandError, match=said):
        run(*words)


def test_a_place_that_cannot_be_written_is_said(version, tmp_path):
    with pytest.raises(CommandError, match="No such file or directory"):
        run("support", "--output", str(tmp_path / "missing" / "x"))


def test_it_is_the_file_that_pages_and_trainers_get(version, tmp_path):
    run("support", "--output", str(tmp_path / "x"))
    export = exports.request_export(version, "train")
    assert exports.path_of(export).read_bytes() == (tmp_path / "x").read_bytes()
