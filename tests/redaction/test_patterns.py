import json
import re

import pytest

from curation.redaction import Policy, redactor
from curation.redaction.patterns import any_of, patterns, table

EVERYTHING = Policy(secrets=True, cards=True, emails=True, phones=True)


def only(group: str) -> Policy:
    return Policy(**{name: name == group for name in Policy._fields})


def written(example: str) -> str:
    return example.replace("~", "")


def examples(column: str) -> list[object]:
    return [
        pytest.param(entry, written(text), id=f"{entry['name']}: {text[:24]}")
        for entry in table()
        for text in entry[column]
    ]


@pytest.mark.parametrize(("entry", "text"), examples("matches"))
def test_what_shall_be_masked_is_masked(entry, text):
    masked, counts = redactor(only(entry["group"])).text(f"see {text} there")
    assert f"[{entry['kind']}]" in masked
    assert masked.startswith("see ")
    assert masked.endswith(" there")
    assert counts.total() == 1


@pytest.mark.parametrize(("entry", "text"), examples("matches"))
def test_it_is_masked_in_json_too_however_it_is_escaped(entry, text):
    body = json.dumps({"messages": [{"role": "user", "content": text}]})
    escaped = body.replace(text[:3], "".join(f"\\u{ord(letter):04x}" for letter in text[:3]))
    for spelling in (body, body.replace("/", "\\/"), escaped):
        masked, counts = redactor(only(entry["group"])).body(spelling.encode())
        assert counts
        assert text not in json.loads(masked)["messages"][0]["content"]


@pytest.mark.parametrize(("entry", "text"), examples("passes"))
def test_what_only_looks_like_it_is_left_alone(entry, text):
    assert redactor(only(entry["group"])).text(text) == (text, {})
    body = json.dumps({"content": text}).encode()
    assert redactor(only(entry["group"])).body(body) == (body, {})


@pytest.mark.parametrize(("entry", "text"), examples("matches"))
def test_a_group_that_is_switched_off_masks_nothing(entry, text):
    others = EVERYTHING._replace(**{entry["group"]: False}, cards=False)
    assert f"[{entry['kind']}]" not in redactor(others).text(text)[0]


@pytest.mark.parametrize("pattern", patterns(), ids=lambda pattern: pattern.name)
def test_a_hint_is_found_wherever_its_pattern_is(pattern):
    hint = any_of([pattern.hint])
    texts = [written(text) for entry in table() for text in entry["matches"]]
    for text in texts:
        if pattern.regex.search(text):
            assert hint.search(text.encode())
            assert hint.search(json.dumps(text).encode())


def test_no_mask_is_itself_masked():
    for kind in {entry["kind"] for entry in table()} | {"card number"}:
        for text in (
            f"[{kind}]",
            f"password=[{kind}]",
            f"Bearer [{kind}]",
            f"redis://:[{kind}]@cache/0",
            f"?key=[{kind}]",
        ):
            assert redactor(EVERYTHING).text(text) == (text, {})


def test_the_table_holds_no_key_that_a_scanner_of_source_code_would_report():
    for entry in table():
        for text in entry["matches"]:
            if entry["kind"] == "API key":
                assert not re.search(entry["regex"], text), "put a ~ into the example"
