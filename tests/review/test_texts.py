"""What a reviewer reads: JSON laid out, words compared, any captured message as a turn."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.diff import words_changed
from curation.json_layout import fault_in, laid_out, on_one_line, same_value
from curation.turns import turns_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_layout_never_changes_a_value_and_agrees_with_the_standard_library(value):
    text = json.dumps(value)
    assert laid_out(text) == json.dumps(value, indent=2)
    assert on_one_line(laid_out(text)) == json.dumps(value, separators=(",", ":"))


def test_layout_keeps_digits_escapes_and_the_order_of_keys():
    text = r'{"b": 1.10000000000000000000000001, "a": "\u00e9 {,}", "c": 1E+400}'
    assert on_one_line(text) == r'{"b":1.10000000000000000000000001,"a":"\u00e9 {,}","c":1E+400}'


def test_values_are_compared_and_not_their_spelling():
    assert same_value('{"a": 1, "b": [true]}', '{"b":[true],\n"a":1}')
    assert not same_value('{"a": 1}', '{"a": true}')
    assert not same_value('{"a": 1}', None)
    assert not same_value("nonsense", "nonsense")


def test_lone_surrogates_are_a_fault_and_no_crash():
    assert fault_in('"\ud800"')


@given(st.text(alphabet="ab \n", max_size=60), st.text(alphabet="ab \n", max_size=60))
def test_the_pieces_of_a_comparison_give_both_texts_back(before, after):
    pieces = words_changed(before, after)
    assert "".join(piece.text for piece in pieces if piece.kind != "new") == before
    assert "".join(piece.text for piece in pieces if piece.kind != "gone") == after


def test_only_the_words_that_changed_are_marked():
    pieces = words_changed("We open at nine today.", "We open at ten today.")
    assert [(piece.kind, piece.text) for piece in pieces] == [
        ("same", "We open at "),
        ("gone", "nine"),
        ("new", "ten"),
        ("same", " today."),
    ]


def test_texts_too_long_to_compare_are_told_apart_from_equal_ones():
    assert words_changed("a " * 10_000, "b " * 10_000) is None
    assert words_changed("a " * 10_000, "a " * 10_000) is not None


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize(
    ("message", "role", "text"),
    [
        ({"role": "user", "content": "Hello"}, "user", "Hello"),
        ({"role": "user", "content": [{"type": "text", "text": "One"}, "two"]}, "user", "One\ntwo"),
        (
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4096}}],
            },
            "user",
            "[image, 3 kB]",
        ),
        (
            {"role": "user", "content": [image("https://a.test/x.png")]},
            "user",
            "[image at https://a.test/x.png]",
        ),
        (
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"function": {"name": "find", "arguments": '{"q":1}'}}],
            },
            "assistant",
            'calls find({"q":1})',
        ),
        ({"role": "tool", "content": "42", "tool_call_id": "c1"}, "tool", "42"),
        ({"role": 7, "content": 3}, "7", "3"),
        ("just text", "unknown", '"just text"'),
        ({"role": "user", "tool_calls": ["odd"]}, "user", '"odd"'),
    ],
)
def test_any_message_can_be_read(message, role, text):
    (turn,) = turns_of([message])
    assert (turn.role, turn.text) == (role, text)


def test_messages_that_are_no_list_are_shown_as_they_are():
    assert turns_of({"a": 1})[0].text == '{\n  "a": 1\n}'
