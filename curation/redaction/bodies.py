"""Masking of whole request and response bodies, and of single texts. Pure."""

import json
from collections import Counter
from functools import cache

from . import streams
from .json_bodies import JsonMasker
from .text import Policy, TextMasker


class Redactor:
    """Masks by one policy. Bodies come back byte for byte, save where something was masked."""

    def __init__(self, policy: Policy) -> None:
        self._masker = TextMasker(policy)

    def text(self, text: str) -> tuple[str, Counter[str]]:
        counts: Counter[str] = Counter()
        return self._masker.mask(text, counts), counts

    def texts(self, texts: list[str]) -> tuple[list[str], Counter[str]]:
        """The same for several, at little more than the price of one."""
        counts: Counter[str] = Counter()
        if self._masker.may_hold("\n".join(texts).encode("utf-8", "surrogatepass")):
            texts = [self._masker.mask(text, counts) for text in texts]
        return texts, counts

    def body(self, body: bytes) -> tuple[bytes, Counter[str]]:
        """The body of a request or an answer: JSON, a stream of events, or anything else; and what was masked in it.

        JSON stays JSON. A stream in which something is masked is put together anew (see streams.mask).
        """
        counts: Counter[str] = Counter()
        start = body[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
        is_json = start.startswith((b"{", b"[", b'"'))
        is_stream = not is_json and (start.startswith(streams.BEGINNINGS) or b"\ndata:" in body)
        if not (is_stream or self._masker.may_hold(body)):
            return body, counts
        text = body.decode("utf-8", "surrogateescape")
        if is_stream:
            text = streams.mask(text, self._masker, counts)
        elif is_json:
            text = JsonMasker(self._masker, counts).mask(text)
            text = _without_logprobs(text) if counts and '"logprobs"' in text else text
        else:
            text = self._masker.mask(text, counts)
        return (text.encode("utf-8", "surrogateescape") if counts else body), counts


def _without_logprobs(text: str) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return json.dumps(value, ensure_ascii="\\u" in text) if streams.drop_logprobs(value) else text


@cache
def redactor(policy: Policy) -> Redactor:
    return Redactor(policy)
