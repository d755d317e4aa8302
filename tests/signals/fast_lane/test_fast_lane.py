"""The fast lane against a real HTTP API server: upwards alone, capped, seldom enough, idle when in doubt, and audited."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from maibo_slo.documents import Catalogue
from maibo_slo.documents.scaling_kinds import CapacitySpec, FastLaneSpec, ScalingTarget
from maibo_slo.engine.scaling.inputs import Decision, Inputs, Override, Replicas
from maibo_slo.engine.scaling.signal import ScalingSignal, Signals
from maibo_slo.errors import MaiboError, StoreError
from maibo_slo.kubernetes import Cluster
from maibo_slo.plugins import Context
from maibo_slo.service.listen import listen
from maibo_slo.signals.fast_lane import audit as auditing
from maibo_slo.signals.fast_lane import loop
from maibo_slo.signals.fast_lane.audit import Audit
from maibo_slo.signals.fast_lane.lane import Raised, Running, step
from maibo_slo.signals.fast_lane.loop import Lane
from maibo_slo.signals.fast_lane.roles import roles
from maibo_slo.store.events import every
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from maibo_slo.store import Store
    from maibo_slo.store.events import Event

NOW = 1_800_000_000.0
API = Workload("shop", "Deployment", "api")
TARGET = ScalingTarget(
    "api",
    "api",
    "",
    API,
    ("api",),
    (),
    (),
    (),
    CapacitySpec(fixed=10.0),
    1,
    50,
    fast_lane=FastLaneSpec(step=2, most=10, every_seconds=15),
)
SPEC = FastLaneSpec(step=2, most=10, every_seconds=15)


def signal(
    desired: int, *, at: float = NOW, override: Override | None = None, seen: int | None = None
) -> ScalingSignal:
    replicas = None if seen is None else Replicas(seen, seen, at)
    return ScalingSignal(
        "api",
        API,
        desired,
        desired,
        desired,
        1,
        50,
        f"{desired} replicas: 100 calls/s",
        at,
        at,
        60,
        Decision(desired, desired, desired, (), "", ""),
        Inputs(at, replicas=replicas),
        override,
    )


@pytest.mark.parametrize(
    ("desired", "running", "written"),
    [
        (8, Running(1), 8),
        (3, Running(1), 3),
        (2, Running(1), None),
        (1, Running(8), None),
        (30, Running(1), 11),
        (60, Running(45), 50),
        (60, Running(50), None),
        (8, Running(0), None),
        (8, Running(1, "the Rollout is aborted"), None),
    ],
)
def test_it_writes_upwards_alone_and_within_bounds(desired: int, running: Running, written: int | None) -> None:
    assert step(signal(desired), SPEC, running, now=NOW).after == written


@pytest.mark.parametrize(
    ("raised", "desired", "written"),
    [
        ([Raised(NOW - 1, 3)], 30, 8),
        ([Raised(NOW - 1, 3)], 4, 4),
        ([Raised(NOW - 14.9, 10)], 30, None),
        ([Raised(NOW - 15, 10)], 30, 11),
        ([Raised(NOW - 15, 10), Raised(NOW - 9, 4), Raised(NOW - 1, 4)], 30, 3),
        ([Raised(NOW - 9, 5), Raised(NOW - 1, 4)], 30, None),
    ],
    ids=["the rest", "less than the rest", "used up", "long ago", "in part", "less than a step is left"],
)
def test_max_is_what_writes_of_every_may_add_together(raised: list[Raised], desired: int, written: int | None) -> None:
    assert step(signal(desired), SPEC, Running(1), raised=raised, now=NOW).after == written


@given(st.lists(st.tuples(st.floats(0.1, 20), st.integers(0, 60)), max_size=40), st.integers(1, 20), st.integers(1, 20))
def test_in_no_time_of_every_more_than_max_is_added(
    looks: list[tuple[float, int]], most: int, every_seconds: int
) -> None:
    spec = FastLaneSpec(step=1, most=most, every_seconds=every_seconds)
    now, raised = NOW, []
    for pause, desired in looks:
        now += pause
        after = step(signal(desired), spec, Running(5), raised=raised, now=now).after
        if after is not None:
            raised.append(Raised(now, after - 5))
    for first in raised:
        assert sum(each.added for each in raised if 0 <= each.at - first.at < every_seconds) <= most


@given(st.integers(0, 80), st.integers(0, 80), st.integers(1, 20), st.integers(1, 20))
def test_never_downwards_never_beyond(desired: int, running: int, least: int, most: int) -> None:
    spec = FastLaneSpec(step=least, most=most, every_seconds=1)
    after = step(signal(desired), spec, Running(running), now=NOW).after
    assert after is None or running < after <= min(desired, 50, running + most)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({}, ""),
        ({"abort": True}, "aborted"),
        ({"abort": False}, ""),
        (
            {"conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]},
            "timed out",
        ),
        ({"conditions": [{"type": "Available"}, "odd"]}, ""),
    ],
)
def test_a_rollout_that_is_taken_back_is_seen(status: dict[str, Any], why: str) -> None:
    found = Running.of({"spec": {"replicas": 3}, "status": status}).taken_back
    assert (why in found, bool(found)) == (True, bool(why))


@pytest.mark.parametrize("replicas", ["3", -1, 2.5, True])
def test_a_workload_that_says_nonsense_is_no_workload(replicas: object) -> None:
    with pytest.raises(ValueError, match="replicas"):
        Running.of({"spec": {"replicas": replicas}})


@dataclass
class Cell:
    """A cluster with one Deployment, and a lane to it on a clock of ours."""

    api: Any
    lane: Lane
    now: float = NOW
    problems: list[str | None] = field(default_factory=list)
    served: list[tuple[str, str, int, str]] = field(default_factory=list)

    def look(self, *there: ScalingSignal) -> int:
        """One look; the replicas after it."""
        self.lane.look(lambda: Signals(self.now, {("shop", each.target): each for each in there}))
        return self.replicas

    def scale(self, replicas: int) -> None:
        """As an HPA or a person would."""
        self.api.put("deployments", {"metadata": {"name": "api", "namespace": "shop"}, "spec": {"replicas": replicas}})

    @property
    def replicas(self) -> int:
        return int(self.api.object("deployments", "api", "shop")["spec"]["replicas"])

    def asked(self) -> int:
        return len([each for each in self.api.requests if each.method in {"GET", "PATCH"}])


@pytest.fixture
def cell(store: Store, fake_api: Any, tmp_path: Path) -> Iterator[Cell]:
    with fake_api.FakeApi() as api:
        api.put("deployments", {"metadata": {"name": "api", "namespace": "shop"}, "spec": {"replicas": 1}})
        made: list[Cell] = []
        lane = Lane(
            Cluster(str(api.kubeconfig(tmp_path))),
            Audit(store, tmp_path, now=lambda: made[0].now),
            lambda: Catalogue(scaling_targets={"api": TARGET}),
            served=lambda *each: made[0].served.append(each),
            report=lambda problem: made[0].problems.append(problem),  # noqa: PLW0108 -- `made` is filled later
            now=lambda: made[0].now,
            clock=lambda: made[0].now,
        )
        made.append(Cell(api, lane))
        yield made[0]
        lane.close()


def test_a_flash_crowd_is_written_at_once_and_audited_with_its_reason(cell: Cell, store: Store) -> None:
    assert cell.look(signal(8)) == 8
    cell.lane.audit.record()
    (written,) = every(store, "scale_write")
    assert (written.subject, written.detail["before"], written.detail["after"]) == ("shop/Deployment/api", 1, 8)
    assert written.detail["reason"] == "8 replicas: 100 calls/s"
    assert cell.served == [("shop", "api", 8, "fast_lane")]
    patched = [each for each in cell.api.requests if each.method == "PATCH"]
    assert [each.path for each in patched] == ["/apis/apps/v1/namespaces/shop/deployments/api/scale"]


def test_a_big_rise_goes_by_steps_as_often_as_is_allowed(cell: Cell) -> None:
    wanted = signal(30)
    assert cell.look(wanted) == 11
    for later, replicas in ((1, 11), (14, 11), (15, 21), (30, 30)):
        cell.now = NOW + later
        assert cell.look(wanted) == replicas


def test_a_first_guess_leaves_the_rest_of_max_for_a_second_later(cell: Cell) -> None:
    assert cell.look(signal(4)) == 4
    cell.now += 1
    assert cell.look(signal(24, at=cell.now)) == 11
    cell.now = NOW + 14
    assert cell.look(signal(24, at=cell.now)) == 11
    cell.now = NOW + 15
    assert cell.look(signal(24, at=cell.now)) == 14
    cell.now = NOW + 16
    assert cell.look(signal(24, at=cell.now)) == 21


def test_what_the_document_does_not_allow_is_left_to_whoever_overrides(cell: Cell) -> None:
    cell.lane.catalogue = lambda: Catalogue(scaling_targets={"api": replace(TARGET, most=4)})
    assert cell.look(replace(signal(30), most=1000)) == 4


def test_a_stale_signal_writes_nothing(cell: Cell) -> None:
    assert cell.look(signal(8, at=NOW - 61)) == 1
    assert cell.look() == 1
    cell.lane.look(lambda: None)
    assert cell.asked() == 0


def test_without_a_fast_lane_in_the_document_nothing_is_asked(cell: Cell) -> None:
    cell.lane.catalogue = lambda: Catalogue(scaling_targets={"api": replace(TARGET, fast_lane=None)})
    assert cell.look(signal(8)) == 1
    assert cell.asked() == 0


def test_a_workload_that_runs_enough_is_not_asked_about_ten_times_a_second(cell: Cell) -> None:
    for tenth in range(50):
        cell.now = NOW + tenth / 10
        cell.look(signal(1, at=cell.now))
    assert cell.asked() <= 6
    asked = cell.asked()
    cell.now += 10
    cell.look(signal(8, at=cell.now, seen=8))
    assert cell.asked() == asked


def test_what_the_cluster_forbids_is_told_with_the_mend_and_tried_ever_less_often(cell: Cell) -> None:
    refused = cell.api.refuse("deployments/scale", "patch")
    for second in range(60):
        cell.now = NOW + second
        assert cell.look(signal(8, at=cell.now)) == 1
    assert "RBAC does not allow" in (cell.problems[-1] or "")
    assert len([each for each in cell.api.requests if each.method == "PATCH"]) == 5
    refused.times = 0
    cell.now += 60
    assert cell.look(signal(8, at=cell.now)) == 8
    assert cell.problems[-1] is None


def test_while_the_store_fails_replicas_rise_and_the_audit_waits(
    cell: Cell, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = auditing.events.append

    def refuse(_: Store, __: Sequence[Event]) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(auditing.events, "append", refuse)
    assert cell.look(signal(8)) == 8
    with pytest.raises(StoreError):
        cell.lane.audit.record()
    monkeypatch.setattr(auditing.events, "append", append)
    assert every(store, "scale_write") == []
    cell.lane.audit.record()
    assert [each.detail["after"] for each in every(store, "scale_write")] == [8]


def test_a_kill_before_the_store_had_it_loses_no_write_and_a_restart_writes_no_sooner(
    cell: Cell, store: Store, tmp_path: Path
) -> None:
    assert cell.look(signal(30)) == 11
    again = Audit(store, tmp_path, now=lambda: cell.now)  # the one before was killed
    recalled = again.recall()
    assert recalled == {"shop/Deployment/api": [Raised(NOW, 10)]}
    again.record()
    assert [each.detail["after"] for each in every(store, "scale_write")] == [11]
    assert Audit(store, tmp_path, now=lambda: cell.now).recall() == recalled, "the store knows it too"
    restarted = replace(cell.lane, recalled=recalled, _lanes={})
    for later, replicas in ((14, 11), (15, 21)):
        cell.now = NOW + later
        restarted.look(lambda: Signals(cell.now, {("shop", "api"): signal(30, at=cell.now)}))
        assert cell.replicas == replicas


def test_a_service_that_stops_while_its_store_is_down_records_at_its_next_start(
    cell: Cell, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, down = auditing.events.append, True

    def perhaps(*asked: Any) -> None:
        if down:
            raise StoreError("the disk is full")
        append(*asked)

    monkeypatch.setattr(auditing.events, "append", perhaps)
    signals = Signals(NOW, {("shop", "api"): signal(8, at=time.time())})

    async def serve(until: Callable[[], bool]) -> None:
        stopping = asyncio.Event()
        context = Context(
            store=store,
            data_dir=tmp_path,
            catalogue=lambda: Catalogue(scaling_targets={"api": TARGET}),
            options={"fast-lane": "on", "kubernetes": str(cell.api.kubeconfig(tmp_path))},
            registry=CollectorRegistry(),
            report=lambda *_: None,
            stopping=stopping,
            listen=listen,
            announce=lambda *_: None,
            signals=lambda: signals,
        )
        running = asyncio.create_task(loop.run(context))
        async with asyncio.timeout(20):
            while not until():
                await asyncio.sleep(0.02)
            stopping.set()
            await running

    asyncio.run(serve(lambda: cell.replicas == 8))
    assert every(store, "scale_write") == []
    down = False
    asyncio.run(serve(lambda: bool(every(store, "scale_write"))))
    assert [each.detail["after"] for each in every(store, "scale_write")] == [8]
    assert not (tmp_path / auditing.FILE).exists()


def test_an_audit_file_that_is_damaged_stops_nothing(store: Store, tmp_path: Path) -> None:
    (tmp_path / auditing.FILE).write_text('[{"id": 1}]')
    assert Audit(store, tmp_path).recall() == {}


@pytest.mark.parametrize("kept", [1, 20])
def test_whoever_takes_a_write_back_is_not_written_against_again_and_again(cell: Cell, kept: int) -> None:
    """An HPA with a lower maxReplicas, or with another metric, at each of its syncs."""
    writes = []
    for second in range(0, 3600, 5):
        cell.now = NOW + second
        before = cell.replicas
        if cell.look(signal(30, at=cell.now)) > before:
            writes.append(second)
        if second % 15 == 10 and cell.replicas > kept:
            cell.scale(kept)
    assert len(writes) <= 6, writes
    assert "taken back to" in (cell.problems[-1] or "")


def test_whoever_lowers_to_what_is_wished_for_takes_nothing_back(cell: Cell) -> None:
    assert cell.look(signal(8)) == 8
    cell.now += 100
    cell.look(signal(3, at=cell.now))
    cell.scale(3)
    cell.now += 100
    assert cell.look(signal(9, at=cell.now)) == 9
    assert cell.problems[-1] is None


def test_whoever_scales_higher_meanwhile_is_not_lowered(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    get = cell.lane.cluster.get

    def overtaken(*asked: Any, **how: Any) -> Any:
        found = get(*asked, **how)
        cell.scale(20)
        return found

    monkeypatch.setattr(cell.lane.cluster, "get", overtaken)
    assert cell.look(signal(8)) == 20
    assert cell.problems[-1] is None


def test_a_signal_that_grows_old_while_a_slow_cluster_is_asked_writes_nothing(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = cell.lane.cluster.get

    def slow(*asked: Any, **how: Any) -> Any:
        cell.now += 61
        return get(*asked, **how)

    monkeypatch.setattr(cell.lane.cluster, "get", slow)
    assert cell.look(signal(8)) == 1


def test_a_rise_is_written_at_once_though_it_was_looked_at_just_now(cell: Cell) -> None:
    assert cell.look(signal(1)) == 1
    cell.now += 0.1
    assert cell.look(signal(8, at=cell.now)) == 8


def test_a_clock_that_is_set_back_stops_nothing(cell: Cell) -> None:
    monotonic = [0.0]
    cell.lane.clock = lambda: monotonic[0]
    assert cell.look(signal(8)) == 8
    cell.now -= 7200
    monotonic[0] += 20
    assert cell.look(signal(12, at=cell.now)) == 12


def test_an_aborted_rollout_is_left_alone(cell: Cell) -> None:
    cell.api.put(
        "deployments",
        {
            "metadata": {"name": "api", "namespace": "shop"},
            "spec": {"replicas": 1},
            "status": {
                "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
            },
        },
    )
    assert cell.look(signal(8)) == 1


def test_roles_allow_the_named_workloads_alone_and_nothing_but_scale() -> None:
    rollout = replace(TARGET, name="web", workload=Workload("web", "Rollout", "web"))
    plain = replace(TARGET, name="cart", workload=Workload("shop", "Deployment", "cart"), fast_lane=None)
    catalogue = Catalogue(scaling_targets={each.name: each for each in (TARGET, rollout, plain)})
    files = {
        each.path: list(yaml.safe_load_all(each.text))
        for each in roles(catalogue, namespace="monitoring", service_account="maibo")
    }
    role, binding = files["fast-lane/shop.yaml"]
    assert role["rules"] == [
        {"apiGroups": ["apps"], "resourceNames": ["api"], "resources": ["deployments"], "verbs": ["get"]},
        {"apiGroups": ["apps"], "resourceNames": ["api"], "resources": ["deployments/scale"], "verbs": ["patch"]},
    ]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "maibo", "namespace": "monitoring"}]
    assert files["fast-lane/web.yaml"][0]["rules"][1]["resources"] == ["rollouts/scale"]
    with pytest.raises(MaiboError, match="no ScalingTarget has a fastLane"):
        list(roles(Catalogue(), namespace="monitoring", service_account="maibo"))
