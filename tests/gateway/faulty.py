"""The application with a trap: it is killed, as by the kernel, at the point that the environment names."""

import os
import signal
from typing import Any

from curation.asgi import application
from curation.gateway import spool
from curation.gateway.frames import Kind

__all__ = ["application"]

_POINT, _, _COUNT = os.environ["TEST_KILL_AT"].partition(" ")
_left = int(_COUNT or 1)
_append = spool.Spool.append


def _append_and_maybe_die(self: spool.Spool, kind: Kind, *rest: Any) -> None:
    if f"before_{kind.name}" == _POINT:
        _die_at_last()
    _append(self, kind, *rest)
    if f"after_{kind.name}" == _POINT:
        _die_at_last()


def _die_at_last() -> None:
    global _left
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


spool.Spool.append = _append_and_maybe_die  # type: ignore[method-assign]
