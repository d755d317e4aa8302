"""Acceptor processes: started, watched, restarted, and never left behind."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maibo_collectors.errors import CollectorError
from maibo_collectors.otlp.collector import _folders, run
from maibo_slo.errors import MaiboError
from maibo_slo.store import open_store, segments

pytestmark = pytest.mark.anyio


def wait_until(condition, *, seconds=20):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return value


def test_several_acceptors_share_one_address_and_a_retry_at_another_one_counts_once(core_at, tmp_path, otlp_body):
    core = core_at(tmp_path, acceptors="3").start()
    pids = core.acceptors()
    assert len(pids) == 3
    retried = otlp_body("retried", 2)
    for chosen in pids:
        others = [pid for pid in pids if pid != chosen]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        assert core.send(retried).code == 200
        for pid in others:
            os.kill(pid, signal.SIGCONT)
    core.stop()
    with open_store(f"chdb://{tmp_path / 'store'}") as store:
        assert store.rows("SELECT sum(n) FROM cells_10s")[0][0] == 2
        assert segments.totals(store).duplicate_bodies == 2
        written_by = {segment.split("-")[1] for (segment,) in store.rows("SELECT segment FROM segments")}
    assert written_by == {"0", "1", "2"}


def test_an_acceptor_that_dies_is_replaced_and_what_it_took_is_counted(core_at, tmp_path, otlp_body):
    core = core_at(tmp_path, acceptors="1").start()
    assert core.send(otlp_body("checkout", 2)).code == 200
    requests = core.metric('maibo_otlp_requests_total{code="200"}')
    (pid,) = core.acceptors()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: core.acceptors() not in ([], [pid]))
    assert core.send(otlp_body("checkout", 3)).code == 200  # waits in the socket's queue until the new one serves
    core.wait_counted("checkout", 5)
    assert core.metric("maibo_otlp_acceptor_restarts_total") == 1
    assert core.metric('maibo_otlp_requests_total{code="200"}') == requests + 1
    wait_until(lambda: core.ask(health=0)[-1] is None)
    assert any("acceptor 0 died (exit code -9)" in (problem or "") for problem in core.ask(health=0))
    core.stop()


def test_stopping_in_order_counts_everything_first(core_at, tmp_path, otlp_body):
    core = core_at(tmp_path, acceptors="2").start()
    for _ in range(5):
        assert core.send(otlp_body("checkout", 2)).code == 200
    pids = core.acceptors()
    core.stop()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert list((tmp_path / "otlp" / "log").iterdir()) == []
    with open_store(f"chdb://{tmp_path / 'store'}") as store:
        assert store.rows("SELECT sum(n) FROM cells_10s")[0][0] == 10


def test_acceptors_of_a_killed_core_end_by_themselves_and_let_go_of_the_address(core_at, tmp_path, otlp_body):
    core = core_at(tmp_path, acceptors="2").start()
    core.send(otlp_body("checkout"))
    pids = core.acceptors()
    core.kill(acceptors=False)
    core.options["otlp-http"] = f"127.0.0.1:{core.address[1]}"  # the very same, as after a crash of the real one
    core.start()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    core.wait_counted("checkout", 1)
    core.stop()


def test_a_log_over_its_quota_is_503_until_it_is_drained(core_at, tmp_path, otlp_request):
    core = core_at(tmp_path, acceptors="1", **{"otlp-log-mib": "1"}).start()
    filler = {"journey.name": "checkout", "filler": "x" * 300_000}
    os.kill(core.process.pid, signal.SIGSTOP)  # a core that does not come to draining
    try:
        replies = [core.send(otlp_request(filler).SerializeToString()) for _ in range(8)]
    finally:
        os.kill(core.process.pid, signal.SIGCONT)
    codes = [reply.code for reply in replies]
    assert codes == sorted(codes)
    assert set(codes) == {200, 503}
    assert "not counted yet" in replies[-1].status.message
    assert replies[-1].headers["retry-after"] == "5"
    last = otlp_request(filler).SerializeToString()
    wait_until(lambda: core.send(last).code == 200)
    core.wait_counted("checkout", codes.count(200) + 1)
    core.stop()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"otlp-http": "0.0.0.0:0"}, "--otlp-http '0.0.0.0:0' can be reached by others"),
        ({"acceptors": "0"}, "--acceptors is '0'; it must be a whole number from 1 on"),
        ({"acceptors": "many"}, "--acceptors is 'many'"),
    ],
)
async def test_wrong_options_are_reported_and_nothing_is_started(tmp_path, context_at, options, problem):
    told = []
    context = context_at(tmp_path, None, told=told, **options)
    for _ in range(2):  # the service starts it again, and is told the same
        with pytest.raises((CollectorError, MaiboError), match=re.escape(problem)):
            await run(context)
    assert [part for part, _ in told] == ["otlp", "otlp"]
    assert all(problem in text for _, text in told)


def test_two_cores_do_not_share_a_log(tmp_path):
    with (
        _folders(tmp_path / "otlp"),
        pytest.raises(CollectorError, match="another collector writes into"),
        _folders(tmp_path / "otlp"),
    ):
        pass
    with _folders(tmp_path / "otlp") as folders:
        assert folders.log.is_dir()


HEAVY = ("chdb", "clickhouse_connect", "pandas", "numpy", "pyarrow", "maibo_slo", "fastapi")


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("maibo_collectors.otlp.acceptor", HEAVY),
        ("maibo_collectors.otlp.plugin", ("chdb", "pandas", "uvicorn", "google.protobuf", "prometheus_client")),
    ],
)
def test_what_is_to_start_quickly_loads_nothing_heavy(module, without):
    code = f"import {module}, sys; print([name for name in {without!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert loaded.strip() == "[]"
