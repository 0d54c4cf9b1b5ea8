"""A frozen version becomes files. A file bears its final name only when it is whole and on the disk."""

import errno
import hashlib
import logging
import uuid
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from django.db import connection, transaction
from django.db.models.functions import Now

from curation.models import DatasetVersion, User

from . import files, manifest, sending
from .formats import FORMATS, Row
from .models import Export

log = logging.getLogger(__name__)
# Lines written between two notes of how far it is.
BATCH = 20_000
# Bytes that are hashed and written together.
HELD = 256 * 1024


class ExportNotReady(Exception):
    """The file is not written yet, or not any more; the message says which and what to do."""


class Stopped(Exception):
    """Somebody cancelled the job, or another worker has taken it over."""


@transaction.atomic
def request_export(
    version: DatasetVersion, split: str, format: str = "openai-chat", user: User | None = None
) -> Export:
    """The export of this split in this format: the one there is, or a new one that a worker will write.

    One that failed, was cancelled or has lost its file is written anew.
    """
    export, is_new = Export.objects.get_or_create(
        version=version, split=split, format=format, defaults={"created_by": user}
    )
    if not is_new and export.is_finished and not _is_there(export):
        _write_anew(export)
    return export


def run(pk: int) -> None:
    """Write one export (for a worker). Does nothing when it is finished or another worker has it."""
    export = Export.claim(pk)
    if export is None:
        return
    try:
        written = _write(export)
    except Stopped:
        if export.cancel_requested_at and export.settle(Export.Status.CANCELLED):
            log.info("export %s cancelled", export.pk)
        return
    except OSError as error:
        if export.settle(Export.Status.FAILED, _disk_words(error)):
            log.warning("export %s failed errno=%s", export.pk, error.errno)
        return
    if export.settle(Export.Status.SUCCEEDED, done_count=export.total_count, **written):
        log.info("export %s succeeded lines=%s", export.pk, export.line_count)


def name_of(export: Export) -> str:
    """Its name in the storage. Made of the project's short name, numbers and our own words only."""
    version = export.version
    return f"exports/{version.project.slug}/v{version.number}/{file_name(export)}"


def file_name(export: Export) -> str:
    suffix = FORMATS[export.format].suffix
    return f"{export.split}.{export.format}" + ("" if export.format == suffix else f".{suffix}")


def path_of(export: Export) -> Path:
    """Where the file is on this machine, or will be."""
    return files.path_of(name_of(export))


def open_file(export: Export) -> BinaryIO:
    """The finished file, open for reading. Raises ExportNotReady."""
    if export.status != Export.Status.SUCCEEDED:
        raise ExportNotReady(export.error or "The file is still being written. Try again in a moment.")
    try:
        return files.opened(name_of(export))
    except FileNotFoundError:
        raise ExportNotReady(
            "The file is not there any more. Ask for the export again; it comes out the same."
        ) from None


def open_packed(export: Export) -> BinaryIO:
    """The finished file gzipped. Packed once and kept beside it, so that a download can go on where it broke off.
    Raises ExportNotReady and OSError.
    """
    name = f"{name_of(export)}.gz"
    with open_file(export) as stream:
        if not files.exists(name):
            with files.written(name, f"{export.pk}-{uuid.uuid4().hex}") as packed:
                sending.pack(stream, packed)
    return files.opened(name)


def remove(export: Export) -> None:
    """Take the file and what lies beside it from the storage; it is written anew when it is asked for."""
    for name in _names(export):
        files.removed(name)


def _names(export: Export) -> tuple[str, str, str]:
    name = name_of(export)
    return name, manifest.name_of(name), f"{name}.gz"


def open_manifest(export: Export) -> BinaryIO:
    """What stands beside the finished file. Raises ExportNotReady."""
    open_file(export).close()
    return files.opened(manifest.name_of(name_of(export)))


def check_file(export: Export) -> Path:
    """The finished file's path, after reading it through: what is sent to a trainer is what was approved.

    Raises ExportNotReady when the file is gone or altered; the export then counts as failed and is written anew when it
    is asked for again.
    """
    with open_file(export) as stream:
        found = _digest(stream)
    if found != export.sha256:
        words = (
            f"The file of {export} was changed after it was written, so nothing was sent. Start again: it is rewritten."
        )
        Export.objects.filter(pk=export.pk).update(status=Export.Status.FAILED, error=words)
        raise ExportNotReady(words)
    return files.fetched(name_of(export))


def faults_of(export: Export) -> list[str]:
    """What is wrong with the finished file and its manifest, as they lie in the storage; changes nothing."""
    name = name_of(export)
    try:
        with files.opened(name) as stream, files.opened(manifest.name_of(name)) as beside:
            found, said = _digest(stream), manifest.read(beside)
    except FileNotFoundError:
        return [f"{name}: the file or its manifest is not there any more."]
    faults = [] if found == export.sha256 else [f"{name}: the file is not what was written."]
    examples = export.version.examples.filter(split=export.split).exclude(body="").order_by("position")
    rows = examples.values_list("exchange_id", flat=True)
    fits = said["sha256"] == export.sha256 and len(said["rows"]) == export.line_count
    if not fits or (export.line_count == len(rows) and said["rows"] != list(rows)):
        faults.append(f"{name}: its manifest does not fit.")
    return faults


def _digest(stream: BinaryIO) -> str:
    return hashlib.file_digest(cast(Any, stream), "sha256").hexdigest()


def _write(export: Export) -> dict[str, Any]:
    """Write the file and its manifest; what is to be noted of them. Raises Stopped and OSError."""
    name, writer = name_of(export), f"{export.pk}-{export.attempts}"
    rows = array("q")
    with files.written(name, writer) as stream:
        hashed = _Hashed(stream)
        for exchange_id in FORMATS[export.format].write(_rows(export), hashed):
            rows.append(exchange_id)
        if not export.keep(done_count=export.total_count) or export.cancel_requested_at:
            raise Stopped
        hashed.flush()
        stream.flush()  # a full disk is found out before the manifest says anything
        sha256, size = hashed.digest.hexdigest(), hashed.size
        with files.written(manifest.name_of(name), writer) as beside:
            manifest.write(export, beside, name=name, sha256=sha256, byte_count=size, rows=rows)
    files.removed(f"{name}.gz")  # of an earlier file of that name
    for each in _names(export):
        files.sweep(each, f"{export.pk}-")
    return {"sha256": sha256, "byte_count": size, "line_count": len(rows), "file_name": name}


class _Hashed:
    """A file to write to, with the SHA-256 and the size of what was written once it is flushed.

    Lines are short, and each call of the file or the hash costs as much as a thousand letters: they go on together.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest, self.size = file, hashlib.sha256(), 0
        self._waiting: list[bytes] = []
        self._held = 0

    def write(self, data: bytes) -> int:
        self._waiting.append(data)
        self._held += len(data)
        if self._held >= HELD:
            self.flush()
        return len(data)

    def flush(self) -> None:
        data = b"".join(self._waiting)
        self._waiting, self._held = [], 0
        self.digest.update(data)
        self.size += len(data)
        self._file.write(data)


def _rows(export: Export) -> Iterator[Row]:
    """The examples in order, one at a time: one may have a megabyte.

    In pieces, because a connection that streams cannot note progress; the rows are frozen, so the pieces fit together.
    """
    last = export.version.examples.filter(split=export.split).order_by("position").last()
    total = last.position if last else 0
    for first in range(1, total + 1, BATCH):
        if not export.keep(done_count=first - 1, total_count=total) or export.cancel_requested_at:
            raise Stopped
        yield from _piece(export, first)


def _piece(export: Export, first: int) -> Iterator[Row]:
    captured, joined = "NULL::bytea", ""
    if FORMATS[export.format].wants_captured:
        captured = "convert_to(e.response, 'UTF8')"
        joined = "JOIN curation_exchange e ON e.id = x.exchange_id"
    query = (
        f"COPY (SELECT x.exchange_id, convert_to(x.body, 'UTF8'), {captured} FROM curation_example x {joined} "  # noqa: S608
        "WHERE x.version_id = %s AND x.split = %s AND x.position >= %s AND x.position < %s "
        "AND x.body <> '' ORDER BY x.position) "
        "TO STDOUT (FORMAT binary)"
    )
    with (
        connection.cursor() as cursor,
        cursor.copy(query, [export.version_id, export.split, first, first + BATCH]) as copied,
    ):
        copied.set_types(["int8", "bytea", "bytea"])
        for row in copied.rows():
            yield Row(*row)


def _disk_words(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "The disk is full, so the file was not written. Make room, then ask for the export again."
    return f"The file could not be written ({error.strerror}). Check the media folder, then ask for the export again."


def _is_there(export: Export) -> bool:
    return export.status == Export.Status.SUCCEEDED and files.is_there(name_of(export), export.byte_count)


def _write_anew(export: Export) -> None:
    Export.objects.filter(pk=export.pk).update(
        status=Export.Status.PENDING,
        error="",
        cancel_requested_at=None,
        setback_count=0,
        done_count=0,
        finished_at=None,
        started_at=None,
        next_attempt_at=Now(),
    )
    export.refresh_from_db()
