"""A real `maibo serve` that a real Prometheus scrapes, while a shop's journeys come in over OTLP and a cluster gets two more pods."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2
import pytest
from tests.dashboards.promql.cluster import Cluster
from tests.dashboards.promql.customers import Customers
from tests.dashboards.promql.watched import JOB, SERIES_LIMIT, Watched, within

from maibo_slo.documents import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLES = Path(__file__).parents[3] / "examples"
BY_TIER = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: checkout-by-tier}
spec:
  service: storefront
  indicator:
    metadata: {name: succeeded-by-tier}
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {type: journey, spec: {journey: checkout, outcome: success}}}
        total: {metricSource: {type: journey, spec: {journey: checkout, groupBy: tier}}}
  timeWindow: [{duration: 7d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.9}]
"""


class Serving(NamedTuple):
    """Where it answers, where it takes spans, which process it is and where it keeps its data."""

    url: str
    otlp: str
    process: int
    data: Path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def documents_in(folder: Path) -> list[str]:
    """The examples, and an SLO by groups."""
    (folder / "by-tier.yaml").write_text(BY_TIER)
    return [str(EXAMPLES / "shop"), str(EXAMPLES / "scaling"), str(folder / "by-tier.yaml")]


@pytest.fixture(scope="module")
def cluster(fake_api: Any, recorder_module: Callable[[str], Any]) -> Iterator[Cluster]:
    made = Cluster(fake_api.FakeApi(), recorder_module("cluster_history"))
    with made.api:
        yield made


@pytest.fixture(scope="module")
def address() -> str:
    """Where maibo is going to be: Prometheus starts at the same time."""
    return f"127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def serving(
    address: str, prometheus: str, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    """A `maibo serve` that keeps few series of a journey apart."""
    folder = tmp_path_factory.mktemp("maibo")
    otlp = f"127.0.0.1:{free_port()}"
    options = {
        "data-dir": folder / "data", "listen": address, "tick": "1", "otlp-http": otlp, "otlp-grpc": "off",
        "otlp-series-limit": str(SERIES_LIMIT),
        "kubernetes": cluster.api.kubeconfig(folder), "keda": "off",
    }  # fmt: skip
    said = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "maibo_slo.cli", "serve", *documents_in(folder), *said],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    assert process.stdout is not None
    try:
        ready = process.stdout.readline()
        found = re.match(r"maibo is ready: (http://127\.0\.0\.1:\d+)/", ready)
        assert found, ready + (folder / "log").read_text()
        yield Serving(found[1], f"http://{otlp}", process.pid, folder / "data")
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


@pytest.fixture(scope="module")
def prometheus(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that scrapes it every other second."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed (Debian: prometheus)")
    folder, own = tmp_path_factory.mktemp("prometheus"), f"127.0.0.1:{free_port()}"
    scraped = {
        "job_name": JOB,
        "scrape_interval": "2s",
        "scrape_timeout": "2s",
        "static_configs": [{"targets": [address]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps({"scrape_configs": [scraped]}))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={own}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://{own}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def watched(
    serving: Serving, prometheus: str, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """After two hundred customers came, and again so many, and two pods; once Prometheus knows what maibo knows of it."""
    with ExitStack() as stack:
        maibo, otlp, asked = (
            stack.enter_context(httpx2.Client(base_url=url, trust_env=False, timeout=20))
            for url in (serving.url, serving.otlp, prometheus)
        )
        catalogue = load(documents_in(tmp_path_factory.mktemp("documents")))
        customers = Customers(otlp)
        watched = Watched(maibo, asked, catalogue, customers, cluster, serving.process, serving.data)
        within(60, lambda: ready(watched) and [watched.number(f"sum({each})") for each in COUNTED] == [0, 0, 0])
        begin = time.monotonic()
        customers.come(latest=time.time() - 40)
        said = {"target": "shop/checkout-api", "min_replicas": 4, "for_seconds": 600, "who": "ada", "why": "a sale"}
        watched.maibo.post("/v1/overrides", json=said).raise_for_status()
        cluster.scale(5)
        customers.come(latest=time.time())
        customers.go_wrong(at=time.time())
        within(40, lambda: told(watched))
        watched.counted_seconds = time.monotonic() - begin
        within(40, lambda: settled(watched))
        watched.cpu_seconds = watched.used()
        yield watched


ENDED = 'maibo_journey_ended_total{job="$job"}'
COUNTED = (ENDED, 'maibo_otlp_requests_total{job="$job"}', 'maibo_otlp_drained_total{job="$job"}')
"""Told by several processes: Prometheus has to know each as 0, or misses what comes before."""
ATTAINED = 'sum(maibo_slo_good_events{job="$job"} + maibo_slo_bad_events{job="$job"})'


def ready(watched: Watched) -> bool:
    try:
        return watched.prometheus.get("/-/ready").status_code == 200
    except httpx2.TransportError:
        return False


def told(watched: Watched) -> bool:
    """Whether everybody who came is counted, and judged, and the scale-up is over, and Prometheus has heard of it all."""
    return (
        watched.number(f"sum({ENDED})") == watched.customers.told.total()
        and watched.number('sum(maibo_otlp_duplicate_bodies_total{job="$job"})') == 1
        and watched.number('sum(maibo_scaleups_total{job="$job"})') == 1
        and watched.number('max(maibo_scaling_ready_replicas{job="$job"})') == 5
        and watched.number(ATTAINED) == judged(watched)
    )


def judged(watched: Watched) -> float:
    """Events that the engine counts, of all SLOs together."""
    objectives = [each for slo in watched.get("/v1/slos")["slos"] for each in slo["objectives"]]
    total = sum(each["good"] + each["bad"] for each in objectives)
    return total if total >= 2 * 200 else -1


def settled(watched: Watched) -> bool:
    """Whether scrapes come through, several tell of SLOs, and the newest one of the newest decision: that is when the dashboards are looked at."""
    watched.end = time.time()
    answered = watched.maibo.get("/v1/scaling/shop/checkout-api")
    watched.desired = answered.json().get("desired_replicas")
    said = watched.number('max(maibo_scaling_desired_replicas{job="$job"})', watched.end)
    whole = watched.number('min_over_time(up{job="$job"}[7s])', watched.end)
    told = watched.number(
        'min(count_over_time(maibo_slo_good_events{job="$job"}[1m]) and maibo_slo_good_events{job="$job"})', watched.end
    )
    # Panels over time are asked at even seconds.
    seen = watched.number(f"sum({ENDED})", watched.end // 2 * 2) == watched.customers.told.total()
    increased = watched.number(f"sum(increase({ENDED}[$__range]))", watched.end)
    watched.stretched = (increased or 0.0) / watched.customers.told.total()
    return seen and whole == 1 and told is not None and told >= 3 and said is not None and said == watched.desired
