"""Past calls become rows: files, and what a provider stored. Each line is one call, through the same door as any other.

A batch, its counts and its place in the file are committed together, so an import that is killed goes on where it was.
A call's id is made of its line, and of how often that line came before in the file: importing the file again, or
another that has some of its lines, adds what is new.
"""

import logging
import time
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

from django.db import DataError, connection, transaction
from django.db.models import Count, F, Sum
from django.db.models.functions import Now

from curation.models import LoggedCall, SealedKeyUnreadable
from curation.recording import Call, Prepared, policies_of, prepare, record, store

from .models import Import, ImportRemark
from .past_files import FileError
from .past_rows import PastRow, rows_of_lines, rows_of_table
from .providers.base import ProviderError
from .stored_completions import pages
from .tables import TableError

log = logging.getLogger(__name__)

# A worker puts an import down after so many seconds, so that none holds it for long.
TURN = 60
# The lease is kept at least so often while nothing is stored.
KEEP_EVERY = 10
BATCH_ROWS = 1000
BATCH_BYTES = 8 << 20
# So many remarks are kept; the counts go on.
MOST_REMARKS = 10_000
# What a column can be.
PARTS = {
    "prompt": "what was asked",
    "more": "what follows the prompt",
    "answer": "what was answered",
    "system": "the system prompt",
    "model": "the model that answered",
}
_NAMESPACE = uuid.UUID("0b3d7bd4-6a3c-4f83-9d0a-6a0f3c9a4a51")
_UNFIT = "The database does not take this call."


class Lost(Exception):
    """Another worker has this import now."""


def start(upload: Import, *, mapping: dict[str, str] | None = None, is_strict: bool = False) -> bool:
    """Have a worker store what a draft holds. False when it was started before."""
    changes = {"mapping": mapping} if mapping is not None else {}
    drafts = Import.objects.filter(pk=upload.pk, status=Import.Status.PENDING, next_attempt_at=None)
    started = drafts.update(is_strict=is_strict, next_attempt_at=Now(), **changes) == 1
    upload.refresh_from_db()
    if started:
        log.info("%s started kind=%s", upload, upload.kind)
    return started


def advance(pk: int) -> None:
    """Go on with an import for some time (for a worker)."""
    upload = Import.claim(pk)
    if upload is None:
        return
    try:
        _take_turn(upload)
    except (FileError, TableError) as error:
        _end(upload, Import.Status.FAILED, f"{error} {_stored_words(upload)}")
    except SealedKeyUnreadable as error:
        _end(upload, Import.Status.FAILED, str(error))
    except ProviderError as error:
        if error.permanent:
            _end(upload, Import.Status.FAILED, f"{error} {_stored_words(upload)}")
        else:
            upload.retry(str(error), error.retry_after)
    except Lost:
        log.info("%s was taken over", upload)


def sentence(upload: Import) -> str:
    """How an import stands, in words."""
    done = f"{upload.imported_count:,} imported, {upload.known_count:,} known before, {upload.refused_count:,} refused"
    if upload.status == Import.Status.SUCCEEDED:
        return f"Finished: {done}."
    if upload.status == Import.Status.CANCELLED:
        return f"Cancelled: {done}." if upload.row_count else "Cancelled before anything was stored."
    if upload.status == Import.Status.FAILED:
        return upload.error
    if upload.is_parked:
        return "Nothing was stored yet."
    if upload.error:
        return f"{upload.error} It is tried again by itself; {done}."
    if upload.cancel_requested_at:
        return "It stops after the batch under way."
    if upload.is_strict and not upload.is_checked and upload.attempts:
        return "Every line is checked before the first is stored."
    return f"Running: {done}."


# A turn


def _take_turn(upload: Import) -> None:
    if upload.cancel_requested_at:
        _end(upload, Import.Status.CANCELLED)
        return
    if upload.kind == Import.Kind.STORED:
        _store_all(upload, (_batch_of(upload, page) for page in pages(upload)))
        return
    try:
        file = upload.file.open("rb")
    except FileNotFoundError:
        raise FileError("The file is not in the storage any more. Upload it again.") from None
    with file:
        stream = cast(BinaryIO, file)  # Django's File is one in all that matters here
        if upload.is_strict and not upload.is_checked and not _check(upload, stream):
            return
        with closing(_rows(upload, stream)) as rows, ThreadPoolExecutor(1, thread_name_prefix="prepare") as helper:
            _store_all(upload, _prepared(upload, _batches(rows), stream, helper))


def _rows(upload: Import, stream: BinaryIO) -> Generator[PastRow, None, None]:
    read = rows_of_table if upload.kind == Import.Kind.TABLE else rows_of_lines
    return read(stream, upload.mapping, upload.line_number)


def _batches(rows: Iterator[PastRow]) -> Iterator[list[PastRow]]:
    batch, size = list[PastRow](), 0
    try:
        for row in rows:
            batch.append(row)
            size += row.size
            if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
    except FileError:
        # What could be read is stored before it is said that the rest cannot be.
        if batch:
            yield batch
        raise
    if batch:
        yield batch


@dataclass(frozen=True)
class _Batch:
    """Rows that are stored together, and how many bytes of the file are read with them. `prepared` are the calls among
    them, made ready ahead of time.
    """

    rows: Sequence[PastRow]
    calls: Mapping[uuid.UUID, PastRow]
    read_count: int = 0
    prepared: Future[Prepared] | None = None


def _batch_of(upload: Import, rows: Sequence[PastRow], read_count: int = 0) -> _Batch:
    return _Batch(rows, {_id(upload, row): row for row in rows if row.call}, read_count)


def _prepared(
    upload: Import, batches: Iterator[list[PastRow]], stream: BinaryIO, helper: ThreadPoolExecutor
) -> Iterator[_Batch]:
    """Each batch only when the next one is read, so that this is made ready while that is stored."""
    waiting: _Batch | None = None
    try:
        for rows in batches:
            batch = _batch_of(upload, rows, stream.tell())
            known = _known(batch)
            calls = [_call(upload, pk, row) for pk, row in batch.calls.items() if pk not in known]
            batch = replace(batch, prepared=helper.submit(prepare, calls, policies_of(calls)))
            if waiting:
                yield waiting
            waiting = batch
    except (FileError, TableError):
        if waiting:
            yield waiting
        raise
    if waiting:
        yield waiting


def _store_all(upload: Import, batches: Iterator[_Batch]) -> None:
    """Store batch after batch until all are stored, somebody says stop, or the turn is over."""
    end = time.monotonic() + TURN
    for batch in batches:
        _store(upload, batch)
        if upload.cancel_requested_at:
            _end(upload, Import.Status.CANCELLED)
            return
        if time.monotonic() > end:
            upload.wait(0)
            return
    if not upload.row_count:
        _end(upload, Import.Status.FAILED, _nothing_words(upload))
    elif upload.refused_count == upload.row_count:
        _end(upload, Import.Status.FAILED, "No line could be read.")
    else:
        _end(upload, Import.Status.SUCCEEDED)


def _check(upload: Import, stream: BinaryIO) -> bool:
    """Read a strict import to its end before anything is stored. False when it has ended with that."""
    kept, refusals, count = time.monotonic(), list[PastRow](), 0
    with closing(_rows(upload, stream)) as rows:
        for row in rows:
            if row.problem:
                count += 1
                refusals += [row] if count <= MOST_REMARKS else []
            if time.monotonic() - kept > KEEP_EVERY:
                kept = time.monotonic()
                _keep(upload, read_count=stream.tell())
                if upload.cancel_requested_at:
                    _end(upload, Import.Status.CANCELLED)
                    return False
    if not count:
        _keep(upload, is_checked=True)
        return True
    with transaction.atomic():
        _remark(upload, refusals)
        words = f"{count:,} {'line' if count == 1 else 'lines'} cannot be read, so nothing was imported."
        _end(upload, Import.Status.FAILED, words, refused_count=count)
    return False


def _end(upload: Import, status: Import.Status, words: str = "", **changes: object) -> None:
    """Settle, and remove the file: it may hold what the project wants masked."""
    name = upload.file.name
    if not upload.settle(status, words.strip(), file="", **changes):
        return
    if name:
        transaction.on_commit(lambda: upload.file.storage.delete(name))
    log.info(
        "%s %s imported=%s known=%s refused=%s",
        *(upload, status.value, upload.imported_count, upload.known_count, upload.refused_count),
    )


def _stored_words(upload: Import) -> str:
    if not upload.imported_count:
        return "Nothing was imported."
    lines = "completions" if upload.kind == Import.Kind.STORED else "lines"
    return f"What came before is imported: {upload.imported_count:,} {lines}."


def _nothing_words(upload: Import) -> str:
    if upload.kind == Import.Kind.STORED:
        return "The provider has no stored completions of this kind. It keeps those of calls made with store=true."
    return f"There is no line in {upload.file_name}."


# A batch


@transaction.atomic
def _store(upload: Import, batch: _Batch) -> None:
    """Store a batch, and with it where the import stands. Raises Lost, and then nothing is stored."""
    _one_import_at_a_time(upload.project_id)
    calls = batch.calls
    known = _known(batch)
    unfit = _record(upload, batch, calls.keys() - known)
    refused = [row for row in batch.rows if row.problem] + [replace(calls[pk], problem=_UNFIT) for pk in unfit]
    noted = [row for pk, row in calls.items() if row.call and row.call.notes and pk not in unfit]
    new = calls.keys() - known - unfit
    stored = LoggedCall.objects.filter(pk__in=new).aggregate(count=Count("pk"), masked=Sum("masked_count"))
    _remark(upload, [*refused, *noted])
    _keep(
        upload,
        line_number=batch.rows[-1].number,
        cursor=batch.rows[-1].identity if upload.kind == Import.Kind.STORED else "",
        read_count=batch.read_count,
        imported_count=F("imported_count") + stored["count"],
        known_count=F("known_count") + len(known),
        refused_count=F("refused_count") + len(refused),
        noted_count=F("noted_count") + len(noted),
        masked_count=F("masked_count") + (stored["masked"] or 0),
        error="",
        setback_count=0,
    )


def _known(batch: _Batch) -> set[uuid.UUID]:
    return set(LoggedCall.objects.filter(pk__in=list(batch.calls)).values_list("pk", flat=True))


def _remark(upload: Import, rows: Sequence[PastRow]) -> None:
    """Keep what is said of refused and of odd lines, up to a limit."""
    if not rows:
        return
    room = MOST_REMARKS - upload.remarks.count()
    said = [(row.number, bool(row.problem), reason) for row in rows for reason in _reasons(row)]
    ImportRemark.objects.bulk_create(
        ImportRemark(upload=upload, line_number=number, is_refusal=is_refusal, reason=reason[:300])
        for number, is_refusal, reason in sorted(said)[: max(room, 0)]
    )


def _reasons(row: PastRow) -> Sequence[str]:
    return [row.problem] if row.problem or row.call is None else row.call.notes


def _one_import_at_a_time(project_id: int) -> None:
    """The same file may be imported by two at once: who comes second waits, and finds its lines known."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('jobs.imports', %s))", [project_id])


def _record(upload: Import, batch: _Batch, new: Set[uuid.UUID]) -> set[uuid.UUID]:
    """Store the new calls of a batch; the ids of those the database does not take."""
    if batch.prepared and (ready := batch.prepared.result().only(new)):
        try:
            with transaction.atomic():
                store(ready)
            return set()
        except DataError:
            pass  # then one of them is to be found
    return _record_by_halves([_call(upload, pk, row) for pk, row in batch.calls.items() if pk in new])


def _record_by_halves(calls: list[Call]) -> set[uuid.UUID]:
    try:
        with transaction.atomic():
            record(calls)
        return set()
    except DataError:
        if len(calls) == 1:
            return {calls[0].id}
        half = len(calls) // 2
        return _record_by_halves(calls[:half]) | _record_by_halves(calls[half:])


def _id(upload: Import, row: PastRow) -> uuid.UUID:
    return uuid.uuid5(_NAMESPACE, f"{upload.project_id} {row.identity}")


def _call(upload: Import, pk: uuid.UUID, row: PastRow) -> Call:
    past = row.call
    assert past
    return Call(
        id=pk,
        project_id=upload.project_id,
        source=LoggedCall.Source.IMPORT,
        endpoint=past.endpoint,
        requested_model=past.model,
        is_stream=False,
        status_code=past.status_code,
        duration_ms=past.duration_ms,
        started_at=past.started_at or upload.created_at,
        request_body=past.request,
        response_body=past.response,
        provider_id=upload.provider_id,
    )


def _keep(upload: Import, **changes: object) -> None:
    if not upload.keep(**changes):
        raise Lost
