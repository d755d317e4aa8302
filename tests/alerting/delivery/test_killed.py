"""kill -9 in the middle: nothing that was put is lost, and what is sent twice has the same key."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from maibo_alerting.delivery.outbox import Outbox

SENDS = Path(__file__).with_name("sends.py")


@pytest.mark.parametrize("answered", [3, 11])
def test_what_was_put_arrives_although_the_sender_is_killed_between_sending_and_writing_down(
    tmp_path, server, answered
) -> None:
    path = tmp_path / "outbox"
    server.answers.extend(
        [(200, {}, b"")] * answered + ["drip"]
    )  # taken, but the answer never comes: then it is killed
    first = start(path, server.url, 0, 20)
    wait_until(lambda: len(server.said) > answered)
    kill(first)
    arrived = len(server.said)
    server.answers.clear()
    second = start(path, server.url, 20, 25)
    wait_until(lambda: len(server.said) >= arrived + 1 + 25 - answered - 1)
    kill(second)
    with Outbox(path) as outbox:
        assert outbox.dead() == ()

    keys = Counter(said.headers["idempotency-key"] for said in server.said)
    slos = {said.json["alerts"][0]["labels"]["slo"] for said in server.said}
    assert slos == {f"slo-{number}" for number in range(25)}
    assert len(keys) == 25
    assert sum(keys.values()) - len(keys) <= 2, "only what was under way at a kill came twice"
    assert server.said[answered].headers["idempotency-key"] in {key for key, times in keys.items() if times == 2}


def start(path: Path, url: str, first: int, last: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, str(SENDS), str(path), url, str(first), str(last)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "put\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=10)


def wait_until(holds, seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)
