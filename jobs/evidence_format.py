"""Checking an evidence packet with nothing but the packet itself. Pure: no Django, no rows, no network."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KIND = "curation-evidence-1"
MOST_FAULTS = 20


@dataclass
class Packet:
    """What a packet says of itself, and what does not fit in it. `sha256` is of the whole file."""

    head: dict[str, Any] = field(default_factory=dict)
    public_key: str = ""
    sha256: str = ""
    kinds: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def check(file: BinaryIO) -> Packet:
    """Read a packet through: its signature, its hashes, and that its rows are what its version was frozen from."""
    packet, signed, whole = Packet(), hashlib.sha256(), hashlib.sha256()
    rows: list[str] = []
    splits: Counter[str] = Counter()
    last: dict[str, Any] = {}
    for number, (raw, value) in enumerate(_values(file, packet), 1):
        whole.update(raw)
        if last:
            packet.faults.append(f"Line {number} stands behind the signature.")
        if number == 1:
            packet.head = value
        if value.get("kind") == "signature":
            last = value
            continue
        signed.update(raw)
        packet.kinds[str(value.get("kind"))] += 1
        if value.get("kind") == "row":
            rows.append(f"{value.get('sha256')}:{value.get('split')}")
            splits[str(value.get("split"))] += 1
    packet.sha256 = whole.hexdigest()
    _check_head(packet, rows, splits)
    _check_signature(packet, last, signed.hexdigest())
    del packet.faults[MOST_FAULTS:]
    return packet


def _values(file: BinaryIO, packet: Packet) -> Iterator[tuple[bytes, dict[str, Any]]]:
    for number, raw in enumerate(file, 1):
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            packet.faults.append(f"Line {number} is not a JSON object.")
            value = {}
        yield raw, value


def _check_head(packet: Packet, rows: list[str], splits: Counter[str]) -> None:
    head = packet.head
    if head.get("kind") != KIND:
        packet.faults.append("This is no evidence packet of a kind that is known here.")
        return
    if hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest() != head.get("content_hash"):
        packet.faults.append("The rows are not those that the version was frozen from.")
    counts = head.get("counts")
    for split, count in counts.items() if isinstance(counts, dict) else ():
        if splits[split] != count:
            packet.faults.append(f"There are {splits[split]} rows of {split}, and there should be {count}.")


def _check_signature(packet: Packet, last: dict[str, Any], found: str) -> None:
    if not last:
        packet.faults.append("There is no signature: the end is missing.")
        return
    packet.public_key = str(last.get("public_key"))
    if last.get("sha256") != found or last.get("lines") != packet.kinds.total():
        packet.faults.append("What was signed is not what is there: the packet was altered.")
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(packet.public_key))
        key.verify(bytes.fromhex(str(last.get("signature"))), bytes.fromhex(found))
    except (ValueError, InvalidSignature):
        packet.faults.append("The signature does not fit.")
