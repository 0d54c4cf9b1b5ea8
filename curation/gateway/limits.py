"""How often a key may call: a bucket of tokens for each key, in the memory of this process.

Several gateway processes count each for itself, and a restart begins anew: the limit keeps a program that runs wild
away, it is no accounting.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from .auth import Caller
from .refusals import Refusal
from .requests import Request


class Limits:
    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._buckets: dict[int, tuple[float, float]] = {}  # by key: tokens left, and when that was

    def take(self, caller: Caller) -> None:
        """Let one request of a key through, which may come in a burst of one minute's worth. Raises Refusal."""
        limit = caller.requests_per_minute
        if limit is None:
            return
        now = self._now()
        left, before = self._buckets.get(caller.key_id, (float(limit), now))
        left = min(float(limit), left + (now - before) * limit / 60)
        if left < 1:
            self._buckets[caller.key_id] = left, now
            raise _too_often(limit, (1 - left) * 60 / limit)
        self._buckets[caller.key_id] = left - 1, now


def _too_often(limit: int, wait: float) -> Refusal:
    seconds = math.ceil(wait)
    return Refusal(
        429,
        "rate_limit_exceeded",
        f"This key may make {limit} requests a minute. Try again in {seconds} s.",
        kind="requests",
        headers=[
            (b"retry-after", str(seconds).encode()),
            (b"retry-after-ms", str(math.ceil(wait * 1000)).encode()),
            (b"x-ratelimit-limit-requests", str(limit).encode()),
            (b"x-ratelimit-remaining-requests", b"0"),
            (b"x-ratelimit-reset-requests", f"{seconds}s".encode()),
        ],
    )


class Once:
    """Refuses a call whose Idempotency-Key is that of a call under way: a client that lost patience and asks again
    would pay twice. Answers are not kept: asked again afterwards, the provider is asked again.
    """

    def __init__(self) -> None:
        self._under_way: set[tuple[int, str]] = set()

    def under_way(self, caller: Caller, request: Request) -> AbstractContextManager[None]:
        """Raises Refusal."""
        given = request.header(b"idempotency-key")
        return self._alone((caller.key_id, given)) if given else _ANY

    @contextmanager
    def _alone(self, key: tuple[int, str]) -> Iterator[None]:
        if key in self._under_way:
            raise Refusal(
                409,
                "idempotency_key_in_use",
                "A call with this Idempotency-Key is under way. Wait for its answer, or send another key.",
                headers=[(b"retry-after", b"1")],
            )
        self._under_way.add(key)
        try:
            yield
        finally:
            self._under_way.discard(key)


_ANY = nullcontext()
