"""The log acknowledges what is on the disk, all that waits at once, and survives a disk that refuses."""

import asyncio
import errno
import os
import time
from pathlib import Path

import pytest

from maibo_collectors.errors import LogUnavailable
from maibo_collectors.otlp.body import Encoding
from maibo_collectors.otlp.log import Log
from maibo_collectors.otlp.segment import Record, body_hash, parse, recover

pytestmark = pytest.mark.anyio

NEVER = 10.0**9
"""Seconds until a segment is sealed."""


def record(text: str) -> Record:
    body = text.encode()
    return Record(body_hash(body), 1, 1, Encoding.IDENTITY, body)


def bodies(folder: Path, suffix: str = ".log") -> list[str]:
    """Of all segments, in the order of their names."""
    return [
        item.body.decode()
        for path in sorted(folder.glob(f"*{suffix}"))
        for item in parse(path.read_bytes())
        if isinstance(item, Record)
    ]


@pytest.fixture
def make_log(tmp_path):
    made = []

    def make(**options) -> Log:
        made.append(Log(tmp_path, acceptor=0, **options))
        return made[-1]

    yield make
    for log in made:
        log.close()


@pytest.fixture
def syncs(monkeypatch):
    """Counts the calls of fdatasync; set `syncs.error` to have them fail."""

    class Syncs:
        count = 0
        error: int | None = None

    def fdatasync(descriptor, real=os.fdatasync):
        Syncs.count += 1
        if Syncs.error is not None:
            raise OSError(Syncs.error, os.strerror(Syncs.error))
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    return Syncs


async def test_an_acknowledged_record_is_in_the_open_segment(tmp_path, make_log):
    await make_log(segment_seconds=NEVER).append(record("one"))
    assert bodies(tmp_path, ".open") == ["one"]


async def test_senders_that_wait_together_share_one_sync(tmp_path, make_log, syncs):
    log = make_log()
    texts = [f"{number:03}" for number in range(200)]
    await asyncio.gather(*(log.append(record(text)) for text in texts))
    log.close()
    assert bodies(tmp_path) == texts
    assert 1 <= syncs.count <= 2  # the second, when the log's thread had only just begun


async def test_a_segment_is_sealed_some_time_after_its_first_record_without_another_one(tmp_path, make_log):
    await make_log(segment_seconds=0.05).append(record("one"))
    async with asyncio.timeout(60):
        while not list(tmp_path.glob("*.log")):
            await asyncio.sleep(0.01)
    assert bodies(tmp_path) == ["one"]


async def test_segments_of_several_logs_are_sealed_at_the_same_time(tmp_path, monkeypatch):
    sealed = []
    real = Log._seal

    def seal(log):
        if log._segment is not None:
            sealed.append(time.monotonic())
        real(log)

    monkeypatch.setattr(Log, "_seal", seal)
    logs = [Log(tmp_path, acceptor=number, segment_seconds=0.5) for number in range(3)]
    begin = time.monotonic()
    for number, log in enumerate(logs):
        await asyncio.sleep(max(0, begin // 0.5 * 0.5 + 0.5 + 0.05 * number + 0.05 - time.monotonic()))
        await log.append(record(str(number)))
    async with asyncio.timeout(60):
        while len(sealed) < 3:
            await asyncio.sleep(0.01)
    for log in logs:
        log.close()
    assert len({at // 0.5 for at in sealed}) == 1
    assert all(at % 0.5 < 0.25 for at in sealed)


async def test_a_full_segment_is_sealed_and_the_next_record_begins_another(tmp_path, make_log):
    log = make_log(segment_seconds=NEVER, segment_bytes=1)
    for text in ("one", "two", "three"):
        await log.append(record(text))
    log.close()
    assert len(list(tmp_path.iterdir())) == 3
    assert bodies(tmp_path) == ["one", "two", "three"]


async def test_closing_seals_and_refuses_what_comes_after(tmp_path, make_log):
    log = make_log(segment_seconds=NEVER)
    await log.append(record("one"))
    log.close()
    assert bodies(tmp_path) == ["one"]
    with pytest.raises(LogUnavailable, match="stopping"):
        await log.append(record("two"))


async def test_an_open_segment_of_a_living_log_is_not_recovered(tmp_path, make_log):
    log = make_log(segment_seconds=NEVER)
    await log.append(record("one"))
    (path,) = tmp_path.iterdir()
    assert recover(path) is None
    log.close()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
async def test_a_record_that_may_not_be_on_the_disk_is_refused_and_the_log_goes_on_with_a_new_segment(
    tmp_path, make_log, syncs, error
):
    log = make_log(segment_seconds=NEVER)
    await log.append(record("before"))
    syncs.error = error
    with pytest.raises(LogUnavailable, match=os.strerror(error)):
        await log.append(record("refused"))
    with pytest.raises(LogUnavailable):
        await log.append(record("refused too"))
    syncs.error = None
    await log.append(record("after"))
    log.close()
    assert bodies(tmp_path) == ["before", "after"]
    assert len(list(tmp_path.iterdir())) == 2


async def test_a_segment_that_cannot_even_be_cut_is_left_to_be_recovered(tmp_path, make_log, syncs, monkeypatch):
    log = make_log(segment_seconds=NEVER)
    await log.append(record("before"))
    syncs.error = errno.EIO

    def refuse(*_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", refuse)
        with pytest.raises(LogUnavailable):
            await log.append(record("refused, yet there"))
    (path,) = tmp_path.iterdir()
    assert path.suffix == ".open"
    assert recover(path) == 0
    assert bodies(tmp_path) == ["before", "refused, yet there"]


async def test_a_folder_that_is_gone_is_a_refusal_until_it_is_back(tmp_path, make_log):
    log = make_log()
    tmp_path.rmdir()
    with pytest.raises(LogUnavailable, match="No such file"):
        await log.append(record("one"))
    tmp_path.mkdir()
    await log.append(record("two"))
    log.close()
    assert bodies(tmp_path) == ["two"]


async def test_over_its_quota_the_log_refuses_until_somebody_drained_it(tmp_path, make_log):
    log = make_log(quota_bytes=500, segment_bytes=1)
    await log.append(record("x" * 600))
    with pytest.raises(LogUnavailable, match="more than 500 bytes"):
        await log.append(record("two"))
    for path in tmp_path.iterdir():
        path.unlink()
    async with asyncio.timeout(60):
        while True:
            try:
                await log.append(record("three"))
                break
            except LogUnavailable:
                await asyncio.sleep(0.05)
    log.close()
    assert bodies(tmp_path) == ["three"]


async def test_every_segment_has_a_name_of_its_own_and_names_sort_by_time(tmp_path, make_log):
    texts = [f"{number:02}" for number in range(15)]
    for begin in (0, 5, 10):
        log = make_log(segment_bytes=1)  # the same acceptor, started again
        for text in texts[begin : begin + 5]:
            await log.append(record(text))
        log.close()
    assert len(list(tmp_path.iterdir())) == 15
    assert bodies(tmp_path) == texts
