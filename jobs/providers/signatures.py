"""Signatures of webhooks as Standard Webhooks has them, which OpenAI uses: who sent it, when, and that it is whole."""

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping
from hashlib import sha256

# Seconds by which the sender's clock may differ from ours; an older message may be a replayed one.
TOLERANCE = 300
PREFIX = "whsec_"
LONGEST_HEADER = 4096


class BadSignature(Exception):
    """Not from whom it should be, too old, or without what it takes to tell; the message says which, in words."""


def verify(secrets: Iterable[str], headers: Mapping[str, str], body: bytes, now: float) -> str:
    """The webhook-id of a message that one of the secrets signed. Raises BadSignature."""
    identity, sent_at, signatures = (_header(headers, name) for name in ("id", "timestamp", "signature"))
    if len(identity) > 200:
        raise BadSignature("The webhook-id is too long.")
    if not (sent_at.isascii() and sent_at.isdecimal() and len(sent_at) <= 12):
        raise BadSignature("The webhook-timestamp is no number.")
    if abs(now - int(sent_at)) > TOLERANCE:
        raise BadSignature(f"The message is more than {TOLERANCE} seconds from now.")
    given = [words.removeprefix("v1,").encode() for words in signatures.split(" ")[:16] if words.startswith("v1,")]
    # All are compared, so that the time taken says nothing about them.
    matches = [
        hmac.compare_digest(signature, sign(secret, identity, sent_at, body).encode())
        for secret in secrets
        for signature in given
    ]
    if not any(matches):
        raise BadSignature("No signature is right.")
    return identity


def sign(secret: str, identity: str, sent_at: str, body: bytes) -> str:
    """The signature itself, in base64, without the version before it."""
    signed = b".".join([identity.encode(), sent_at.encode(), body])
    return base64.b64encode(hmac.digest(key_of(secret), signed, sha256)).decode()


def key_of(secret: str) -> bytes:
    """The bytes that sign. Raises ValueError for a `whsec_` secret that is not base64."""
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("After whsec_ a secret is base64.") from error


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(f"webhook-{name}", "")
    if not value or len(value) > LONGEST_HEADER or not value.isascii() or not value.isprintable():
        raise BadSignature(f"The header webhook-{name} is missing or no such header.")
    return value
