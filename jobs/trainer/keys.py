"""Who is let in, and whose files, jobs and models they see: each key its own, and nobody else's.

An operator gives the trainer one main key for each installation that uses it. From its main key an installation makes
as many keys as it has clients, without asking anybody: `<client>.<digest>`, the digest being the client's name under
the main key. The trainer computes the same, so it keeps no list of keys, and a key tells nothing about another.
"""

import hmac
import re
from collections.abc import Sequence
from hashlib import sha256

from jobs.trainer.errors import ApiError

CLIENT = re.compile(r"[A-Za-z0-9_-]{1,64}")


def key_for(main_key: str, client: str) -> str:
    """The key of one client of an installation."""
    return f"{client}.{hmac.new(main_key.encode(), client.encode(), sha256).hexdigest()}"


class Keys:
    """The main keys this trainer knows."""

    def __init__(self, main_keys: Sequence[str]) -> None:
        # What is written beside files and jobs must not open anything.
        self._main = {key: sha256(key.encode()).hexdigest()[:16] for key in main_keys}

    def owner(self, authorization: bytes) -> str:
        """The owner that an Authorization header names. Raises ApiError 401."""
        scheme, _, given = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not given.strip():
            message = "You didn't provide an API key. Send it in a header: Authorization: Bearer YOUR_KEY."
            raise ApiError(401, message)
        key = given.strip().decode("latin-1")
        client = key.rpartition(".")[0]
        # Every key is compared in full, so that the time taken says nothing about them.
        found = [owner for main, owner in self._main.items() if _same(key, main)]
        if CLIENT.fullmatch(client):
            found += [f"{owner}/{client}" for main, owner in self._main.items() if _same(key, key_for(main, client))]
        if not found:
            raise ApiError(401, "Incorrect API key provided.", code="invalid_api_key")
        return found[0]


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(), known.encode())
