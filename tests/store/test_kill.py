from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from maibo_slo.store import open_store
from maibo_slo.store.segments import is_drained, totals

if TYPE_CHECKING:
    from pathlib import Path

DRAIN = '''
"""Writes a log of segments, each line before its segment is drained, and drains it; first it replays what a death left."""
import hashlib, os, sys, time
import numpy as np
from maibo_slo.store import counts, open_store
from maibo_slo.store.counts import CELL, FLOW, Counts
from maibo_slo.store.segments import SegmentRecord, claim, is_drained, record

dsn, log_path, begin, until = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


def drain(store, number):
    name = f"segment-{number:06}"
    # Half of each segment's 10 bodies are the last segment's, sent again.
    bodies = range(number * 5, number * 5 + 10)
    hashes = {hashlib.blake2b(str(body).encode(), digest_size=16).digest(): body for body in bodies}
    own = claim(store, name, list(hashes))
    series = [("checkout", "", "prod", "s", "1", "c", "eu", str(tier), "", "success") for tier in range(7)]
    numbers = sorted(hashes[h] for h in own)
    cells = [(begin + 10 * (each % 300), each % 7, 600 + each % 50, 1) for each in numbers]
    flow = [(begin + 10 * (each % 300), each % 7, 1, 1) for each in numbers]
    counts.insert(store, Counts(series, cells=np.array(cells, CELL), flow=np.array(flow, FLOW)), token=name)
    record(store, SegmentRecord(name, int(time.time() * 1000), 10, 10 - len(own), 10, len(own), 0, 0, (begin,)))


with open_store(dsn) as store, open(log_path, "a+") as log:
    log.seek(0)
    written = [int(line) for line in log.read().splitlines()]
    done = is_drained(store, [f"segment-{number:06}" for number in written])
    for number in written:
        if f"segment-{number:06}" not in done:
            drain(store, number)
    print("replayed", flush=True)
    for number in range(len(written), until or 10**9):
        log.write(f"{number}\\n")
        log.flush()
        os.fsync(log.fileno())
        drain(store, number)
'''


@pytest.mark.timeout(120)
def test_killed_again_and_again_nothing_is_lost_and_nothing_counted_twice(store_dsn: str, tmp_path: Path, present: int):
    log = tmp_path / "log"
    chance = random.Random(5)

    def run(until: int = 0) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", DRAIN, store_dsn, str(log), str(present - 3_000), str(until)]
        return subprocess.Popen(command, stdout=subprocess.PIPE)

    for _ in range(3):
        with run() as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"replayed\n"
            time.sleep(chance.uniform(0.3, 1.2))  # a death at some moment is what is tested
            os.kill(child.pid, signal.SIGKILL)
            assert child.wait() == -signal.SIGKILL
    written = len(log.read_text().splitlines())
    with run(until=written) as child:
        assert child.wait() == 0
    assert written > 8
    with open_store(store_dsn) as store:
        bodies = 5 * written + 5
        assert totals(store).segments == written
        assert totals(store).counted == bodies
        assert len(is_drained(store, [f"segment-{number:06}" for number in range(written)])) == written
        for tier in ("10s", "1m", "1h"):
            assert store.rows(f"SELECT sum(n) FROM cells_{tier}") == [(bodies,)], tier
        assert store.rows("SELECT sum(started), sum(succeeded) FROM flow_1m") == [(bodies, bodies)]
        assert store.rows("SELECT sum(started) FROM starts_10s") == [(bodies,)]
        assert store.rows("SELECT count(), uniqExact(hash) FROM bodies") == [(bodies, bodies)]
