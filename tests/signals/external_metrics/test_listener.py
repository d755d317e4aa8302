"""The listener as a service runs it: settings that do not fit together, tokens, and what is looked at while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import ssl
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from prometheus_client import CollectorRegistry

from maibo_slo import tokens
from maibo_slo.documents import Catalogue
from maibo_slo.documents.scaling_kinds import CapacitySpec, ScalingTarget
from maibo_slo.engine.scaling.inputs import Decision, Inputs
from maibo_slo.engine.scaling.signal import ScalingSignal, Signals
from maibo_slo.errors import MaiboError
from maibo_slo.plugins import Context
from maibo_slo.service import listen
from maibo_slo.signals.external_metrics import listener
from maibo_slo.signals.external_metrics.plugin import plugin, wanted
from maibo_slo.store.workload import Workload
from maibo_slo.tokens import Scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEFAULTS = {option.name: option.default for option in plugin().options}
TARGET = ScalingTarget(
    "api", "api", "", Workload("shop", "Deployment", "api"), ("api",), (), (), (), CapacitySpec(fixed=10.0), 1, 50
)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"external-metrics": "on"}, "--external-metrics needs --signals-https"),
        ({"signals-https-tokens": "t.json"}, "--signals-https-tokens needs --signals-https"),
        ({"signals-https": "0.0.0.0:6443"}, "needs --signals-https-cert and --signals-https-key"),
        (
            {"signals-https": "0.0.0.0:6443", "signals-https-cert": "c", "signals-https-key": "k"},
            "nobody could ask",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(given: dict[str, str], wrong: str) -> None:
    with pytest.raises(MaiboError, match=wrong):
        wanted({**DEFAULTS, **given})


def test_nothing_is_served_unless_asked_for() -> None:
    assert not wanted(DEFAULTS)


class Running:
    """The plugin's task, in a loop of the test's own."""

    def __init__(self, folder: Path, options: dict[str, str]) -> None:
        self.authority = trustme.CA()
        leaf = self.authority.issue_cert("localhost", "127.0.0.1")
        cert, key = folder / "c.pem", folder / "k.pem"
        cert.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(key)
        self.options = {
            **DEFAULTS,
            "signals-https": "127.0.0.1:0",
            "signals-https-cert": str(cert),
            "signals-https-key": str(key),
            **options,
        }
        self.parts: dict[str, str | None] = {}
        self.announced: dict[str, str] = {}

    async def during(self, folder: Path, what: Callable[[], Any]) -> Any:
        """Call `what` in a thread while it runs."""
        stopping = asyncio.Event()
        now = datetime.now(UTC).timestamp()
        decision = Decision(7, 7, 7, (), "", "7 replicas")
        signal = ScalingSignal(
            "api", TARGET.workload, 7, 7, 7, 1, 50, "7 replicas", now, now, 60, decision, Inputs(now)
        )
        context = Context(
            store=None,  # type: ignore[arg-type]  # it must not be asked
            data_dir=folder,
            catalogue=Catalogue,
            options=self.options,
            registry=CollectorRegistry(),
            report=self.parts.__setitem__,
            warn=self.parts.__setitem__,
            stopping=stopping,
            listen=listen.listen,
            announce=self.announced.__setitem__,
            signals=lambda: Signals(now, {("shop", "api"): signal}),
        )
        serving = asyncio.create_task(listener.run(context))
        while "signals-https" not in self.announced and not serving.done():
            await asyncio.sleep(0.01)
        try:
            return await asyncio.to_thread(what)
        finally:
            stopping.set()
            await serving

    def ask(self, path: str, **headers: str) -> tuple[int, Any]:
        context = ssl.create_default_context(cadata=self.authority.cert_pem.bytes().decode())
        address = self.announced["signals-https"].rpartition("/")[2]
        connection = http.client.HTTPSConnection(address, context=context, timeout=10)
        try:
            connection.request("GET", path, headers={key.replace("_", "-"): value for key, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


def test_a_token_that_may_read_is_answered_in_json_and_nobody_else(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    now = datetime.now(UTC)
    reads = tokens.add(file, "keda", Scope.READ, now=now)
    sends = tokens.add(file, "shop", Scope.INGEST, now=now)
    running = Running(tmp_path, {"signals-https-tokens": str(file)})

    def ask() -> list[tuple[int, Any]]:
        path = "/v1/scaling/shop/api"
        return [
            running.ask(path, Authorization=f"Bearer {reads}"),
            running.ask(path, X_API_KEY=reads),
            running.ask(path, Authorization=f"Bearer {sends}"),
            running.ask(path, Authorization=f"Basic {reads}"),
            running.ask(path),
            running.ask("/apis", Authorization=f"Bearer {reads}"),
        ]

    bearer, key, other, basic, nobody, elsewhere = asyncio.run(running.during(tmp_path, ask))
    assert (bearer[0], bearer[1]["desired_replicas"]) == (200, 7)
    assert key[0] == 200
    assert (other[0], basic[0], nobody[0], elsewhere[0]) == (401, 401, 401, 404)


def test_it_refuses_as_the_service_does_what_it_does_not_know(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    bearer = f"Bearer {tokens.add(file, 'keda', Scope.READ, now=datetime.now(UTC))}"
    running = Running(tmp_path, {"signals-https-tokens": str(file)})
    paths = ("/v1/scaling?targett=api", "/v1/scaling/shop/api?max_age=5", "/v1/scaling/shop/other")

    def ask() -> list[tuple[int, Any]]:
        return [*(running.ask(path, Authorization=bearer) for path in paths), running.ask("/v1/scaling")]

    every, one, unknown, nobody = asyncio.run(running.during(tmp_path, ask))
    for name, (status, said) in (("targett", every), ("max_age", one)):
        assert (status, said["type"]) == (422, "urn:maibo:problem:invalid-parameters")
        assert said["errors"] == [f"query {name}: no such parameter; there are none here"]
    assert (unknown[0], unknown[1]["instance"]) == (404, "/v1/scaling/shop/other")
    assert (nobody[0], nobody[1]["title"]) == (401, "Unauthorized")


def test_a_cluster_that_cannot_be_read_is_told_and_lets_nobody_in(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "gone",
        "clusters": [{"name": "gone", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "me", "user": {}}],
        "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "me"}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    running = Running(tmp_path, {"external-metrics": "on", "kubernetes": str(tmp_path / "kubeconfig")})

    def ask() -> tuple[int, Any]:
        while "external metrics" not in running.parts:
            time.sleep(0.01)
        return running.ask("/apis/external.metrics.k8s.io/v1beta1")

    status, said = asyncio.run(running.during(tmp_path, ask))
    assert (status, said["kind"]) == (503, "Status")
    assert "cannot read the cluster's requestheader CA" in said["message"]
    assert "nobody is let in" in (running.parts["external metrics"] or "")


def test_a_certificate_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    running = Running(tmp_path, {"signals-https-tokens": str(tmp_path / "none.json")})
    running.options["signals-https-cert"] = str(tmp_path / "none.pem")
    with pytest.raises(MaiboError, match=r"none\.pem"):
        asyncio.run(running.during(tmp_path, lambda: None))


def test_when_nobody_looks_at_certificates_any_more_the_task_ends_so_that_it_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tokens.json"
    tokens.add(file, "keda", Scope.READ, now=datetime.now(UTC))

    def broken(_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(listener.Certificates, "look", broken)
    running = Running(tmp_path, {"signals-https-tokens": str(file)})

    def ask() -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                running.ask("/healthz")
                continue
            return
        raise AssertionError("it still answers")

    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(running.during(tmp_path, ask))
    assert "broken" in str(raised.value.exceptions)
