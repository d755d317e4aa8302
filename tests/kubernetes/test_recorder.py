"""What the recorder makes of changes, and what becomes of it when the store fails."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from maibo_collectors.kubernetes.changes import Change
from maibo_collectors.kubernetes.recorder import Recorder
from maibo_collectors.kubernetes.sampling import Sampler
from maibo_collectors.kubernetes.watch import Sight
from maibo_slo.errors import StoreError
from maibo_slo.store.scaleups import ScaleUp, ScaleUpState
from maibo_slo.store.workload import Workload

T = 1_800_000_000.0


def scaleup(number: int, after: int = 2) -> ScaleUp:
    workload = Workload("shop", "Deployment", "checkout")
    return ScaleUp(f"{workload}@{number}", workload, 1, after, "hpa", "", {}, (), ScaleUpState.RUNNING)


class Assembly:
    """Tells what a test gives it."""

    def __init__(self) -> None:
        self.taken: list[Change] = []
        self.next: list[ScaleUp] = []
        self.fails: Exception | None = None

    def take(self, change: Change) -> None:
        if self.fails is not None:
            raise self.fails
        self.taken.append(change)

    def due(self, now: float) -> list[ScaleUp]:
        if self.fails is not None:
            raise self.fails
        due, self.next = self.next, []
        return due


class Store:
    """Takes rows, or not."""

    def __init__(self) -> None:
        self.written: list[Any] = []
        self.fails = False

    def scaleups(self, rows: Any) -> None:
        if self.fails:
            raise StoreError("the disk is full")
        self.written.extend((row.id.partition("@")[2], row.after) for row in rows)

    def samples(self, rows: Any) -> None:
        if self.fails:
            raise StoreError("the disk is full")
        self.written.extend((row.t - int(T), row.wanted) for row in rows)


class World:
    def __init__(self) -> None:
        self.assembly, self.store, self.now = Assembly(), Store(), T
        self.recorder = Recorder(self.assembly, Sampler(), self.store, clock=lambda: self.now)

    def sees(self, *resources: str) -> None:
        for resource in resources:
            self.recorder.take(Sight(resource, "", seen=True, at=self.now))

    def workload(self, replicas: int) -> Change:
        metadata = {"namespace": "shop", "name": "checkout"}
        change = Change("deployments", "MODIFIED", {"metadata": metadata, "spec": {"replicas": replicas}}, self.now)
        self.recorder.take(change)
        return change


@pytest.fixture
def world() -> World:
    return World()


def test_changes_become_scale_ups_and_samples(world: World) -> None:
    world.sees("deployments", "replicasets", "pods")
    change = world.workload(2)
    assert world.assembly.taken == [change]
    world.assembly.next = [scaleup(1)]
    world.now = T + 1
    world.recorder.write()
    assert world.store.written == [("1", 2), (0, 2)]
    world.recorder.write()
    assert len(world.store.written) == 2
    assert world.recorder.unwritten() == 0


def test_what_the_store_does_not_take_is_kept_in_its_newest_version(world: World) -> None:
    world.sees("deployments", "replicasets", "pods")
    world.store.fails = True
    for after in (2, 3):
        world.workload(after)
        world.assembly.next = [scaleup(after % 2), scaleup(7, after)]
        world.now += 1
        world.recorder.write()
    assert "not written: the disk is full" in str(world.recorder.problem)
    assert world.recorder.failures == 2
    assert world.recorder.unwritten() == 4
    world.store.fails = False
    world.recorder.write()
    assert world.store.written == [("0", 2), ("1", 2), ("7", 3), (0, 3)]
    assert (world.recorder.problem, world.recorder.unwritten()) == (None, 0)


def test_what_waits_for_the_store_is_bounded_and_the_oldest_goes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maibo_collectors.kubernetes.recorder.UNWRITTEN", 3)
    world.store.fails = True
    for number in range(5):
        world.assembly.next = [scaleup(number)]
        world.recorder.write()
    world.assembly.next = [scaleup(2, 9)]
    world.recorder.write()
    assert world.recorder.dropped == 2
    world.store.fails = False
    world.recorder.write()
    assert world.store.written == [("3", 2), ("4", 2), ("2", 9)]


@pytest.mark.parametrize("error", [KeyError("spec"), StoreError("away")], ids=["a surprise", "the store"])
def test_a_failing_assembly_stops_nothing(world: World, error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    world.assembly.fails = error
    world.sees("deployments", "replicasets", "pods")
    world.workload(2)
    world.workload(3)
    world.now = T + 1
    world.recorder.write()
    assert world.store.written == [(0, 3)]
    assert world.recorder.not_understood >= 2
    assert len([each for each in caplog.records if each.levelname == "ERROR"]) == 1


def test_while_it_is_full_watches_wait_and_stopping_frees_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    change = Change("pods", "ADDED", {"metadata": {}}, T)
    for _ in range(4096):
        world.recorder.tell(change)
    told = threading.Thread(target=world.recorder.tell, args=(change,), daemon=True)
    told.start()
    told.join(0.05)
    assert told.is_alive()
    assert world.recorder.waiting() == 4096
    world.recorder.stop()
    told.join(5)
    assert not told.is_alive()


def test_its_thread_looks_at_all_and_writes_before_it_ends(world: World) -> None:
    thread = threading.Thread(target=world.recorder.run, daemon=True)
    thread.start()
    changes = [Change("nodes", "ADDED", {"metadata": {"name": str(number)}}, T) for number in range(50)]
    for change in changes:
        world.recorder.tell(change)
    until = time.monotonic() + 5
    while len(world.assembly.taken) < len(changes) and time.monotonic() < until:
        threading.Event().wait(0.005)
    world.assembly.next = [scaleup(1)]
    world.recorder.stop()
    thread.join(5)
    assert world.assembly.taken == changes
    assert world.store.written == [("1", 2)]
