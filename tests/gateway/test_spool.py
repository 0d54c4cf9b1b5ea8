"""The spool's files: written whole, read while they grow, and read on behind whatever damaged them."""

import asyncio
import io
import logging
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.gateway import frames
from curation.gateway.frames import Frame, Kind
from curation.gateway.segments import Segment, SpoolFolder
from curation.gateway.spool import Spool, SpoolFull

MANY = st.lists(
    st.builds(
        Frame,
        st.sampled_from([Kind.INTENT, Kind.PART, Kind.COMPLETION]),
        st.uuids(),
        st.dictionaries(
            st.text(st.characters(codec="utf-8")), st.integers(0, 9) | st.text(st.characters(codec="utf-8"))
        ),
        st.binary(max_size=60) | st.just(frames._MAGIC * 3),
    ),
    min_size=1,
    max_size=6,
)


def written(records: list[Frame]) -> bytes:
    return b"".join(frames.encode(*record) for record in records)


def read_all(content: bytes, *, is_final: bool = True) -> list[Frame]:
    with TemporaryDirectory() as folder:
        path = Path(folder, "w.000001.segment")
        path.write_bytes(content)
        segment = Segment(path)
        found = [frame for frame, _ in segment.read_on(is_final=is_final)]
        assert not is_final or segment.is_done
        segment.remove()
        return found


@given(MANY)
def test_what_is_written_is_read(records: list[Frame]):
    assert read_all(written(records)) == records


@given(MANY, st.data())
@settings(deadline=None)
def test_of_a_file_cut_anywhere_every_whole_record_is_read_and_the_torn_one_is_skipped(records: list[Frame], data):
    content = written(records)
    cut = data.draw(st.integers(0, len(content)))
    whole, end = 0, 0
    for record in records:
        end += len(frames.encode(*record))
        whole += end <= cut
    assert read_all(content[:cut]) == records[:whole]


@given(MANY, st.data())
@settings(deadline=None)
def test_a_file_that_grows_byte_by_byte_gives_each_record_once(records: list[Frame], data):
    content = written(records)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=6)))
    with TemporaryDirectory() as folder:
        path = Path(folder, "w.000001.segment")
        path.touch()
        segment = Segment(path)
        found: list[Frame] = []
        for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
            with path.open("ab") as file:
                file.write(content[start:end])
            found += [frame for frame, _ in segment.read_on(is_final=False)]
        assert found == records


@given(MANY, st.data())
@settings(deadline=None)
def test_a_damaged_byte_costs_the_record_it_is_in_and_no_other(records: list[Frame], data):
    content = bytearray(written(records))
    hit = data.draw(st.integers(0, len(content) - 1))
    content[hit] ^= data.draw(st.integers(1, 255))
    end, expected = 0, []
    for record in records:
        start, end = end, end + len(frames.encode(*record))
        if not start <= hit < end:
            expected.append(record)
    assert read_all(bytes(content)) == expected


def test_nothing_that_is_no_record_is_read(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        assert read_all(b"\0" * 5000) == []
    assert "skipped 5000 torn bytes at 0" in caplog.text
    with pytest.raises(frames.Torn):
        frames.read(io.BytesIO(frames._MAGIC + b"\xff" * 40))


def run(folder: Path, body: Callable[[Spool], Awaitable[None]], **options: object) -> None:
    async def live() -> None:
        settings = {"sync_seconds": 0.0, "limit_bytes": 1 << 30} | options
        spool = Spool(folder, **settings)
        await spool.start()
        try:
            await body(spool)
        finally:
            await spool.stop()

    asyncio.run(live())


def test_a_writer_that_lives_is_told_from_one_that_is_gone(tmp_path: Path):
    async def body(spool: Spool) -> None:
        spool.append(Kind.INTENT, uuid.uuid4(), {"n": 1}, b"x")
        await spool.settle()
        (writer,) = SpoolFolder(tmp_path).writers()
        assert not writer.is_gone()
        assert [frame.facts for frame, _ in writer.read_on(is_gone=False)] == [{"n": 1}]

    run(tmp_path, body)
    folder = SpoolFolder(tmp_path)
    (writer,) = folder.writers()
    assert writer.is_gone()
    assert len(list(writer.read_on(is_gone=True))) == 1
    writer.remove_done(is_gone=True)
    assert list(tmp_path.iterdir()) == []
    assert folder.writers() == []


def test_segments_are_of_limited_size_and_go_when_all_in_them_is_stored(tmp_path: Path):
    async def body(spool: Spool) -> None:
        for n in range(20):
            spool.append(Kind.INTENT, uuid.uuid4(), {"n": n}, b"x" * 1000)
        folder = SpoolFolder(tmp_path)
        (writer,) = folder.writers()
        assert len(writer.segments) > 5
        assert all(path.stat().st_size <= 4000 for path in tmp_path.glob("*.segment"))
        read = list(writer.read_on(is_gone=False))
        assert [frame.facts["n"] for frame, _ in read] == list(range(20))
        for _, span in read:
            span.segment.unfinished += 1
        for _, span in read[4:]:
            span.segment.unfinished -= 1
        writer.remove_done(is_gone=False)
        assert read[0][1].segment.path.exists()  # its record is not stored, and nothing behind it goes before it
        assert len(writer.segments) > 5
        for _, span in read[:4]:
            span.segment.unfinished -= 1
        writer.remove_done(is_gone=False)
        assert len(writer.segments) == 1  # the one being written

    run(tmp_path, body, segment_bytes=4000)


def test_a_segment_does_not_stay_open_for_ever(tmp_path: Path):
    async def body(spool: Spool) -> None:
        spool.append(Kind.INTENT, uuid.uuid4(), {}, b"x")
        async with asyncio.timeout(10):
            while len(list(tmp_path.glob("*.segment"))) < 2:
                await asyncio.sleep(0.05)

    run(tmp_path, body, segment_seconds=0.1)


def test_a_full_spool_takes_no_new_call_but_the_end_of_one_that_has_begun(tmp_path: Path):
    call_id = uuid.uuid4()

    async def body(spool: Spool) -> None:
        spool.append(Kind.INTENT, call_id, {}, b"x" * 900)
        with pytest.raises(SpoolFull):
            spool.append(Kind.INTENT, uuid.uuid4(), {}, b"x" * 900)
        spool.append(Kind.COMPLETION, call_id, {}, b"x" * 900)
        (path,) = tmp_path.glob("*.segment")
        assert [frame.call_id for frame, _ in Segment(path).read_on(is_final=False)] == [call_id, call_id]
        path.write_bytes(b"")  # merged
        async with asyncio.timeout(10):
            while True:
                try:
                    return spool.append(Kind.INTENT, uuid.uuid4(), {}, b"x" * 900)
                except SpoolFull:
                    await asyncio.sleep(0.05)

    run(tmp_path, body, limit_bytes=1500)


def test_a_full_disk_leaves_no_half_record_and_loses_no_call_that_has_begun(tmp_path: Path):
    """A limit on the size of files stands for the disk: write(2) fails the same way, in the middle of a record too."""
    program = """
        import asyncio, resource, signal, sys, uuid
        from pathlib import Path
        from curation.gateway.frames import Kind
        from curation.gateway.spool import Spool, SpoolFull

        async def main():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            spool = Spool(Path(sys.argv[1]), sync_seconds=0.0, limit_bytes=1 << 30)
            await spool.start()
            call = uuid.uuid4()
            spool.append(Kind.INTENT, call, {"n": 0}, b"x" * 100)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
            spool.append(Kind.COMPLETION, call, {"n": 1}, b"y" * 2000)
            for _ in range(2):
                try:
                    spool.append(Kind.INTENT, uuid.uuid4(), {"n": 2}, b"x")
                except SpoolFull:
                    print("full")
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            await asyncio.sleep(1.5)
            spool.append(Kind.INTENT, uuid.uuid4(), {"n": 3}, b"x")
            await spool.stop()

        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), tmp_path],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "full\nfull\n"
    (path,) = tmp_path.glob("*.segment")
    found = [frame for frame, _ in Segment(path).read_on(is_final=True)]
    assert [(frame.facts["n"], len(frame.body)) for frame in found] == [(0, 100), (1, 2000), (3, 1)]
    assert path.stat().st_size == len(written(found))


def test_to_settle_waits_for_the_disk_only_where_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    synced: list[float] = []

    def slow_sync(descriptor: int) -> None:
        time.sleep(0.2)
        synced.append(time.monotonic())

    monkeypatch.setattr("os.fdatasync", slow_sync)

    async def waits(spool: Spool) -> None:
        spool.append(Kind.INTENT, uuid.uuid4(), {}, b"x")
        written_at = time.monotonic()
        await spool.settle()
        assert any(moment > written_at for moment in synced)

    async def does_not_wait(spool: Spool) -> None:
        spool.append(Kind.INTENT, uuid.uuid4(), {}, b"x")
        await spool.settle()
        assert synced == []

    run(tmp_path, waits, sync_seconds=0.0)
    synced.clear()
    run(tmp_path, does_not_wait, sync_seconds=0.02)
    assert synced  # at the end, at least
