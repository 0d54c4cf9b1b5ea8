import io
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from jobs import evidence, evidence_format
from jobs.models import ModelVersion


class Command(BaseCommand):
    help = "Check an evidence packet: signature, hashes and rows; and, where the model is known here, build it anew."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--key", metavar="HEX", help="The public key it should be signed with.")

    def handle(self, *, file: str, key: str | None, **options: Any) -> None:
        try:
            data = Path(file).read_bytes()
        except OSError as error:
            raise CommandError(str(error)) from error
        packet = evidence_format.check(io.BytesIO(data))
        faults = list(packet.faults)
        if key and key.lower() != packet.public_key:
            faults.append("It is signed with another key.")
        model = _model_of(packet)
        if model and not faults:
            faults += _rebuilt(model, packet, data)
        for fault in faults:
            self.stderr.write(fault)
        if faults:
            raise CommandError(f"{file} does not hold.")
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(packet.kinds.items()))
        self.stdout.write(f"{file} holds: {kinds}. Signed with {packet.public_key}.")
        if model:
            self.stdout.write("Built anew from this installation it comes out the same, byte for byte.")
        elif not key:
            self.stdout.write("Its model is not known here. Compare the key with the one you were given.")


def _model_of(packet: evidence_format.Packet) -> ModelVersion | None:
    named = {"project__slug": packet.head.get("project"), "name": packet.head.get("model")}
    try:
        return ModelVersion.objects.filter(**named).first()
    except DatabaseError:
        return None  # away, or none: the packet stands for itself


def _rebuilt(model: ModelVersion, packet: evidence_format.Packet, data: bytes) -> list[str]:
    if packet.public_key != evidence.public_key_of(model.project):
        return ["It is signed with another key than this project's."]
    anew = io.BytesIO()
    evidence.write(model, anew)
    if anew.getvalue() == data:
        return []
    return ["Built anew it comes out otherwise: something has happened to the model since, or it is from elsewhere."]
