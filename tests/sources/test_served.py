"""From a real Prometheus to `/v1/slos`: what it counted is what is judged, and its outage is no data until it is back."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MINUTE = 60
DOCUMENTS = """
apiVersion: openslo/v1
kind: Service
metadata: {name: shop}
---
apiVersion: openslo/v1
kind: DataSource
metadata: {name: metrics}
spec: {type: Prometheus, connectionDetails: {url: "%s"}}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: orders-accepted}
spec:
  service: shop
  budgetingMethod: Occurrences
  timeWindow: [{duration: 7d, isRolling: true}]
  objectives: [{target: 0.99}]
  indicator:
    metadata: {name: orders-accepted}
    spec:
      ratioMetric:
        total: {metricSource: {metricSourceRef: metrics, spec: {query: requests_total}}}
        bad: {metricSource: {metricSourceRef: metrics, spec: {query: 'requests_total{code="500"}'}}}
"""


def within(seconds: float, what: Callable[[], Any]) -> Any:
    until = time.monotonic() + seconds
    while not (said := what()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.1)
    return said


@contextmanager
def serving(folder: Path, documents: Path, port: int) -> Iterator[str]:
    """`maibo serve`, and its address."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("MAIBO_")}
    command = [
        *(sys.executable, "-m", "maibo_slo.cli", "serve", str(documents), "--listen", f"127.0.0.1:{port}"),
        *("--data-dir", str(folder / "data"), "--tick", "1", "--otlp-http", "127.0.0.1:0", "--otlp-grpc", "off"),
    ]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        within(60, lambda: process.poll() is not None or status(url) == 200)
        assert process.poll() is None, (folder / "log").read_text()[-3000:]
        yield url
    finally:
        process.terminate()
        process.wait(40)


def status(url: str) -> int:
    try:
        return httpx2.get(f"{url}/readyz").status_code
    except httpx2.TransportError:
        return 0


def part(url: str) -> Any:
    """What `/readyz` says of the source."""
    parts = httpx2.get(f"{url}/readyz").json()["parts"]
    return next((one for one in parts if one["part"] == "prometheus"), {})


def counted(url: str) -> tuple[int, int]:
    [slo] = httpx2.get(f"{url}/v1/slos").json()["slos"]
    [objective] = slo["objectives"]
    return objective["good"], objective["bad"]


def test_what_a_prometheus_counted_is_what_is_judged(
    tmp_path: Path, make_prometheus: Callable[..., Any], history: Callable[..., str], free_port: Callable[[], int]
) -> None:
    begin = int(time.time()) // MINUTE * MINUTE - 3 * 86_400
    end = begin + 8 * 3600  # longer ago than anything that is looked at again
    times = range(begin, end + 1, 15)
    ok = [index % 3 for index, _ in enumerate(times[1:])]
    failed = [int(index % 50 == 0) for index, _ in enumerate(times[1:])]
    running = make_prometheus(
        history(
            ('requests_total{code="200"}', zip(times, accumulate(ok, initial=0), strict=True)),
            ('requests_total{code="500"}', zip(times, accumulate(failed, initial=0), strict=True)),
        )
    )
    documents = tmp_path / "slos.yaml"
    documents.write_text(DOCUMENTS % running.url)
    truth = sum(ok), sum(failed)
    port = free_port()
    running.stop()
    with serving(tmp_path, documents, port) as url:
        down = within(20, lambda: part(url))
        assert down["ok"] is False
        assert "Connection refused; no counts of 1 SLO meanwhile" in down["detail"]
        assert status(url) == 200, "an outage elsewhere is no reason to take us down too"
        assert counted(url) == (0, 0), "no data, and neither good nor bad"
        running.start()
        within(60, lambda: counted(url) == truth)
        assert part(url)["ok"] is True
