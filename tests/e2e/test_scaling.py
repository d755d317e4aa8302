"""The whole loop of scaling: what customers do raises a number, every face answers it, `/scale` is written, pods come, and how long that took is told.

`maibo serve` is a process of its own, and so is each pod of the workload, tagged with the SDK. The cluster is the fake API server of the
recorder's tests; what its controllers, scheduler and kubelets would do to it, `Cluster` does, with times as they happen.
"""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import grpc
import httpx2
import pytest
import trustme
from click.testing import CliRunner

from maibo_slo import tokens
from maibo_slo.cli import cli
from maibo_slo.documents import load
from maibo_slo.signals import proto
from maibo_slo.sources.scaleups import Scaleups
from maibo_slo.store import events, open_store, rises, scaleups
from maibo_slo.store.scaleups import ScaleUpState, Stage
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "checkout-api"
WORKLOAD = Workload("shop", "Deployment", NAME)
FEW, MANY = 2, 5
"""Replicas before and after: the document's bounds, so that how much of a surge is seen at first makes no difference."""
STEADY, CROWD = 4.0, 120.0
"""Journeys a second, one call each."""
HPA = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
METRIC = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/maibo_scaling_desired_replicas"
DOCUMENTS = """
apiVersion: openslo/v1
kind: Service
metadata: {name: checkout-api}
spec: {description: Takes orders.}
---
apiVersion: maibo.dev/v1
kind: Journey
metadata: {name: buy}
spec: {service: checkout-api, steps: [{name: order}]}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: scales-in-time}
spec:
  service: checkout-api
  indicator:
    metadata: {name: scaled-within-30s}
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {type: scaleup, spec: {workload: shop/Deployment/checkout-api, within: 30s}}}
        total: {metricSource: {type: scaleup, spec: {workload: shop/Deployment/checkout-api}}}
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.95}]
---
apiVersion: maibo.dev/v1
kind: ScalingTarget
metadata: {name: checkout-api}
spec:
  workload: {namespace: shop, name: checkout-api}
  capacity: {fixed: 2.5, utilisation: 100%}
  replicas: {min: 2, max: 5}
  maxAge: 8s
  forecast: false
  fastLane: {step: 3}
"""
POD = """
import select, sys, time
import maibo
told = open(0, "rb", buffering=0)
pod = told.readline().decode().strip()
attributes = {"k8s.pod.name": pod, "k8s.namespace.name": "shop"}
maibo.configure(service="checkout-api", endpoint=sys.argv[1], resource_attributes=attributes)
rate, due = 0.0, time.monotonic()
while True:
    wait = max(0.0, due - time.monotonic()) if rate else 60.0
    if select.select([told], [], [], wait)[0]:
        line = told.readline()
        if not line:
            break
        rate, due = float(line), time.monotonic()
    elif rate:
        with maibo.journey("buy"), maibo.step("order"):
            pass
        due += 1 / rate
maibo.shutdown()
"""


def within(seconds: float, ask: Callable[[], Any], wanted: Callable[[Any], object] = bool) -> Any:
    """What it says, once that is what is wanted; an assertion error after so many seconds."""
    until = time.monotonic() + seconds
    while not wanted(said := ask()):
        assert time.monotonic() < until, said
        time.sleep(0.1)
    return said


class Pod:
    """A process that serves customers, once it knows which pod it is."""

    def __init__(self, otlp: str) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", POD, otlp], stdin=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(10)
        assert self._process.stdin is not None
        self._process.stdin.close()

    def is_(self, name: str) -> None:
        self._tell(name)

    def serve(self, rate: float) -> None:
        """So many journeys a second from now on."""
        self._tell(str(rate))

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(20) == 0

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()


class Cluster:
    """An API server, with a workload that has been running for long; and what Kubernetes does when it is to have more pods."""

    def __init__(self, front: trustme.CA, api: Any, builder: Any) -> None:
        self.api = api
        builder.BEGIN = float(int(time.time()))
        self._begin = builder.BEGIN
        self._history = builder.History()
        self._told = 0
        self._history.hpa()
        self._history.node("node-a", -86_400)
        self._history.begin(FEW)
        said = {
            "requestheader-client-ca-file": front.cert_pem.bytes().decode(),
            "requestheader-allowed-names": '["front-proxy-client"]',
            "requestheader-username-headers": '["X-Remote-User"]',
            "requestheader-group-headers": '["X-Remote-Group"]',
            "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
        }
        metadata = {"name": "extension-apiserver-authentication", "namespace": "kube-system"}
        self.api.put("configmaps", {"metadata": metadata, "data": said})
        self._happen(at_once=True)

    @property
    def pods(self) -> list[str]:
        return [*self._history.pods]

    def writes(self) -> list[Any]:
        """Of `/scale`."""
        return [each for each in self.api.requests if each.verb == "patch" and each.plural == "deployments/scale"]

    def scale(self, replicas: int) -> list[str]:
        """What follows from `spec.replicas`, in some two seconds; the new pods, each of which has just come into rotation."""
        history, at = self._history, time.time() - self._begin + 0.05
        before = len(self.pods)
        set_name = f"{NAME}-{history.template}"
        history.sets[history.template]["spec"]["replicas"] = replicas
        history.replica_set(history.template, 1, 0, seen=at)
        scaled = f"Scaled up replica set {set_name} from {before} to {replicas}"
        history.event("Deployment", NAME, f"uid-{NAME}", "ScalingReplicaSet", scaled, at)
        for number in range(replicas - before):
            history.pod(
                ["k7xq2", "m4zvd", "t9b6h"][number],
                at + 0.05 + number / 50,
                scheduled=0.1,
                pulled='Successfully pulled image "checkout:2" in 640ms (640ms including waiting). Image size: 48120321 bytes.',
                pulled_at=0.8,
                started=1.0,
                ready=1.7 + number / 10,
                rotated=1.8 + number / 10,
            )
        self._happen()
        return self.pods[before:]

    def _happen(self, *, at_once: bool = False) -> None:
        """What the history has that was not told yet, each when its time has come."""
        changes, self._told = self._history.changes[self._told :], len(self._history.changes)
        for change in sorted(changes, key=lambda each: each.received):
            time.sleep(0 if at_once else max(0.0, change.received - time.time()))
            self.api.put(change.resource, change.object)


@dataclass
class Maibo:
    """`maibo serve` with everything that scaling needs, over one folder; started and stopped, and again."""

    folder: Path
    kubeconfig: Path
    authority: trustme.CA
    front: trustme.CA
    secret: str = ""
    url: str = ""
    addresses: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[str] | None = None
    _open: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        (self.folder / "documents.yaml").write_text(DOCUMENTS)
        leaf = self.authority.issue_cert("localhost", "127.0.0.1")
        (self.folder / "tls.crt").write_bytes(b"".join(each.bytes() for each in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(self.folder / "tls.key")
        self.secret = tokens.add(self.folder / "tokens.json", "keda", tokens.Scope.READ, now=datetime.now(UTC))

    def start(self) -> None:
        """Returns when it is ready."""
        free = "127.0.0.1:0"
        options = {
            "data-dir": self.folder / "data", "listen": free, "tick": "1", "otlp-http": free, "otlp-grpc": "off",
            "kubernetes": self.kubeconfig, "fast-lane": "on", "keda": free,
            "signals-https": free, "signals-https-cert": self.folder / "tls.crt", "signals-https-key": self.folder / "tls.key",
            "signals-https-tokens": self.folder / "tokens.json", "external-metrics": "on",
        }  # fmt: skip
        said = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        with (self.folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "maibo_slo.cli", "serve", str(self.folder / "documents.yaml"), *said],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "TZ": "Asia/Shanghai"},  # nothing is told in its time
            )
        assert self._process.stdout is not None
        lines: list[str] = []
        while not (lines and lines[-1].startswith("store: ")):
            line = self._process.stdout.readline()
            assert line, self.logged()
            lines.append(line)
        self.url = re.findall(r"maibo is ready: (http://\S+:\d+)/", "".join(lines))[0]
        self.addresses = dict(line.strip().split(": ", 1) for line in lines if ": " in line)
        self._connect()

    def stop(self) -> None:
        """In seconds, and by itself."""
        self._open.close()
        assert self._process is not None
        begun = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(60) == 0, self.logged()
        assert time.monotonic() - begun < 15, "it takes two; a loaded machine is slower"
        assert self._process.stdout is not None
        self._process.stdout.close()

    def kill(self) -> None:
        self._open.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            assert self._process.stdout is not None
            self._process.stdout.close()

    def logged(self) -> str:
        return (self.folder / "log").read_text()

    def get(self, path: str, **parameters: str) -> Any:
        return self.http.get(path, params=parameters).json()

    def replicas(self) -> dict[str, object]:
        """What each face answers: a number, or how it refuses."""
        bearer = {"Authorization": f"Bearer {self.secret}"}
        proxy = {"X-Remote-User": HPA, "X-Remote-Group": "system:authenticated"}
        return {
            "keda": self._keda(),
            "json": _desired(self.http.get(f"/v1/scaling/shop/{NAME}")),
            "json over https": _desired(self.https.get(f"/v1/scaling/shop/{NAME}", headers=bearer)),
            "external metrics": _external(
                self.aggregator.get(METRIC, params={"labelSelector": f"target={NAME}"}, headers=proxy)
            ),
            "prometheus": self.series("desired_replicas"),
        }

    def series(self, name: str) -> float | None:
        """Of `/metrics`; None: absent."""
        found = re.findall(rf"^maibo_scaling_{name}\{{.*\}} (\S+)$", self.http.get("/metrics").text, re.MULTILINE)
        assert len(found) <= 1
        return float(found[0]) if found else None

    def run(self, *arguments: str) -> str:
        """What a command prints."""
        done = CliRunner(env={"COLUMNS": "140"}).invoke(cli, [*arguments, "--url", self.url])
        assert done.exit_code == 0, done.output
        return done.output

    def _connect(self) -> None:
        root = self.authority.cert_pem.bytes().decode()
        client = self.folder / "proxy.pem"
        leaf = self.front.issue_cert("front.proxy", common_name="front-proxy-client")
        leaf.private_key_and_cert_chain_pem.write_to_path(client)
        aggregator = ssl.create_default_context(cadata=root)
        aggregator.load_cert_chain(client)
        https = self.addresses["signals-https"]
        enter = self._open.enter_context
        self.http = enter(httpx2.Client(base_url=self.url, trust_env=False, timeout=20))
        self.https = enter(
            httpx2.Client(base_url=https, verify=ssl.create_default_context(cadata=root), trust_env=False, timeout=20)
        )
        self.aggregator = enter(httpx2.Client(base_url=https, verify=aggregator, trust_env=False, timeout=20))
        self.channel = enter(grpc.insecure_channel(self.addresses["keda"]))

    def _keda(self) -> object:
        asked = proto.message("GetMetricsRequest")(scaledObjectRef={"name": NAME, "namespace": "shop"}, metricName="m")
        method = self.channel.unary_unary(f"/{proto.SERVICE}/GetMetrics")
        try:
            said = proto.message("GetMetricsResponse").FromString(method(asked.SerializeToString(), timeout=10))
        except grpc.RpcError as error:
            return error.code().name
        return said.metricValues[0].metricValueFloat


def _desired(answer: httpx2.Response) -> object:
    return answer.json()["desired_replicas"] if answer.status_code == 200 else answer.status_code


def _external(answer: httpx2.Response) -> object:
    said = answer.json()
    if said["kind"] == "Status":
        return f"Status {answer.status_code}"
    [item] = said["items"]
    return int(item["value"])


REFUSED = {
    "keda": "UNAVAILABLE",
    "json": 503,
    "json over https": 503,
    "external metrics": "Status 503",
    "prometheus": None,
}


@pytest.fixture
def cluster(front: trustme.CA, fake_api: Any, recorder_module: Callable[[str], Any]) -> Iterator[Cluster]:
    made = Cluster(front, fake_api.FakeApi(), recorder_module("cluster_history"))
    with made.api:
        yield made


@pytest.fixture
def front() -> trustme.CA:
    """Of the cluster's front proxy."""
    return trustme.CA()


@pytest.fixture
def maibo(cluster: Cluster, front: trustme.CA, tmp_path: Path) -> Iterator[Maibo]:
    made = Maibo(tmp_path, cluster.api.kubeconfig(tmp_path), trustme.CA(), front)
    try:
        made.start()
        yield made
    finally:
        made.kill()


def test_a_flash_crowd_is_scaled_for_and_how_long_that_took_is_told(maibo: Maibo, cluster: Cluster) -> None:
    with ExitStack() as stack:
        pods = [stack.enter_context(Pod(maibo.addresses["otlp-http"])) for _ in range(1 + MANY - FEW)]
        added = a_crowd_comes(maibo, cluster, pods)
        commands_print_the_target(maibo)
        a_person_overrides(maibo)
        for pod in pods:
            pod.end()
    silence_is_no_signal(maibo)
    told = the_scaleup(maibo, added)
    commands_print_the_scaleup(maibo, told)
    maibo.stop()
    before, odd = remembered(maibo), one_that_only_memory_knows(maibo)
    maibo.start()
    nothing_is_forgotten(maibo, told)
    maibo.stop()
    assert remembered(maibo) == before, "nothing is written twice"
    assert len(cluster.writes()) == 1
    assert needs(maibo)[0] == odd
    the_slo_counts_it(maibo)
    assert "Traceback" not in maibo.logged()


def a_crowd_comes(maibo: Maibo, cluster: Cluster, pods: list[Pod]) -> list[str]:
    """Returns the names of the pods that were added."""
    old, *new = pods
    old.is_(cluster.pods[0])
    old.serve(STEADY)
    within(30, maibo.replicas, lambda said: set(said.values()) == {FEW})
    assert all(part["ok"] for part in maibo.get("/readyz")["parts"]), maibo.get("/readyz")
    time.sleep(5)  # the crowd is measured against something
    # A bucket of 10 s must not end just after it came: what that tells would ask for fewer.
    time.sleep(max(0.0, 12 - time.time() % 10) if time.time() % 10 > 7 else 0.0)
    old.serve(CROWD)
    cluster.api.asked("patch", "deployments/scale", seconds=30)
    added = cluster.scale(MANY)
    old.serve(CROWD / 4)
    for pod, name in zip(new, added, strict=True):
        pod.is_(name)
        pod.serve(CROWD / 4)
    within(10, maibo.replicas, lambda said: set(said.values()) == {MANY})
    assert [each.body["spec"] for each in cluster.writes()] == [{"replicas": MANY}]
    written = 'maibo_scaling_fast_lane_writes_total{namespace="shop",result="written",target="checkout-api"} 1.0'
    assert written in maibo.http.get("/metrics").text
    return added


def the_scaleup(maibo: Maibo, added: list[str]) -> dict[str, Any]:
    """With first journeys, of which the store is asked every 10 s: by now the whole of it is known."""
    [listed] = maibo.get("/v1/scaleups")["scaleups"]
    path = f"/v1/scaleups/{listed['id']}"
    said: dict[str, Any] = within(30, lambda: maibo.get(path), lambda said: Stage.FIRST_JOURNEY in said["moments"])
    assert (said["by"], said["before"], said["after"], said["since"]) == ("fast_lane", FEW, MANY, "trigger")
    assert (said["state"], said["skews"], said["notes"]) == ("complete", 0, [])
    assert "calls/s" in said["reason"]
    assert [*said["moments"]] == [*Stage]
    moments = [
        {end: datetime.fromisoformat(said["moments"][stage][end]) for end in ("earliest", "latest")}
        for stage in Stage
        if stage is not Stage.SERVED  # the lane serves by writing, so by deciding
    ]
    assert all(one["earliest"] <= other["latest"] for one, other in pairwise(moments)), said["moments"]
    assert 1.5 < said["latency"]["latest"] < 30
    assert sorted(pod["name"] for pod in said["added_pods"]) == sorted(added)
    assert {pod["state"] for pod in said["added_pods"]} == {"serving"}
    assert {pod["pull_seconds"] for pod in said["added_pods"]} == {0.64}
    return said


def commands_print_the_target(maibo: Maibo) -> None:
    targets, target = maibo.run("scaling", "list"), maibo.run("scaling", "explain", NAME)
    assert re.search(rf"shop/{NAME} .* {MANY} ", targets), targets
    assert f"{MANY} replicas" in target
    assert f"{MANY} wanted, " in target


def commands_print_the_scaleup(maibo: Maibo, said: dict[str, Any]) -> None:
    listed, explained = maibo.run("scaleup", "list"), maibo.run("scaleup", "explain", said["id"])
    assert re.search(rf"shop/Deployment/{NAME} .*fast_lane .*complete", listed), listed
    phases = ("signal", "image pull", "readiness", "rotation", "first journey")
    for told in (*phases, *(pod["name"] for pod in said["added_pods"])):
        assert told in explained
    decided = datetime.fromisoformat(said["decided_at"])
    assert f"decided {decided:%Y-%m-%d %H:%M:%S} UTC by fast_lane: " in explained
    sys.stdout.write(explained)  # to be read with -s


def a_person_overrides(maibo: Maibo) -> None:
    """Every face tells it at once."""
    why = ("--for", "10m", "--who", "ana", "--why", "INC-17")
    maibo.run("override", "scale", NAME, "--min", "3", "--max", "4", *why)
    within(5, maibo.replicas, lambda said: set(said.values()) == {4})
    said = maibo.get(f"/v1/scaling/shop/{NAME}")
    assert (said["min_replicas"], said["max_replicas"], said["held_by"]) == (3, 4, "override")
    assert (said["override"]["who"], said["override"]["why"]) == ("ana", "INC-17")
    assert (maibo.series("override"), maibo.series("max_replicas")) == (1, 4)


def silence_is_no_signal(maibo: Maibo) -> None:
    """Every face refuses; what a person says that leaves one number alone is answered all the same."""
    within(30, maibo.replicas, lambda said: said == REFUSED)
    assert "is stale" in maibo.get(f"/v1/scaling/shop/{NAME}")["detail"]
    assert maibo.series("signal_stale") == 1
    said = {"target": NAME, "min_replicas": 3, "max_replicas": 3, "for_seconds": 600, "who": "ana", "why": "hold still"}
    assert maibo.http.post("/v1/overrides", json=said).status_code == 201
    within(5, maibo.replicas, lambda said: set(said.values()) == {3})


def nothing_is_forgotten(maibo: Maibo, told: dict[str, Any]) -> None:
    within(10, maibo.replicas, lambda said: set(said.values()) == {3})
    assert all(part["ok"] for part in maibo.get("/readyz")["parts"]), maibo.get("/readyz")
    [now] = maibo.get("/v1/scaleups")["scaleups"]
    assert now == {name: told[name] for name in now}
    second, first = maibo.get("/v1/overrides")["overrides"]
    assert (first["why"], first["in_force"], first["ended"] is not None) == ("INC-17", False, True)
    assert (second["why"], second["in_force"], second["recorded"]) == ("hold still", True, True)


def needs(maibo: Maibo) -> list[list[float]]:
    """What must not fall yet, as a stopped service keeps it."""
    said = json.loads((maibo.folder / "data" / "scaling.json").read_text())
    found: list[list[float]] = said["targets"][0]["memory"]["needs"]
    return found


def one_that_only_memory_knows(maibo: Maibo) -> list[float]:
    """A need of a minute ago that no look at the store would find, in what a stopped service keeps."""
    assert needs(maibo), "of the crowd"
    path, odd = maibo.folder / "data" / "scaling.json", [time.time() - 60, 99.5]
    said = json.loads(path.read_text())
    said["targets"][0]["memory"]["needs"].insert(0, odd)
    path.write_text(json.dumps(said))
    return odd


def remembered(maibo: Maibo) -> dict[str, list[str]]:
    """Ids of all that happened, in the store of a service that has been stopped."""
    with open_store(f"chdb://{maibo.folder / 'data' / 'store'}") as store:
        now = time.time()
        [write] = events.events(store, "scale_write", 0, now)
        # A first guess may have asked for fewer a moment before.
        every = rises.history(store, WORKLOAD, 0, now)
        [rise] = (each for each in every if each.after == MANY)
        [one] = scaleups.scaleups(store, 0, now)
    assert (write.detail["before"], write.detail["after"], write.subject) == (FEW, MANY, str(WORKLOAD))
    assert (rise.before < MANY, rise.served_by) == (True, "fast_lane")
    assert rise.trigger_at == one.moments[Stage.TRIGGER].latest
    assert rise.served_at == one.moments[Stage.SERVED].latest
    assert one.state is ScaleUpState.COMPLETE
    return {"writes": [write.id], "rises": [each.id for each in every], "scaleups": [one.id]}


def the_slo_counts_it(maibo: Maibo) -> None:
    """As the engine does a minute and a half after it; that its budget follows, tests of the engine show."""
    slo = load([maibo.folder / "documents.yaml"]).scaleup_slos["scales-in-time"]
    with open_store(f"chdb://{maibo.folder / 'data' / 'store'}") as store:
        now = int(time.time()) // 60 * 60 + 60
        [counted] = Scaleups(store).counts(slo, now - 600, now).values()
    assert (counted.good, counted.bad) == (1, 0)
