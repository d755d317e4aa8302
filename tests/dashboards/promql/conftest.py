"""A real `maibo serve` that a real Prometheus scrapes, while a shop's journeys come in over OTLP and a cluster gets two more pods."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from maibo import semconv
from maibo_slo.documents import Catalogue, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

EXAMPLES = Path(__file__).parents[3] / "examples"
RANGE_SECONDS = 180
"""That the dashboards look back, beyond the start of everything."""
JOB = "maibo"
VARIABLES = {
    "job": JOB,
    "workload": ".*",
    "namespace": "shop",
    "target": "checkout-api",
    "slo": "checkout-by-tier",
    "objective": "0.9",
    "group": ".*",
}
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


def within(seconds: float, ask: Callable[[], Any], wanted: Callable[[Any], object] = bool) -> Any:
    """What it says, once that is what is wanted; an assertion error after so many seconds."""
    until = time.monotonic() + seconds
    while not wanted(said := ask()):
        assert time.monotonic() < until, said
        time.sleep(0.2)
    return said


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@dataclass
class Watched:
    """A maibo that serves, and the Prometheus that scrapes it; asked as Grafana asks."""

    maibo: httpx2.Client
    prometheus: httpx2.Client
    catalogue: Catalogue
    end: float = 0.0
    desired: int | None = None
    """Replicas, as the API answered at the end."""

    job = JOB
    range_seconds = RANGE_SECONDS

    def expanded(self, expr: str, **chosen: str) -> str:
        """As Grafana sends it."""
        return expanded(expr, **chosen)

    def get(self, path: str, **parameters: str) -> Any:
        return self.maibo.get(path, params=parameters).raise_for_status().json()

    def number(self, expr: str, at: float | None = None) -> float | None:
        """The one sample; None: there is none."""
        found = self.vector(expr, at)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    def vector(self, expr: str, at: float | None = None) -> list[Any]:
        parameters = {"query": expanded(expr), **({} if at is None else {"time": str(at)})}
        return self._asked("/api/v1/query", parameters)["result"]  # type: ignore[no-any-return]

    def matrix(self, expr: str) -> list[Any]:
        """At every second second of the time range, as a subquery looks too."""
        begin = int(self.end - RANGE_SECONDS) // 2 * 2 + 2
        parameters = {"query": expanded(expr), "start": str(begin), "end": str(self.end), "step": "2"}
        return self._asked("/api/v1/query_range", parameters)["result"]  # type: ignore[no-any-return]

    def values(self, query: str) -> list[str]:
        """Of a variable: ``label_values(metric, label)``."""
        found = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
        assert found, query
        said = self.prometheus.get(f"/api/v1/label/{found[2]}/values", params={"match[]": expanded(found[1])})
        return said.raise_for_status().json()["data"]  # type: ignore[no-any-return]

    def _asked(self, path: str, parameters: Mapping[str, str]) -> Any:
        said = self.prometheus.get(path, params=dict(parameters)).json()
        assert said["status"] == "success", (said, parameters["query"])
        assert "warnings" not in said, said
        return said["data"]


def expanded(expr: str, **chosen: str) -> str:
    for name, value in {
        "$__rate_interval": "20s",
        "$__range_s": str(RANGE_SECONDS),
        "$__range": f"{RANGE_SECONDS}s",
        **{f"${name}": value for name, value in {**VARIABLES, **chosen}.items()},
    }.items():
        expr = expr.replace(name, value)
    assert "$" not in expr, f"Grafana would not know this: {expr}"
    # Here a month is three minutes.
    return expr.replace(":5m]", ":2s]")


class Cluster:
    """An API server with a workload that has been running for long, and gets more pods."""

    def __init__(self, api: Any, builder: Any) -> None:
        self.api = api
        builder.BEGIN = float(int(time.time()))
        self._begin = builder.BEGIN
        self._history = builder.History()
        self._told = 0
        self._history.hpa()
        self._history.node("node-a", -86_400)
        self._history.begin(3)
        self._happen(at_once=True)

    def scale(self, replicas: int) -> None:
        """What follows from it, in some two seconds."""
        history, at = self._history, time.time() - self._begin + 0.05
        before = len(history.pods)
        history.scale(replicas, at)
        name = f"checkout-api-{history.template}"
        history.sets[history.template]["spec"]["replicas"] = replicas
        history.replica_set(history.template, 1, 0, seen=at)
        said = f"Scaled up replica set {name} from {before} to {replicas}"
        history.event("Deployment", "checkout-api", "uid-checkout-api", "ScalingReplicaSet", said, at)
        for number, suffix in enumerate(["k7xq2", "m4zvd"][: replicas - before]):
            history.pod(suffix, at + 0.05 + number / 50, ready=1.2, rotated=1.3)
        self._happen()

    def _happen(self, *, at_once: bool = False) -> None:
        changes, self._told = self._history.changes[self._told :], len(self._history.changes)
        for change in sorted(changes, key=lambda each: each.received):
            time.sleep(0 if at_once else max(0.0, change.received - time.time()))
            self.api.put(change.resource, change.object)


class Customers:
    """Come over OTLP's JSON, as any service's exporter sends them: so many of each journey, some slow, some in vain."""

    def __init__(self, otlp: str) -> None:
        self._otlp = otlp
        self.told: Counter[tuple[str, str]] = Counter()

    def come(self, *, latest: float) -> None:
        """200 checkouts, 100 looks, 100 orders, the last of them done at `latest`; orders within a minute, all else within half an hour."""
        spans: dict[str, list[Any]] = {"storefront": [], "checkout-api": []}
        for number in range(200):
            outcome = "failure" if number % 4 == 0 else "abandoned" if number % 25 == 1 else "success"
            ms = 40 + 7 * (number % 50) + (900 if number % 40 == 7 else 0)
            tier = {semconv.JOURNEY_TIER: "vip" if number % 3 else "standard"}
            spans["storefront"].append(self._ended("checkout", outcome, latest - 9 * number, ms, tier))
        for number in range(100):
            spans["storefront"].append(self._ended("browse", "success", latest - 18 * number, 5 + number % 60))
            spans["checkout-api"] += [
                self._span({semconv.JOURNEY_NAME: "buy", semconv.JOURNEY_STEP: "order"}, latest - number / 2, 30),
                self._ended("buy", "success", latest - number / 2, 60 + number),
            ]
        bodies = [
            {
                "resource": {"attributes": told({semconv.SERVICE_NAME: service, semconv.ENVIRONMENT: "production"})},
                "scopeSpans": [{"spans": of}],
            }
            for service, of in spans.items()
        ]
        said = httpx2.post(f"{self._otlp}/v1/traces", json={"resourceSpans": bodies}, timeout=20)
        assert said.status_code == 200, said.text

    def _ended(self, journey: str, outcome: str, at: float, ms: float, more: Mapping[str, str] | None = None) -> Any:
        self.told[journey, outcome] += 1
        return self._span({semconv.JOURNEY_NAME: journey, semconv.JOURNEY_OUTCOME: outcome, **(more or {})}, at, ms)

    @staticmethod
    def _span(said: Mapping[str, str], at: float, ms: float) -> Any:
        begun = int((at - ms / 1000) * 1e6)
        whose: dict[str, str | int] = {semconv.JOURNEY_ID: secrets.token_hex(16), semconv.JOURNEY_START_TIME: begun}
        return {
            "traceId": secrets.token_hex(16),
            "spanId": secrets.token_hex(8),
            "name": "a span",
            "startTimeUnixNano": str(begun * 1000),
            "endTimeUnixNano": str(begun * 1000 + int(ms * 1e6)),
            "attributes": told({**said, **whose}),
            "status": {"code": 2} if said.get(semconv.JOURNEY_OUTCOME) == "failure" else {},
        }


def documents_in(folder: Path) -> list[str]:
    """The examples, and an SLO by groups."""
    (folder / "by-tier.yaml").write_text(BY_TIER)
    return [str(EXAMPLES / "shop"), str(EXAMPLES / "scaling"), str(folder / "by-tier.yaml")]


def told(attributes: Mapping[str, str | int]) -> list[Any]:
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in attributes.items()
    ]


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
) -> Iterator[tuple[str, str]]:
    """The address of a `maibo serve`, and where it takes spans."""
    folder = tmp_path_factory.mktemp("maibo")
    otlp = f"127.0.0.1:{free_port()}"
    options = {
        "data-dir": folder / "data", "listen": address, "tick": "1", "otlp-http": otlp, "otlp-grpc": "off",
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
        yield found[1], f"http://{otlp}"
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


@pytest.fixture(scope="module")
def prometheus(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that scrapes it each second."""
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
    serving: tuple[str, str], prometheus: str, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """After two hundred customers came, and again so many, and two pods."""
    with ExitStack() as stack:
        maibo, asked = (
            stack.enter_context(httpx2.Client(base_url=url, trust_env=False, timeout=20))
            for url in (serving[0], prometheus)
        )
        watched = Watched(maibo, asked, load(documents_in(tmp_path_factory.mktemp("documents"))))
        counted = 'sum(maibo_journey_ended_total{job="$job"})'
        within(60, lambda: ready(watched) and watched.number(counted) == 0)
        customers = Customers(serving[1])
        customers.come(latest=time.time() - 40)
        within(40, lambda: watched.number(counted), lambda said: said == customers.told.total())
        said = {"target": "shop/checkout-api", "min_replicas": 4, "for_seconds": 600, "who": "ada", "why": "a sale"}
        watched.maibo.post("/v1/overrides", json=said).raise_for_status()
        cluster.scale(5)
        customers.come(latest=time.time())
        within(40, lambda: watched.number(counted), lambda said: said == customers.told.total())
        within(40, lambda: watched.number('sum(maibo_scaleups_total{job="$job"})'), lambda said: said == 1)
        within(40, lambda: watched.number('max(maibo_scaling_ready_replicas{job="$job"})'), lambda said: said == 5)
        within(40, lambda: watched.number(f"{ATTAINED} == {events(watched)}"))
        within(40, lambda: settled(watched))
        yield watched


ATTAINED = 'sum(maibo_slo_good_events{job="$job"} + maibo_slo_bad_events{job="$job"})'


def events(watched: Watched) -> float:
    """That the engine counts, of all SLOs together."""
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
    return whole == 1 and told is not None and told >= 3 and said is not None and said == watched.desired


def ready(watched: Watched) -> bool:
    try:
        return watched.prometheus.get("/-/ready").status_code == 200
    except httpx2.TransportError:
        return False
