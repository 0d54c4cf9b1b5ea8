"""Keys and routes on disk, so that a gateway started while the database is away serves those it served before.

Sealed with the installation's sealing key: providers' keys are in it. What was revoked while no gateway ran is not
known to it, so it is only taken for some hours, and only until the database can be read.
"""

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import orjson
from cryptography.fernet import Fernet, InvalidToken

from curation.egress import Reach

from .auth import Caller, Routes, Target

log = logging.getLogger(__name__)

_GOOD_FOR = 12 * 3600  # seconds


class Remembered:
    def __init__(self, file: Path, sealing_key: str) -> None:
        self._file = file
        self._sealing = Fernet(sealing_key)
        self._kept: Routes | None = None

    def keep(self, routes: Routes) -> None:
        """Write what is new. A disk that is full costs the memory, not the calls."""
        if routes == self._kept:
            return
        written = self._file.with_suffix(".new")
        try:
            descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as output:
                output.write(self._sealing.encrypt(_packed(routes)))
            written.replace(self._file)
        except OSError as error:
            log.warning("Keys and routes are not kept for a start without the database: %s", error.strerror)
        else:
            self._kept = routes

    def recall(self) -> Routes | None:
        """What was kept last, unless it is too old, sealed with another key, or not there."""
        try:
            if time.time() - self._file.stat().st_mtime > _GOOD_FOR:
                return None
            return _unpacked(self._sealing.decrypt(self._file.read_bytes()))
        except (OSError, InvalidToken, ValueError, KeyError, TypeError):  # absent, foreign, or of another version
            return None


def _packed(routes: Routes) -> bytes:
    return orjson.dumps(
        {
            "callers": {
                digest: asdict(caller) | {"scopes": sorted(caller.scopes)} for digest, caller in routes.callers.items()
            },
            "defaults": [[project_id, _target(target)] for project_id, target in routes.defaults.items()],
            "aliases": [[*key, _target(target)] for key, target in routes.aliases.items()],
        }
    )


def _target(target: Target) -> dict[str, Any]:
    networks = [str(network) for network in target.reach.networks]
    return vars(target) | {"reach": {"networks": networks, "is_everywhere": target.reach.is_everywhere}}


def _unpacked(packed: bytes) -> Routes:
    kept = orjson.loads(packed)
    return Routes(
        callers={
            digest: Caller(**caller | {"scopes": frozenset(caller["scopes"])})
            for digest, caller in kept["callers"].items()
        },
        defaults={project_id: _restored(target) for project_id, target in kept["defaults"]},
        aliases={(project_id, name): _restored(target) for project_id, name, target in kept["aliases"]},
    )


def _restored(target: Mapping[str, Any]) -> Target:
    networks = tuple(ip_network(network) for network in target["reach"]["networks"])
    return Target(**dict(target) | {"reach": Reach(networks, target["reach"]["is_everywhere"])})
