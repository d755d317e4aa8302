"""The plugin as a service runs it: real watches of a real HTTP server, a real store."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from maibo_collectors.kubernetes import recording
from maibo_collectors.kubernetes.plugin import plugin
from maibo_collectors.kubernetes.watched import WATCHED
from maibo_slo.documents import Catalogue
from maibo_slo.documents.scaling_kinds import BurstPool, CapacitySpec, ScalingTarget
from maibo_slo.errors import MaiboError
from maibo_slo.kubernetes import DEPLOYMENTS, Cluster
from maibo_slo.plugins import Context
from maibo_slo.store import Store, events, replicas, scaleups, writes
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from maibo_slo.store.scaleups import ScaleUp

CHECKOUT = Workload("shop", "Deployment", "checkout")


class Service:
    """What `maibo serve` lends to the plugin."""

    def __init__(self, store: Any, folder: Path, **options: str) -> None:
        self.said: str | None = "nothing yet"
        self.warned = False
        self.registry = CollectorRegistry()
        self.stopping = asyncio.Event()
        chosen = {option.name: option.default for option in plugin().options}
        chosen |= {name.replace("_", "-"): value for name, value in options.items()}
        self.context = Context(
            store=store,
            data_dir=folder,
            catalogue=Catalogue,
            options=chosen,
            registry=self.registry,
            report=self._report,
            warn=self._warn,
            stopping=self.stopping,
            listen=lambda *_, **__: pytest.fail("it listens to nobody"),
            announce=lambda *_: None,
        )

    def _report(self, part: str, error: str | None) -> None:
        assert part == "kubernetes"
        self.said, self.warned = error, False

    def _warn(self, part: str, why: str) -> None:
        self.said, self.warned = why, True

    def metrics(self) -> dict[str, float]:
        lines = [line for line in generate_latest(self.registry).decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = plugin().task
        assert task is not None
        running = asyncio.ensure_future(task(self.context))
        await until(lambda: self.said is None or running.done())
        yield
        self.stopping.set()
        await asyncio.wait_for(running, 15)


async def until(happened: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def shop(api: Any, *, ready: int, name: str = "checkout") -> None:
    """A Deployment of so many ready pods."""
    place = {"namespace": "shop"}
    api.put("deployments", {"metadata": {**place, "name": name}, "spec": {"replicas": ready}})
    owner = [{"kind": "Deployment", "name": name, "controller": True}]
    api.put(
        "replicasets",
        {"metadata": {**place, "name": f"{name}-1", "ownerReferences": owner}, "spec": {"replicas": ready}},
    )
    for number in range(ready):
        pod(api, number, name)


def pod(api: Any, number: int, of: str = "checkout") -> None:
    owner = [{"kind": "ReplicaSet", "name": f"{of}-1", "controller": True}]
    labels = {"pod-template-hash": "1"}
    metadata = {"namespace": "shop", "name": f"{of}-1-{number}", "ownerReferences": owner, "labels": labels}
    conditions = [{"type": "Ready", "status": "True"}]
    api.put("pods", {"metadata": metadata, "status": {"phase": "Running", "conditions": conditions}})


def test_what_runs_is_in_the_store_and_in_the_metrics(api: Any, kubeconfig: Path, store: Store, tmp_path: Path) -> None:
    async def main() -> None:
        service = Service(store, tmp_path, kubernetes=str(kubeconfig))
        async with service.running():
            for each in WATCHED:
                if not each.optional:
                    await asyncio.to_thread(api.watching, each.plural)
            api.change("deployments", "checkout", "shop", spec={"replicas": 3})
            pod(api, 2)
            await until(
                lambda: (found := replicas.newest(store, [CHECKOUT], now=time.time())) and found[CHECKOUT].ready == 3
            )
            told = service.metrics()
            assert told['maibo_kubernetes_objects{resource="pods"}'] == 3
            assert told['maibo_kubernetes_watching{resource="pods"}'] == 1
            assert told['maibo_kubernetes_changes_total{resource="deployments"}'] == 2
            assert told['maibo_kubernetes_watching{resource="rollouts"}'] == 0
            assert 0 <= told['maibo_kubernetes_last_event_age_seconds{resource="pods"}'] < 10
            assert (service.said, service.warned) == (None, False)
        found = replicas.newest(store, [CHECKOUT], now=time.time())[CHECKOUT]
        assert (found.wanted, found.pods, found.templates) == (3, 3, 1)
        (rose,) = scaleups.scaleups(store, time.time() - 60, time.time() + 60, CHECKOUT)
        assert (rose.before, rose.after) == (2, 3)

    shop(api, ready=2)
    asyncio.run(main())


def test_of_targets_what_they_scale_and_their_balloons_are_sampled(
    api: Any, kubeconfig: Path, store: Store, tmp_path: Path
) -> None:
    workload = CHECKOUT._replace(kind="StatefulSet")  # its balloon is a Deployment nevertheless
    pool = BurstPool(form="balloon")
    target = ScalingTarget("till", "", "", workload, (), (), (), (), CapacitySpec(), 1, 9, burst_pool=pool)
    balloon = Workload("shop", "Deployment", "till-burst-pool")

    async def main() -> None:
        service = Service(store, tmp_path, kubernetes=str(kubeconfig))
        service.context = replace(service.context, catalogue=lambda: Catalogue(scaling_targets={"till": target}))
        async with service.running():
            await until(
                lambda: (found := replicas.newest(store, [balloon], now=time.time())) and found[balloon].ready == 3
            )
        assert replicas.newest(store, [CHECKOUT], now=time.time()) == {}, "no target names it"

    shop(api, ready=2)
    shop(api, ready=3, name=balloon.name)
    asyncio.run(main())


def test_what_the_fast_lane_wrote_is_told_as_its_own(api: Any, kubeconfig: Path, store: Store, tmp_path: Path) -> None:
    def found() -> list[ScaleUp]:
        return scaleups.scaleups(store, time.time() - 60, time.time() + 60, CHECKOUT)

    async def main() -> None:
        service = Service(store, tmp_path, kubernetes=str(kubeconfig))
        async with service.running():
            await asyncio.to_thread(api.watching, "deployments")
            now, detail = time.time(), {"before": 2, "after": 5, "reason": "5 replicas: a crowd"}
            events.append(store, [events.Event("w", writes.KIND, str(CHECKOUT), now, now, detail)])
            api.change("deployments", "checkout", "shop", spec={"replicas": 5})  # its managedFields stay as they were
            await until(found)
            with Cluster(str(kubeconfig)) as cluster:
                body = {"spec": {"replicas": 6}}
                await asyncio.to_thread(
                    cluster.patch, DEPLOYMENTS, "checkout", body, namespace="shop", subresource="scale"
                )
            await until(lambda: len(found()) == 2)
        told = [(each.before, each.after, each.by, each.reason) for each in found()]
        assert told == [(2, 5, "fast_lane", "5 replicas: a crowd"), (5, 6, "fast_lane", "")]

    shop(api, ready=2)
    stale = {"manager": "kube-controller-manager", "time": "2026-01-01T00:00:00Z"}
    managed = [{**stale, "fieldsV1": {"f:spec": {"f:replicas": {}}}}]
    api.change("deployments", "checkout", "shop", metadata={"managedFields": managed})
    asyncio.run(main())


def test_what_may_not_be_watched_is_a_warning_that_goes_when_it_is_mended(
    api: Any, kubeconfig: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maibo_collectors.kubernetes.watch.DENIED_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(recording, "_LOOK_SECONDS", 0.05)
    denied = api.refuse("events")

    async def main() -> None:
        service = Service(store, tmp_path, kubernetes=str(kubeconfig))
        async with service.running():
            await until(lambda: service.warned)
            assert "must allow the verb 'list' on 'events'" in str(service.said)
            await asyncio.to_thread(api.watching, "pods")
            denied.times = 0
            await until(lambda: service.said is None)

    asyncio.run(main())


def test_of_chosen_namespaces_nothing_else_is_asked(api: Any, kubeconfig: Path, store: Store, tmp_path: Path) -> None:
    api.refuse("nodes")

    async def main() -> None:
        options = {"kubernetes": str(kubeconfig), "kubernetes_namespaces": "shop, bank,shop"}
        service = Service(store, tmp_path, **options)
        async with service.running():
            await asyncio.to_thread(api.watching, "pods", 2)
            await asyncio.to_thread(api.asked, "list", "nodes")
            assert service.metrics()['maibo_kubernetes_watching{resource="nodes"}'] == 0
            assert service.said is None
        paths = {each.path for each in api.requests if each.verb == "list"}
        assert {"/api/v1/namespaces/shop/pods", "/api/v1/namespaces/bank/pods"} <= paths
        assert {path for path in paths if "/namespaces/" not in path} == {"/api/v1/nodes"}

    asyncio.run(main())


def test_a_cluster_that_is_away_is_a_warning_and_nothing_more(
    fake_api: Any, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr("maibo_collectors.kubernetes.watch.FIRST_PAUSE_SECONDS", 0.01)
    with fake_api.FakeApi() as api:
        config = api.kubeconfig(tmp_path)

    async def main() -> None:
        service = Service(store, tmp_path, kubernetes=str(config))
        async with service.running():
            await until(lambda: service.warned)
            assert "cannot be reached" in str(service.said)
            assert "more like these" in str(service.said)

    asyncio.run(main())


def test_off_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "Cluster", lambda *_, **__: pytest.fail("nobody asked for a cluster"))

    async def main() -> None:
        service = Service(None, tmp_path)
        async with service.running():
            assert service.said is None

    asyncio.run(main())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"kubernetes": "/nowhere/config"}, "there is no kubeconfig"),
        ({"kubernetes": "auto", "kubernetes_namespaces": "Shop"}, "names 'Shop', which is no namespace"),
        ({"kubernetes_namespaces": ",".join(f"n{number}" for number in range(21))}, "watch all, without it"),
    ],
    ids=["no kubeconfig", "no namespace", "too many namespaces"],
)
def test_a_wrong_setting_says_so_before_anything_runs(tmp_path: Path, options: dict[str, str], told: str) -> None:
    async def main() -> None:
        await recording.run(Service(None, tmp_path, **options).context)

    with pytest.raises(MaiboError, match=told):
        asyncio.run(main())


def test_of_many_problems_the_first_two_are_told() -> None:
    assert recording.problems([None, None]) is None
    assert recording.problems(["a", None, "a"]) == "a"
    assert recording.problems(["a", "b", "a", "c", "d"]) == "a; b; and 2 more like these"
