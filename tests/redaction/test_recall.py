"""Two hundred made-up secrets and as many strings that look like some, each in a sentence, in JSON and in a stream."""

import json

from curation.redaction import Policy, redactor

from .samples import LOOKALIKES, SECRETS, draw


def said_in(text: str) -> list[bytes]:
    sentence = f"Please use this: {text} and tell me when it works."
    pieces = [sentence[at : at + 5] for at in range(0, len(sentence), 5)]
    chunks = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    return [
        sentence.encode(),
        json.dumps({"messages": [{"role": "user", "content": sentence}]}).encode(),
        json.dumps({"tool_calls": [{"function": {"arguments": json.dumps({"note": sentence})}}]}).encode(),
        b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n",
    ]


def test_nearly_every_secret_is_masked_and_nearly_nothing_else():
    secrets, lookalikes = list(draw(SECRETS, 10)), list(draw(LOOKALIKES, 10))
    assert len(secrets) >= 200
    assert len(lookalikes) >= 200
    mask = redactor(Policy()).body
    missed = [kind for kind, text in secrets if not all(mask(body)[1] for body in said_in(text))]
    wrong = [kind for kind, text in lookalikes if any(mask(body)[1] for body in said_in(text))]
    assert len(missed) <= 0.02 * len(secrets), missed
    assert len(wrong) <= 0.02 * len(lookalikes), wrong


def test_nothing_of_a_masked_secret_is_left():
    mask = redactor(Policy()).body
    for kind, text in draw(SECRETS, 10):
        tail = text.rstrip('"').rsplit("/", 1)[-1] if kind not in ("database", "redis") else text.split("@")[0][-8:]
        for body in said_in(text):
            masked, counts = mask(body)
            assert not counts or tail[-8:].encode() not in masked, kind
