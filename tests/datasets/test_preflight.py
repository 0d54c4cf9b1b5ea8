"""What is wrong with an example is said before anybody pays for it."""

import pytest

from curation.preflight import Fix, Rules, Severity, check_balance, check_example, check_size, repaired
from curation.redaction import Policy

TOOL = {"type": "function", "function": {"name": "gate", "parameters": {}}}
CALL = {"id": "a", "type": "function", "function": {"name": "gate", "arguments": '{"number": 4}'}}
ODD_CALL = CALL | {"function": {"name": "gate", "arguments": {"number": 4}}}
ASKED = {"role": "user", "content": "Where is gate 4?"}
ANSWERED = {"role": "assistant", "content": "Upstairs."}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "upstairs"}


def codes(messages, rules: Rules | None = None, **more) -> dict[str, Severity]:
    example = {"messages": messages} | ({"tools": more.pop("tools")} if "tools" in more else {})
    return {found.code: found.severity for found in check_example(example, rules or Rules(), **more)}


@pytest.mark.parametrize(
    "messages",
    [
        [ASKED, ANSWERED],
        [{"role": "system", "content": "Be brief."}, ASKED, ANSWERED],
        [ASKED, ANSWERED | {"weight": 0}, ASKED, ANSWERED | {"weight": 1}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a/b.png"}}]}, ANSWERED],
    ],
)
def test_a_sound_example_has_no_finding(messages):
    assert codes(messages) == {}


def test_a_sound_tool_call_has_no_finding():
    assert codes([ASKED, CALLED, RESULT, ANSWERED], tools=[TOOL]) == {}


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([], "no-messages"),
        ("nothing", "no-messages"),
        ([ASKED], "no-answer"),
        ([ASKED, {"role": "developer", "content": "x"}, ANSWERED], "unknown-role"),
        ([ASKED, ANSWERED, ANSWERED], "assistant-twice"),
        ([ASKED, ANSWERED | {"content": " \n"}], "empty"),
        ([ASKED, ANSWERED | {"content": None}], "empty"),
        ([ASKED, ANSWERED | {"audio": 1}], "extra-key"),
        ([ASKED | {"weight": 1}, ANSWERED], "weight"),
        ([ASKED, ANSWERED | {"weight": True}], "weight"),
        ([ASKED, ANSWERED | {"weight": 0}], "weight"),
        ([ASKED | {"content": "<|im_start|>system"}, ANSWERED], "special-token"),
        ([ASKED, CALLED, RESULT, ANSWERED], "tool-unknown"),
        ([ASKED, CALLED, ASKED, ANSWERED], "tool-unanswered"),
        ([ASKED, RESULT, ANSWERED], "tool-unasked"),
        ([ASKED, CALLED | {"tool_calls": [{}]}, RESULT, ANSWERED], "tool-call"),
        (
            [
                ASKED,
                CALLED | {"tool_calls": [CALL | {"function": {"name": "gate", "arguments": {}}}]},
                RESULT,
                ANSWERED,
            ],
            "tool-arguments",
        ),
        ([ASKED, ANSWERED | {"content": "Your key is sk-proj-" + "a1B2" * 12}], "private"),
    ],
)
def test_what_a_trainer_refuses_blocks(messages, code):
    assert codes(messages)[code] == Severity.BLOCKER


def test_an_extra_key_beside_the_messages_blocks():
    (found,) = check_example({"messages": [ASKED, ANSWERED], "id": 7}, Rules())
    assert (found.code, found.place, found.words) == ("extra-key", "top level", "It has keys trainers refuse: id.")


def test_what_an_owner_allows_on_purpose_is_only_told():
    messages = [ASKED, ANSWERED | {"content": "Write to ana@example.org."}]
    assert codes(messages)["private"] == Severity.WARNING
    assert codes(messages, Rules(masked=Policy(emails=True)))["private"] == Severity.BLOCKER


def test_too_long_an_example_would_lose_its_answer():
    assert codes([ASKED, ANSWERED], token_count=65_536) == {}
    assert codes([ASKED, ANSWERED], token_count=65_537) == {"too-long": Severity.BLOCKER}


def test_the_answer_of_a_json_project_is_json_and_fits_its_schema():
    schema = {"type": "object", "required": ["gate"]}
    assert codes([ASKED, ANSWERED], Rules(is_json=True)) == {"not-json": Severity.BLOCKER}
    assert codes([ASKED, ANSWERED | {"content": '{"a": 1}'}], Rules(is_json=True), schema=schema) == {
        "schema": Severity.WARNING
    }
    assert codes([ASKED, ANSWERED | {"content": '{"gate": 4}'}], Rules(is_json=True), schema=schema) == {}


def test_a_schema_never_calls_out_and_never_hangs():
    assert codes([ASKED, ANSWERED | {"content": "{}"}], schema={"$ref": "http://127.0.0.1:9/x"}) == {}
    schema = {"type": "object", "properties": {"a": {"pattern": "^(a+)+$"}}}
    text = '{"a": "' + "a" * 40 + '!"}'
    assert "schema" in codes([ASKED, ANSWERED | {"content": text}], schema=schema)


def test_a_finding_says_where_and_what_can_be_done():
    prompt, answer = check_example(
        {"messages": [ASKED | {"content": "<|endoftext|>"}, ANSWERED | {"content": ""}]}, Rules()
    )
    assert (prompt.place, prompt.fix) == ("message 1", Fix.EXCLUDE)
    assert (answer.place, answer.fix) == ("message 2", Fix.EDIT)
    assert "endoftext" not in prompt.words


def test_one_key_mends_an_answer():
    assert repaired("It is <|im_end|> open", is_json=False) == "It is <im_end> open"
    assert repaired('```json\n{"gate": 4}\n```', is_json=True) == '{"gate": 4}'
    assert repaired("```json\n{gate\n```", is_json=True) == "```json\n{gate\n```"
    assert "sk-proj" not in repaired("sk-proj-" + "a1B2" * 12, is_json=False)


def test_too_few_examples_block_and_few_are_told():
    assert [found.code for found in check_size(9, 3)] == ["too-few"]
    assert [found.severity for found in check_size(9, 3)] == [Severity.BLOCKER]
    assert "50 are" in check_size(10, 3)[0].words
    assert "100 give" in check_size(50, 3)[0].words
    assert "200 leave" in check_size(100, 3)[0].words
    assert check_size(200, 3) == []
    assert [found.code for found in check_size(200, 0)] == ["nothing-held-out"]


def test_an_answer_that_outweighs_all_others_is_told():
    assert check_balance({"ham": 79, "spam": 21}) == []
    assert "80% of the answers" in check_balance({"ham": 80, "spam": 20})[0].words
    assert check_balance({"ham": 9, "spam": 1}) == []
    assert check_balance({"ham": 100}) == []
