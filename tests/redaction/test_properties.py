import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from curation.redaction import Policy, redactor

from .samples import SECRETS

EVERYTHING = redactor(Policy(secrets=True, cards=True, emails=True, phones=True))
# Texts made of what patterns are made of find more than letters at random.
PARTS = ["sk-", "AKIA", "ABCDEFGHIJKLMNOP", "eyJ", "password", "Bearer ", "://", "a:b@", "@x.io", "?key=", "4111"]
WHOLES = ["1111 1111 1111", "0123456789", "a1b2c3d4e5f6g7h8i9j0k1l2", "+44 20 7946", "[card number]", "data: ", "é"]
WHOLES += ["-----BEGIN PRIVATE KEY-----"]
MARKS = ["-", ".", ":", "=", " ", "\n", "\n\n", "{", "}", "[", "]", '"', "\\", "\\u0034", "\u200b", "\ud800"]
ATOMS = st.sampled_from([*PARTS, *WHOLES, *MARKS])
TEXTS = st.lists(ATOMS | st.text(max_size=5), max_size=25).map("".join)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
KINDS = st.sampled_from(sorted(SECRETS.keys() - {"password"}))  # that one is a piece of JSON itself


@settings(deadline=None)
@given(TEXTS)
def test_masking_a_text_twice_is_masking_it_once(text):
    masked, _ = EVERYTHING.text(text)
    assert EVERYTHING.text(masked) == (masked, {})


@settings(deadline=None)
@given(TEXTS)
def test_masking_a_body_twice_is_masking_it_once(text):
    masked, _ = EVERYTHING.body(text.encode("utf-8", "replace"))
    assert EVERYTHING.body(masked) == (masked, {})


@settings(deadline=None)
@given(VALUES, st.booleans(), st.sampled_from([None, 2]))
def test_json_stays_json_with_the_same_shape(value, is_ascii, indent):
    body = json.dumps({"messages": value}, ensure_ascii=is_ascii, indent=indent).encode("utf-8", "surrogatepass")
    masked, counts = EVERYTHING.body(body)
    assert bool(counts) == (masked != body)
    assert shape(json.loads(masked.decode("utf-8", "surrogatepass"))) == shape(
        json.loads(body.decode("utf-8", "surrogatepass"))
    )


def shape(value):
    if isinstance(value, dict):
        return [shape(inner) for inner in value.values()]
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return None


@settings(deadline=None)
@given(KINDS, st.integers(), st.data())
def test_no_spelling_and_no_splitting_saves_a_secret(kind, seed, data):
    secret = SECRETS[kind](random.Random(seed))
    text = f"before {secret} after"
    spelt = "".join(
        f"\\u{ord(letter):04x}" if data.draw(st.booleans()) else json.dumps(letter)[1:-1] for letter in text
    )
    masked, counts = EVERYTHING.body(f'{{"content": "{spelt}"}}'.encode())
    assert counts
    assert secret not in json.loads(masked)["content"]

    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    chunks = [json.dumps({"choices": [{"index": 0, "delta": {"content": piece}}]}) for piece in pieces]
    masked, counts = EVERYTHING.body("".join(f"data: {chunk}\n\n" for chunk in chunks).encode())
    assert counts
    said = [json.loads(line[6:])["choices"][0]["delta"]["content"] for line in masked.decode().splitlines() if line]
    assert secret not in "".join(said)
    assert "".join(said).startswith("before ")
