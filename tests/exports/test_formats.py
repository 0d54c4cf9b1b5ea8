"""What is frozen comes out of every format as it went in, in the shape that trainers document."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.formats import FORMATS, Row
from jobs.formats.csv_table import harmless
from jobs.formats.mistral import _short

from .examples import EXAMPLES, body, read_back, said, user

GOLDEN = Path(__file__).with_name("golden")
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


def written(format: str, examples=EXAMPLES) -> bytes:
    file = io.BytesIO()
    rows = [
        Row(n, body(example), None if said is None else said.encode()) for n, (example, said) in enumerate(examples, 1)
    ]
    written.rows = list(FORMATS[format].write(rows, file))
    return file.getvalue()


@pytest.mark.parametrize("format", FORMATS)
def test_a_format_has_the_shape_it_always_had(format):
    suffix = FORMATS[format].suffix
    assert written(format) == (GOLDEN / f"{format}.{suffix}").read_bytes()


@pytest.mark.parametrize("format", FORMATS)
def test_each_record_names_its_row(format):
    count = len(read_back(format, written(format)))
    assert written.rows == ([1, 4, 5] if format == "openai-dpo" else [1, 2, 3, 4, 5, 6])
    assert count == len(written.rows)


@pytest.mark.parametrize("format", FORMATS)
@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=5))
def test_whatever_is_included_comes_back(format, texts):
    examples = [({"messages": [user(prompt), said(answer)]}, captured) for prompt, answer, captured in texts]
    expected = [(prompt, answer) for prompt, answer, _ in texts]
    if format == "openai-dpo":
        expected = [(p, a) for p, a, captured in texts if captured.strip() and captured != a]
    assert read_back(format, written(format, examples)) == expected


def test_tools_travel_with_their_calls():
    for format in ("openai-chat", "together", "fireworks", "mistral", "openai-rft"):
        line = json.loads(written(format).splitlines()[3])
        assert line["tools"][0]["function"]["name"] == "gate"
        calls = [turn for turn in line["messages"] if turn.get("tool_calls")]
        results = [turn for turn in line["messages"] if turn["role"] == "tool"]
        assert calls[0]["tool_calls"][0]["id"] == results[0]["tool_call_id"]
    line = json.loads(written("vertex").splitlines()[3])
    assert line["contents"][1]["parts"] == [{"functionCall": {"name": "gate", "args": {"number": 4}}}]
    assert line["contents"][2]["parts"][0]["functionResponse"]["name"] == "gate"


def test_an_answer_that_calls_a_tool_is_a_call_where_a_format_knows_calls():
    call = {"name": "gate", "arguments": '{"number":4}'}
    for format in ("openai-chat", "together", "fireworks", "mistral"):
        line = json.loads(written(format).splitlines()[5])
        assert line["messages"][-1]["tool_calls"][0]["function"] == call
        assert line["tools"][0]["function"]["name"] == "gate"
    (part,) = json.loads(written("vertex").splitlines()[5])["contents"][-1]["parts"]
    assert part == {"functionCall": {"name": "gate", "args": {"number": 4}}}
    text = '{"tool_calls": [{"name": "gate", "arguments": {"number": 4}}]}'
    assert json.loads(written("prompt-completion").splitlines()[5])["completion"] == text
    assert json.loads(written("openai-rft").splitlines()[5])["reference_json"] == json.loads(text)


def test_user_and_assistant_take_turns_where_a_trainer_wants_that():
    for format in ("together", "mistral"):
        assert [turn["role"] for turn in json.loads(written(format).splitlines()[4])["messages"]] == [
            "user",
            "assistant",
        ]


def test_mistrals_ids_have_nine_letters_and_digits():
    assert _short("D681PevKs") == "D681PevKs"
    assert _short("call_1") == _short("call_1") != _short("call_2")
    assert len(_short("call_1")) == 9


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "'=1", "＝1+1"])
def test_no_cell_is_a_formula(cell):
    assert harmless(cell) == f"'{cell}"
    assert harmless("1=1") == "1=1"


def test_a_large_table_has_several_groups(monkeypatch):
    from jobs.formats import hf_messages

    monkeypatch.setattr(hf_messages, "GROUP_ROWS", 2)
    assert read_back("hf-messages", written("hf-messages")) == [
        ("Where is gate 4?", "Upstairs."),
        ("Kui kaua läheb? “Täpselt”\u2028\u0085", '{"minuteid": 12}'),
        ("And\nnow?", "=1+1"),
        ("Gate?", "Upstairs, 🛫."),
        ("Two", '\'Three, "four"\r\nfive'),
        ("Open gate 4", 'gate {"number":4}'),
    ]
