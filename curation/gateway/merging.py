"""The recorder: merges the spool into the database, again and again from the start without doing anything twice."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from django.db import Error as DatabaseFailure
from django.db import connection

from curation.feedback import record_feedback
from curation.models import Feedback, LoggedCall
from curation.recording import Call, Prepared, policies_of, prepare, record, store

from .frames import Frame, Kind
from .reading import call_of, feedback_of, put_together
from .rejects import set_aside, sqlstate
from .segments import Span, SpoolFolder, Writer

log = logging.getLogger(__name__)
_Result = TypeVar("_Result")

_BATCH_CALLS = 500
_BATCH_BYTES = 8 << 20
_LOOK_FOR_ENDED_WRITERS = 1.0  # seconds
_LONGEST_WAIT = 2.0  # seconds between attempts while the database is away
# These say that a row is impossible: data exceptions, constraints, limits. Anything else may be different next time.
_IMPOSSIBLE = ("21", "22", "23", "54")


class Stopped(Exception):
    """The recorder was asked to end while it waited for the database. Nothing is lost: the spool keeps it all."""


@dataclass
class _Begun:
    """A call whose end has not been read yet."""

    writer: str
    facts: dict[str, Any]
    request: Span
    parts: list[Span] = field(default_factory=list)

    @property
    def response(self) -> bytes:
        return b"".join(part.body for part in self.parts)


@dataclass(frozen=True)
class _Ready:
    id: UUID
    row: Call | Feedback
    spans: list[Span]


@dataclass(frozen=True)
class _Batch:
    """Records that go into the database together; the calls among them are made ready in a thread, if that can be."""

    records: list[_Ready]
    calls: list[_Ready]
    prepared: Future[Prepared] | None


class Merger:
    """One batch is stored while the next is read and made ready: the one waits for Postgres, the other is Python's."""

    def __init__(self, folder: Path, stopping: threading.Event) -> None:
        self._folder = SpoolFolder(folder)
        self._rejected = folder / "rejected"
        self._stopping = stopping
        self._begun: dict[UUID, _Begun] = {}
        self._batch: list[_Ready] = []
        self._batch_bytes = 0
        self._waiting: _Batch | None = None
        self._preparing = ThreadPoolExecutor(1, thread_name_prefix="prepare")
        self._looked_at = float("-inf")
        self.stored_count = 0

    def run_once(self) -> int:
        """Store everything that has ended since the last time; returns how many calls. Raises Stopped."""
        before = self.stored_count
        look = time.monotonic() - self._looked_at > _LOOK_FOR_ENDED_WRITERS
        for writer in self._folder.writers():
            is_gone = look and writer.is_gone()
            for frame, span in writer.read_on(is_gone=is_gone):
                self._take(writer, frame, span)
            if is_gone:
                self._end_what_was_interrupted(writer)
            self._next_batch()
            self._next_batch()  # stores what the first made ready
            writer.remove_done(is_gone=is_gone)
        if look:
            self._looked_at = time.monotonic()
        return self.stored_count - before

    def _take(self, writer: Writer, frame: Frame, span: Span) -> None:
        begun = self._begun.get(frame.call_id)
        if begun is None and frame.kind in (Kind.PART, Kind.COMPLETION):
            return  # stored and its beginning removed before the recorder was last started
        span.segment.unfinished += 1
        if frame.kind is Kind.INTENT:
            self._begun[frame.call_id] = _Begun(writer.name, frame.facts, span)
        elif frame.kind is Kind.POSTED:
            self._add(frame.call_id, [span], lambda: call_of(frame.call_id, *put_together([frame])))
        elif frame.kind is Kind.FEEDBACK:
            self._add(frame.call_id, [span], lambda: feedback_of(frame))
        elif begun:
            begun.facts |= frame.facts
            begun.parts.append(span)
            if frame.kind is Kind.COMPLETION:
                self._end(frame.call_id)

    def _end_what_was_interrupted(self, writer: Writer) -> None:
        for call_id in [call_id for call_id, begun in self._begun.items() if begun.writer == writer.name]:
            self._begun[call_id].facts["outcome"] = LoggedCall.Outcome.INTERRUPTED
            self._end(call_id)
            log.info("call %s was interrupted", call_id)

    def _end(self, call_id: UUID) -> None:
        begun = self._begun.pop(call_id)
        spans = [begun.request, *begun.parts]
        self._add(call_id, spans, lambda: call_of(call_id, begun.facts, begun.request.body, begun.response))

    def _add(self, record_id: UUID, spans: list[Span], make: Callable[[], Call | Feedback]) -> None:
        try:
            ready = _Ready(record_id, make(), spans)
        except (KeyError, TypeError, ValueError, OverflowError) as error:  # facts that another version wrote
            set_aside(self._rejected, record_id, [span.frame for span in spans], error)
            _finish(spans)
            return
        self._batch.append(ready)
        self._batch_bytes += sum(span.length for span in spans)
        if len(self._batch) >= _BATCH_CALLS or self._batch_bytes >= _BATCH_BYTES:
            self._next_batch()

    def _next_batch(self) -> None:
        """Have what was read made ready, and store meanwhile what was before."""
        before, self._waiting = self._waiting, None
        if self._batch:
            calls = [ready for ready in self._batch if isinstance(ready.row, Call)]
            self._waiting = _Batch(self._batch, calls, self._prepare([ready.row for ready in calls]))
            self._batch, self._batch_bytes = [], 0
        if before:
            self._store(before)

    def _prepare(self, calls: list[Any]) -> Future[Prepared] | None:
        try:
            return self._preparing.submit(prepare, calls, policies_of(calls))
        except Exception:  # noqa: BLE001 - the database is away, or one is impossible: told when they are stored
            return None

    def _store(self, batch: _Batch) -> None:
        if not (batch.prepared and self._stored_at_once(batch.prepared)):
            self._store_or_split(batch.calls, record)
        else:
            self.stored_count += len(batch.calls)
        self._store_or_split([ready for ready in batch.records if isinstance(ready.row, Feedback)], record_feedback)
        for ready in batch.records:
            _finish(ready.spans)

    def _stored_at_once(self, prepared: Future[Prepared]) -> bool:
        try:
            self._patiently(lambda: store(prepared.result()))
        except Stopped:
            raise
        except Exception:  # noqa: BLE001 - then it is told which call cannot be stored
            return False
        return True

    def _store_or_split(self, batch: list[_Ready], put: Callable[[list[Any]], Any]) -> None:
        """One impossible call must not keep the others out: halve until it is alone, then set it aside."""
        if not batch:
            return
        try:
            self._patiently(lambda: put([ready.row for ready in batch]))
        except Stopped:
            raise
        except Exception as error:  # noqa: BLE001 - whatever one call's bytes do to us, the others are stored
            if len(batch) == 1:
                set_aside(self._rejected, batch[0].id, [span.frame for span in batch[0].spans], error)
                return
            middle = len(batch) // 2
            self._store_or_split(batch[:middle], put)
            self._store_or_split(batch[middle:], put)
        else:
            self.stored_count += len(batch)

    def _patiently(self, ask: Callable[[], _Result]) -> _Result:
        """Waits for a database that is away. Raises what will be no better next time."""
        waits = _longer_and_longer()
        while True:
            wait = next(waits)
            try:
                result = ask()
            except DatabaseFailure as error:
                if sqlstate(error).startswith(_IMPOSSIBLE):
                    raise
                connection.close()
                if wait == 0:
                    first_line = str(error).partition("\n")[0]  # the next ones may quote what could not be stored
                    log.warning("The database cannot take calls now, they wait in the spool: %s", first_line)
            else:
                if wait:
                    log.info("The database takes calls again")
                return result
            if self._stopping.wait(wait or 0.05):
                raise Stopped


def _finish(spans: list[Span]) -> None:
    for span in spans:
        span.segment.unfinished -= 1


def _longer_and_longer() -> Iterator[float]:
    wait = 0.0
    while True:
        yield wait
        wait = min(max(0.1, wait * 2), _LONGEST_WAIT)
