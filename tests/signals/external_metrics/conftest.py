"""A fake API server with a front proxy's certificates, and the face as a service runs it."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from maibo_slo.documents.scaling_kinds import CapacitySpec, ScalingTarget
from maibo_slo.engine.scaling.inputs import Decision, Inputs
from maibo_slo.engine.scaling.signal import Refusal, ScalingSignal, Signals
from maibo_slo.kubernetes import Cluster
from maibo_slo.signals.external_metrics.app import ExternalMetrics, router
from maibo_slo.signals.external_metrics.requestheader import Gatekeeper
from maibo_slo.signals.https import Certificates, HttpsServer
from maibo_slo.signals.reading import Reader
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_800_000_000.0
HPA = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"


def signal(target: str, desired: int, *, observed_at: float = NOW) -> ScalingSignal:
    """Fit to be acted upon at NOW, unless it was observed long before."""
    workload = Workload("shop", "Deployment", target)
    spec = ScalingTarget(target, target, "", workload, (target,), (), (), (), CapacitySpec(fixed=10.0), 1, 50)
    return ScalingSignal(
        target=target,
        workload=workload,
        desired_replicas=desired,
        lower=desired,
        upper=desired,
        least=spec.least,
        most=spec.most,
        reason="",
        observed_at=observed_at,
        decided_at=observed_at,
        max_age_seconds=60,
        decision=Decision(desired, desired, desired, (), "", ""),
        inputs=Inputs(observed_at),
    )


def leaf_files(leaf: trustme.LeafCert, folder: Path, name: str) -> tuple[Path, Path]:
    """Certificate chain and key, PEM."""
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    cert.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    leaf.private_key_pem.write_to_path(key)
    return cert, key


def pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


@dataclass
class Face:
    """The listener, running; and who may ask."""

    folder: Path
    api: Any
    gatekeeper: Gatekeeper
    certificates: Certificates
    authority: trustme.CA
    """Of the server."""
    front: trustme.CA
    """Of the front proxy: the requestheader CA."""
    port: int = 0
    signals: Signals | None = None
    now: float = NOW
    served: deque[tuple[str, str, int, str]] = field(default_factory=deque)

    def start(self) -> None:
        """In a thread and a loop of its own."""
        reader = Reader(lambda: self.signals, now=lambda: self.now)
        app = ExternalMetrics(reader, self.gatekeeper, served=lambda *each: self.served.append(each))
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        started, stop = threading.Event(), threading.Event()

        async def run() -> None:
            stopping = asyncio.Event()
            server = HttpsServer(router(app.routes()), self.certificates)
            serving = asyncio.create_task(server.serve_until(stopping, listener))
            while not server.started:
                await asyncio.sleep(0.01)
            started.set()
            while not stop.is_set():
                await asyncio.sleep(0.02)
            stopping.set()
            await serving

        def serve() -> None:
            with listener:
                asyncio.run(run())

        self._stop, self._thread = stop, threading.Thread(target=serve)
        self._thread.start()
        assert started.wait(10)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)

    def restart(self) -> None:
        self.stop()
        self.start()

    def connected(self) -> ssl.SSLSocket:
        """With the front proxy's certificate."""
        wire = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return self.client(self.front).wrap_socket(wire, server_hostname="localhost")

    def client(self, by: trustme.CA | None, name: str = "front-proxy-client") -> ssl.SSLContext:
        """Of somebody with a certificate of this authority; None: without."""
        context = ssl.create_default_context(cadata=pem(self.authority))
        if by is not None:
            leaf = by.issue_cert("front.proxy", common_name=name)
            context.load_cert_chain(*leaf_files(leaf, self.folder, "client"))
        return context

    def configmap(self, **changed: str) -> None:
        """What the cluster says of its front proxy."""
        said = {
            "requestheader-client-ca-file": pem(self.front),
            "requestheader-allowed-names": '["front-proxy-client"]',
            "requestheader-username-headers": '["X-Remote-User"]',
            "requestheader-group-headers": '["X-Remote-Group"]',
            "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
        }
        self.api.put(
            "configmaps",
            {
                "metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system"},
                "data": {key: value for key, value in (said | changed).items() if value},
            },
        )

    def look(self) -> None:
        """As the listener does by itself each minute."""
        self.gatekeeper.look()
        if self.gatekeeper.header is not None:
            self.certificates.trust(self.gatekeeper.header.ca_pem)

    def ask(
        self,
        path: str,
        *,
        user: str | None = HPA,
        groups: tuple[str, ...] = (),
        name: str | None = "front-proxy-client",
        by: trustme.CA | None = None,
        accept: str = "application/vnd.kubernetes.protobuf, */*",
    ) -> tuple[int, dict[str, str], Any]:
        """(status, headers, JSON), as an aggregator asks; `name`: of its certificate, None: none."""
        context = self.client(None) if name is None else self.client(by or self.front, name)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=10)
        headers = [("Accept", accept)]
        headers += [("X-Remote-User", user)] if user else []
        headers += [("X-Remote-Group", group) for group in groups]
        try:
            connection.putrequest("GET", path)
            for key, value in headers:
                connection.putheader(key, value)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, {key.lower(): value for key, value in answer.getheaders()}, json.loads(answer.read())
        finally:
            connection.close()


@pytest.fixture
def face(fake_api: Any, tmp_path: Path) -> Iterator[Face]:
    """Answers for three targets of namespace shop: one fresh, one stale, one refused."""
    authority = trustme.CA()
    cert, key = leaf_files(authority.issue_cert("localhost", "127.0.0.1"), tmp_path, "server")
    with fake_api.FakeApi() as api, Cluster(str(api.kubeconfig(tmp_path))) as cluster:
        problems: list[str | None] = []
        gatekeeper = Gatekeeper(cluster, report=problems.append)
        made = Face(tmp_path, api, gatekeeper, Certificates(cert, key), authority, trustme.CA())
        made.signals = Signals(
            NOW,
            {
                ("shop", "checkout-api"): signal("checkout-api", 12),
                ("shop", "cart"): signal("cart", 3, observed_at=NOW - 94),
                ("shop", "search"): Refusal(
                    "search", Workload("shop", "Deployment", "search"), "capacity is not known"
                ),
            },
        )
        made.configmap()
        made.look()
        made.start()
        yield made
        made.stop()
