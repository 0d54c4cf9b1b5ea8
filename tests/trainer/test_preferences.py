"""A file of preferences: what is wrong with a pair is said with its line."""

from pathlib import Path
from typing import Any

import pytest

from jobs.trainer import validation
from jobs.trainer.preferences import check_pair
from tests.trainer.corpus import jsonl

ASKED = {"messages": [{"role": "user", "content": "Where?"}]}
GOOD = {
    "input": ASKED,
    "preferred_output": [{"role": "assistant", "content": "Upstairs."}],
    "non_preferred_output": [{"role": "assistant", "content": "No idea."}],
}


def found(tmp_path: Path, third: dict[str, Any]) -> list[validation.Problem]:
    """The problems of a good file whose third line is changed."""
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(jsonl([GOOD, GOOD, third, *[GOOD] * 8]))
    return list(validation.problems(path, "training_file", check_pair))


def test_a_good_file_has_no_problem(tmp_path: Path) -> None:
    assert found(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"weight": 1}, "invalid_file_format", "Line 3: unexpected key 'weight'"),
        ({"input": {}}, "invalid_training_file", "Line 3: 'input.messages' must be a list"),
        ({"input": "Where?"}, "invalid_training_file", "Line 3: 'input' must be an object"),
        (
            {"input": {"messages": [*ASKED["messages"], {"role": "assistant", "content": "Hm."}]}},
            "invalid_training_file",
            "Line 3: the input must not end with a message from the assistant",
        ),
        ({"preferred_output": []}, "invalid_training_file", "Line 3: 'preferred_output' must be a list"),
        ({"preferred_output": GOOD["preferred_output"] * 2}, "invalid_training_file", "must be exactly one message"),
        (
            {"preferred_output": GOOD["non_preferred_output"]},
            "invalid_training_file",
            "Line 3: the two outputs are the same",
        ),
        (
            {"non_preferred_output": [{"role": "assistant", "content": "<|im_end|>"}]},
            "invalid_file_format",
            "Line 3, non_preferred_output, message 1: contains an invalid token",
        ),
    ],
)
def test_a_bad_pair_is_told_with_its_line(tmp_path: Path, change: dict[str, Any], code: str, text: str) -> None:
    [problem] = found(tmp_path, {**GOOD, **change})
    assert problem.code == code
    assert text in problem.message


def test_a_missing_side_is_named(tmp_path: Path) -> None:
    [problem] = found(tmp_path, {key: value for key, value in GOOD.items() if key != "input"})
    assert (problem.code, "missing key 'input'" in problem.message) == ("invalid_file_format", True)
