"""Signals as the engine makes them, and every face, asked as a scaler asks it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self, cast

import grpc
import httpx2
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from maibo_slo import problems
from maibo_slo.documents.scaling_kinds import CapacitySpec, ScalingTarget
from maibo_slo.engine.scaling.inputs import Capacity, Decision, Demand, Inputs, Override, Replicas, Wish
from maibo_slo.engine.scaling.signal import Refusal, ScalingSignal, Signals
from maibo_slo.signals import https, keda, plain, proto, wire
from maibo_slo.signals.external_metrics.app import ExternalMetrics, router
from maibo_slo.signals.external_metrics.requestheader import HPA, Gatekeeper, RequestHeader
from maibo_slo.signals.prometheus import ScalingCollector
from maibo_slo.signals.reading import Latest, Reader
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from maibo_slo.kubernetes import Cluster

NOW = 1_800_000_000.0
WORKLOAD = Workload("shop", "Deployment", "checkout-api")
SERVICE = f"/{proto.SERVICE}/"


@pytest.fixture(scope="session")
def make_signal() -> Callable[..., ScalingSignal]:
    """``make_signal(desired=12, age=1.0)``: of target shop/checkout-api, `age` seconds before `at`."""

    def make(desired: int = 12, *, age: float = 1.0, at: float = NOW, **told: Any) -> ScalingSignal:
        wishes = (
            Wish("reactive", desired, f"410 calls/s for {desired}", {"demand": 410.0, "unbounded": float("inf")}),
            Wish("predictive", None, "the forecast does not beat persistence"),
        )
        signal = ScalingSignal(
            target="checkout-api",
            workload=WORKLOAD,
            desired_replicas=desired,
            lower=max(0, desired - 1),
            upper=desired + 2,
            least=0,
            most=40,
            reason=f"{desired} replicas: 410 calls/s ÷ (45 a replica at 80%) (reactive)",
            observed_at=at - age,
            decided_at=at,
            max_age_seconds=60.0,
            decision=Decision(desired, max(0, desired - 1), desired + 2, wishes, "", "reactive"),
            inputs=Inputs(
                now=at,
                demand=Demand(410.0, at - age, 4100, 10.0),
                capacity=Capacity(45.0, 47.0, 49.0, learned=True, why="learned from 312 minutes"),
                replicas=Replicas(10, 9, at),
            ),
        )
        return replace(signal, **told)

    return make


@pytest.fixture(scope="session")
def make_signals() -> Callable[..., Signals]:
    """Of one tick; a refusal is given as its text."""

    def make(*found: ScalingSignal, at: float | None = NOW, refused: str = "") -> Signals:
        by_target: dict[tuple[str, str], ScalingSignal | Refusal] = {
            (each.workload.namespace, each.target): each for each in found
        }
        if refused:
            by_target["shop", "checkout-api"] = Refusal("checkout-api", WORKLOAD, refused)
        return Signals(at, by_target)

    return make


@pytest.fixture(scope="session")
def override() -> Override:
    """At least 20, said by a person."""
    return Override("o-1", "checkout-api", 20, None, NOW + 3600, "ana", "the sale begins", NOW - 60)


@pytest.fixture(scope="session")
def make_target() -> Callable[..., ScalingTarget]:
    def make(name: str = "checkout-api", **told: Any) -> ScalingTarget:
        workload = Workload("shop", "Deployment", name)
        target = ScalingTarget(name, "", "", workload, (name,), (), (), (), CapacitySpec(fixed=40.0), least=2, most=30)
        return replace(target, **told)

    return make


@dataclass(slots=True)
class Answer:
    """Of a face, in one form for all."""

    replicas: float | None
    """None: refused."""
    words: str = ""
    """Of the refusal; '' where the face has none."""
    active: bool | None = None
    """Whether there should be any, where the face tells it."""


@dataclass(slots=True)
class Board:
    """What the engine says now, and what the faces told it."""

    signals: Signals | None = None
    now: float = NOW
    served: list[tuple[str, str, int, str]] = field(default_factory=list)

    def reader(self) -> Reader:
        return Reader(lambda: self.signals, lambda: self.now)


class KedaFace:
    """KEDA's gRPC on a port of its own, in a loop of its own, fed through the pipe's encoding."""

    def __init__(self, board: Board, credentials: Any = None) -> None:
        self.board = board
        self.port = 0
        self._credentials = credentials
        self._ready, self._loop = threading.Event(), asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(20)
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.channel.close()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(20)
            self._loop.close()

    def put(self, signals: Signals | None) -> None:
        """As the pipe would; returns when the face has it."""
        self.board.signals = signals

        async def take() -> None:
            self._latest.put(wire.unpacked(wire.packed(signals)))

        asyncio.run_coroutine_threadsafe(take(), self._loop).result(20)

    def call(self, method: str, request: bytes, *, timeout: float = 10.0) -> bytes:
        answer: bytes = self.channel.unary_unary(SERVICE + method)(request, timeout=timeout)
        return answer

    def stream(self, method: str, request: bytes) -> Any:
        return self.channel.unary_stream(SERVICE + method)(request, timeout=30)

    def ask(self, namespace: str, target: str) -> Answer:
        self.put(self.board.signals)
        ref = {"name": target, "namespace": namespace}
        asked = proto.message("GetMetricsRequest")(scaledObjectRef=ref, metricName="any").SerializeToString()
        try:
            said = proto.message("GetMetricsResponse").FromString(self.call("GetMetrics", asked))
            active = proto.message("IsActiveResponse").FromString(
                self.call("IsActive", proto.message("ScaledObjectRef")(**ref).SerializeToString())
            )
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return Answer(None, error.details() or "")
        (value,) = said.metricValues
        assert value.metricValue == value.metricValueFloat
        return Answer(value.metricValueFloat, active=active.result)

    async def _serve(self) -> None:
        self._stopping, self._latest = asyncio.Event(), Latest()
        scaler = keda.ExternalScaler(
            self._latest,
            Reader(self._latest, lambda: self.board.now),
            lambda *what: self.board.served.append((*what, keda.FACE)),
        )
        server, self.port = keda.server(scaler, "127.0.0.1:0", self._credentials)
        await server.start()
        self._ready.set()
        await self._stopping.wait()
        await keda.stop(server, self._latest)


class JsonFace:
    """``/v1/scaling``, in an application that makes problems of errors as the service does."""

    def __init__(self, board: Board) -> None:
        self.app = FastAPI()
        problems.install(self.app)
        self.app.include_router(plain.router(board.reader(), lambda *told: board.served.append(told)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def get(self, path: str) -> httpx2.Response:
        return _got(self.app, path)

    def ask(self, namespace: str, target: str) -> Answer:
        said = self.get(f"/v1/scaling/{namespace}/{target}")
        if said.status_code == 200:
            return Answer(said.json()["desired_replicas"])
        assert said.status_code in {404, 503}
        assert said.headers["content-type"] == "application/problem+json"
        return Answer(None, said.json()["detail"])


class PrometheusFace:
    """Series by name and labels, as a Prometheus would have them after one scrape."""

    def __init__(self, board: Board) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(ScalingCollector(board.reader()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def value(self, name: str, namespace: str = "shop", target: str = "checkout-api", **labels: str) -> float | None:
        return self.registry.get_sample_value(
            f"maibo_scaling_{name}", {"target_namespace": namespace, "target": target, **labels}
        )

    def ask(self, namespace: str, target: str) -> Answer:
        return Answer(self.value("desired_replicas", namespace, target))


class ExternalMetricsFace:
    """``external.metrics.k8s.io``, asked as an HPA does by its API server, whose certificate was found good."""

    def __init__(self, board: Board) -> None:
        gatekeeper = Gatekeeper(cast("Cluster", None), report=lambda _: None)  # of an HPA the cluster is not asked
        gatekeeper.header = RequestHeader.of({"data": {"requestheader-client-ca-file": "BEGIN CERTIFICATE"}})
        routes = ExternalMetrics(board.reader(), gatekeeper, served=lambda *told: board.served.append(told)).routes()
        self._app = router(routes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def ask(self, namespace: str, target: str) -> Answer:
        async def shown(scope: Any, receive: Any, send: Any) -> None:
            await self._app({**scope, "extensions": {https.PEER: https.Peer("front-proxy-client")}}, receive, send)

        path = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/maibo_scaling_desired_replicas"
        said = _got(shown, f"{path}?labelSelector=target%3D{target}", {"X-Remote-User": HPA})
        if said.status_code == 200:
            (item,) = said.json()["items"]
            return Answer(float(item["value"]))
        assert said.status_code in {404, 503}
        assert said.json()["kind"] == "Status"
        return Answer(None, said.json()["message"])


def _got(app: Any, path: str, headers: dict[str, str] | None = None) -> httpx2.Response:
    async def ask() -> httpx2.Response:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as http:
            return await http.get(path, headers=headers)

    return asyncio.run(ask())


FACES: dict[str, Callable[[Board], Any]] = {
    "keda": KedaFace,
    "json": JsonFace,
    "prometheus": PrometheusFace,
    "external_metrics": ExternalMetricsFace,
}
"""A face that is added here is held to test_conformance.py."""


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture(params=list(FACES))
def face(request: pytest.FixtureRequest, board: Board) -> Iterator[Any]:
    """Each of them: ``ask(namespace, target)`` gives an `Answer`."""
    with FACES[request.param](board) as opened:
        yield opened


@pytest.fixture
def keda_face(board: Board) -> Iterator[KedaFace]:
    with KedaFace(board) as opened:
        yield opened


@pytest.fixture
def json_face(board: Board) -> JsonFace:
    return JsonFace(board)


@pytest.fixture
def prometheus_face(board: Board) -> PrometheusFace:
    return PrometheusFace(board)


@pytest.fixture(scope="session")
def keda_ref() -> Callable[..., bytes]:
    """A ScaledObjectRef as KEDA sends it: with all of the trigger's metadata."""

    def make(name: str = "checkout-api", namespace: str = "shop", **metadata: str) -> bytes:
        told = {"scalerAddress": "maibo.monitoring.svc:6000", **metadata}
        made = proto.message("ScaledObjectRef")(name=name, namespace=namespace, scalerMetadata=told)
        written: bytes = made.SerializeToString()
        return written

    return make


@pytest.fixture
def keda_server() -> Callable[..., contextlib.AbstractContextManager[KedaFace]]:
    return KedaFace
