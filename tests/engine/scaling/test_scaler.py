"""From cells in the store to signals in memory, on a fake clock."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maibo_slo.documents import Catalogue
from maibo_slo.documents.scaling_kinds import CapacitySpec
from maibo_slo.engine.scaling.inputs import Capacity, Override
from maibo_slo.engine.scaling.lately import WHOLE_EVERY, Lately
from maibo_slo.engine.scaling.learning import SHARED_EVERY
from maibo_slo.engine.scaling.loop import ScalingLoop
from maibo_slo.engine.scaling.memories import Remembered, recall, remember
from maibo_slo.engine.scaling.remembered import Memory
from maibo_slo.engine.scaling.scaler import Scaler
from maibo_slo.engine.scaling.signal import NoSignal, Refusal, ScalingSignal, UnknownTarget
from maibo_slo.errors import StoreError
from maibo_slo.store import demand, replicas, rises, scaling
from maibo_slo.store.client import dictionary
from maibo_slo.store.demand import CallsKey
from maibo_slo.store.replicas import Sample
from maibo_slo.store.tables import DIMENSIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.store import Store

    MakeTarget = Callable[..., ScalingTarget]


@dataclass
class Shop:
    """A store that calls come into, and a clock."""

    store: Store
    now: float
    targets: list[ScalingTarget]
    overrides: list[Override] = field(default_factory=list)
    sent: int = 0

    def catalogue(self) -> Catalogue:
        return Catalogue(scaling_targets={each.name: each for each in self.targets})

    def scaler(self, data_dir: Path | None = None) -> Scaler:
        return Scaler(
            self.store, self.catalogue, overrides=lambda: self.overrides, data_dir=data_dir, now=lambda: self.now
        )

    def call(
        self,
        calls: int,
        *at: float,
        service: str = "checkout-api",
        step: str = "pay",
        table: str = "cells_10s",
        journey: str = "checkout",
    ) -> None:
        """So many calls at each of these moments, else now; in one table, since inserting is most of what these tests cost."""
        self.sent += 1
        times = [int(each) // 10 * 10 for each in at or (self.now,)]
        texts = dict.fromkeys(DIMENSIONS, "") | {
            "journey": journey,
            "step": step,
            "environment": "prod",
            "service": service,
        }
        columns = {name: dictionary([text] * len(times)) for name, text in (texts | {"outcome": "success"}).items()}
        numbers = {
            "t": np.array(times, np.uint32),
            "bin": np.full(len(times), 5, np.uint16),
            "n": np.full(len(times), calls, np.uint64),
        }
        settings = {"insert_deduplication_token": f"calls-{id(self)}-{self.sent}"}
        self.store.insert(table, columns | numbers, settings=settings)

    def begin(self, started: int, *at: float, journey: str = "checkout", table: str = "starts_10s") -> None:
        """So many journeys at each of these moments, else now."""
        self.sent += 1
        times = [int(each) // 10 * 10 for each in at or (self.now,)]
        texts = {"journey": journey, "environment": "prod"}
        counts = {"t": np.array(times, np.uint32), "started": np.full(len(times), started, np.uint64)}
        if table == "flow_1m":
            texts |= {"tier": "", "variant": ""}
            counts |= {name: np.zeros(len(times), np.uint64) for name in ("succeeded", "failed", "abandoned")}
        columns = {name: dictionary([text] * len(times)) for name, text in texts.items()}
        settings = {"insert_deduplication_token": f"starts-{id(self)}-{self.sent}"}
        self.store.insert(table, columns | counts, settings=settings)

    def run(self, scaler: Scaler, seconds: float, rate: float, *, every: float = 0.5) -> list[int]:
        """What is decided at each tick, while so many calls a second come."""
        found = []
        for _ in range(round(seconds / every)):
            self.now += every
            if rate:
                self.call(round(rate * every))
            signal = scaler.tick(self.now).by_target["shop", "checkout-api"]
            assert isinstance(signal, ScalingSignal)
            found.append(signal.desired_replicas)
        return found


@pytest.fixture
def shop(store: Store, make_target: MakeTarget) -> Shop:
    # On the minute, and near the present: the store looks at its own clock for the newest replicas.
    now = float(int(time.time()) // 60 * 60)
    shop = Shop(store, now, [make_target()])
    shop.call(500, *(now - back for back in range(10, 70, 10)))
    return shop


def test_an_answer_rises_with_a_crowd_and_falls_after_the_window(shop: Shop, make_target: MakeTarget) -> None:
    shop.targets = [make_target(scale_down_seconds=60)]
    scaler = shop.scaler()
    assert set(shop.run(scaler, 6, 50)) == {5}
    crowd = shop.run(scaler, 3, 400)
    assert crowd[3] > 10, "within two seconds"
    higher = shop.run(scaler, 28, 400, every=2.0)[-1]
    assert higher == pytest.approx(40, abs=2)
    falling = shop.run(scaler, 120, 50, every=5.0)
    assert set(falling[:10]) == {max(falling)}, "not before the window is over"
    assert falling[-1] <= 6
    assert falling == sorted(falling, reverse=True)


def test_a_signal_is_refused_when_nothing_comes(shop: Shop) -> None:
    scaler = shop.scaler()
    shop.run(scaler, 2, 50)
    signals = scaler.signals()
    assert signals.get("shop", "checkout-api", now=shop.now).desired_replicas == 5
    shop.run(scaler, 58, 0, every=2.0)
    assert scaler.signals().get("shop", "checkout-api", now=shop.now).desired_replicas == 5
    shop.run(scaler, 6, 0, every=2.0)
    with pytest.raises(NoSignal, match=r"what it follows is \d+ s old, over 60 s"):
        scaler.signals().get("shop", "checkout-api", now=shop.now)
    shop.now += 120
    with pytest.raises(NoSignal, match="no calls of checkout-api were seen in the last 120 s"):
        scaler.tick(shop.now).get("shop", "checkout-api", now=shop.now)


def test_unknown_targets_and_unknown_capacity_are_refused_with_words(shop: Shop, make_target: MakeTarget) -> None:
    shop.targets = [make_target(capacity=CapacitySpec())]
    signals = shop.scaler().tick(shop.now)
    with pytest.raises(NoSignal, match="neither `fixed` nor `floor`"):
        signals.get("shop", "checkout-api", now=shop.now)
    with pytest.raises(UnknownTarget, match="there are: shop/checkout-api"):
        signals.get("shop", "cart", now=shop.now)


def test_ends_are_calls_only_where_a_journey_has_no_steps(shop: Shop, make_target: MakeTarget) -> None:
    shop.targets.append(make_target(name="gateway", services=("gateway",)))
    times = [shop.now - back for back in range(10, 70, 10)]
    shop.call(2_000, *times, step="")
    shop.call(300, *times, step="", service="gateway")
    found = shop.scaler().tick(shop.now)
    demand = {
        name: signal.inputs.demand for (_, name), signal in found.by_target.items() if isinstance(signal, ScalingSignal)
    }
    assert {name: each and each.rate for name, each in demand.items()} == {"checkout-api": 50.0, "gateway": 30.0}


def test_an_override_acts_whatever_the_store_does(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    scaler = shop.scaler()
    shop.run(scaler, 2, 50)

    def failing(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(type(shop.store), "arrow", failing)
    shop.now += 300
    shop.overrides.append(Override("1", "checkout-api", 40, 40, shop.now + 60, "ana", "sale", shop.now))
    with pytest.raises(StoreError):
        scaler.tick(shop.now)
    signal = scaler.signals().get("shop", "checkout-api", now=shop.now)
    assert (signal.desired_replicas, signal.decision.held_by) == (40, "override")
    shop.now += 100
    scaler.decide(shop.now)
    with pytest.raises(NoSignal, match="is stale"):
        scaler.signals().get("shop", "checkout-api", now=shop.now)


def test_rises_and_decisions_are_on_record(shop: Shop) -> None:
    scaler = shop.scaler()
    began = shop.now
    shop.run(scaler, 4, 50)
    shop.run(scaler, 2, 400)
    asked = shop.now
    scaler.served("shop", "checkout-api", 5, "keda")
    scaler.served("shop", "checkout-api", 100, "json")
    scaler.served("shop", "checkout-api", 100, "keda")
    shop.run(scaler, 10, 400, every=2.0)
    scaler.write(shop.now)
    workload = shop.targets[0].workload
    first = rises.newest(shop.store, workload, asked)
    assert first is not None
    assert (first.before < first.after, first.served_by, first.served_at) == (True, "json", asked)
    assert began <= first.trigger_at <= first.asked_at <= asked
    [row, *_] = scaling.history(shop.store, "shop", "checkout-api", began, shop.now)
    assert row.t == began
    assert row.desired is not None
    assert row.desired > 5
    assert (row.correction, row.ready, row.per_replica) == (None, None, 10.0)


def test_what_is_held_and_learned_survives_a_restart(shop: Shop, tmp_path: Path) -> None:
    scaler = shop.scaler(tmp_path)
    before = shop.run(scaler, 32, 400, every=4.0)[-1]
    assert before > 20
    scaler.write(shop.now)
    after = shop.run(shop.scaler(tmp_path), 40, 50, every=5.0)
    assert min(after) >= before
    (tmp_path / "scaling.json").write_text('{"format": 1')
    assert shop.run(shop.scaler(tmp_path), 2, 50)[-1] < before


@pytest.mark.parametrize(
    "harm",
    [
        {"memory": {"held": "many"}},
        {"capacity": {"per_replica": None}},
        {"memory": {"needs": 3}},
        {"capacity": {"upper": 0.0}},
    ],
)
def test_a_file_that_was_tampered_with_is_not_believed(tmp_path: Path, harm: dict[str, dict[str, object]]) -> None:
    path, name = tmp_path / "scaling.json", ("shop", "checkout-api")
    kept = Remembered(
        Memory(1.0, 4, ((1.0, 4.0),), surges=((1.0, 6.0),), peaks=((0.5, 6.0),)),
        Capacity(10.0, 11.0, 12.0, learned=True),
    )
    remember(path, {name: kept}, store="it")
    assert recall(path, store="it") == {name: kept}
    said = json.loads(path.read_text())
    for part, values in harm.items():
        said["targets"][0][part] |= values
    path.write_text(json.dumps(said))
    assert recall(path, store="it") == {}


def test_steps_that_are_told_no_more_do_not_make_demand_zero(shop: Shop) -> None:
    past = int(shop.now) - 86_400
    shop.call(500, past, table="cells_1h")
    shop.now += 600
    shop.call(500, *(shop.now - back for back in range(10, 70, 10)), step="")
    demand = shop.scaler().tick(shop.now).get("shop", "checkout-api", now=shop.now).inputs.demand
    assert demand is not None
    assert demand.rate == 50


def test_a_refusal_knows_its_bounds_and_whom_it_heard_instead(shop: Shop, make_target: MakeTarget) -> None:
    shop.targets.append(make_target(name="catalogue", services=("catalogue",), least=2, most=7))
    scaler = shop.scaler()
    shop.run(scaler, 2, 50)
    found = scaler.signals().by_target["shop", "catalogue"]
    assert isinstance(found, Refusal)
    assert (found.least, found.most, found.heard) == (2, 7, ("checkout-api",))


def test_one_targets_trouble_is_its_own(shop: Shop, make_target: MakeTarget, caplog: pytest.LogCaptureFixture) -> None:
    shop.targets.append(make_target(name="broken", capacity=CapacitySpec(fixed=10.0, utilisation=0.0)))
    scaler = shop.scaler()
    shop.run(scaler, 2, 50)
    with pytest.raises(NoSignal, match="it cannot be decided: ZeroDivisionError"):
        scaler.signals().get("shop", "broken", now=shop.now)
    assert caplog.text.count("it cannot be decided") == 1


def test_older_buckets_are_asked_again_now_and_then(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    recent = demand.recent

    def seen(store: Store, begin: int) -> dict[CallsKey, dict[int, int]]:
        asked.append(shop.now - begin)
        return recent(store, begin)

    monkeypatch.setattr(demand, "recent", seen)
    lately = Lately(shop.store)
    key = CallsKey("prod", "checkout-api", "checkout", is_step=True)
    first = lately.look(shop.now)
    shop.call(7, shop.now - 50, shop.now - 10)
    shop.now += 1
    second = lately.look(shop.now)
    assert {int(shop.now - 1 - t): second[key][t] - first[key][t] for t in first[key]} == {
        back: 7 if back == 10 else 0 for back in range(10, 70, 10)
    }
    shop.now += WHOLE_EVERY
    third = lately.look(shop.now)
    assert sum(third[key].values()) == sum(second[key].values()) + 7
    assert [back > 100 for back in asked] == [True, False, True]
    shop.now += 1
    assert lately.look(shop.now) == third
    for _ in range(16):
        shop.now += 4
        assert min(lately.look(shop.now)[key]) >= shop.now - 130


def test_what_runs_is_known_from_the_recorder(shop: Shop) -> None:
    workload = shop.targets[0].workload
    t = int(shop.now) // 10 * 10
    replicas.insert(shop.store, [Sample(workload, t, 12, 12, 9, 90_000, 10_000, 2, shop.now)])
    signal = shop.scaler().tick(shop.now).get("shop", "checkout-api", now=shop.now)
    ran = signal.inputs.replicas
    assert ran is not None
    assert (ran.wanted, ran.ready, ran.rollout) == (12, 9, True)
    assert (signal.desired_replicas, signal.decision.held_by) == (12, "scale_down")


@pytest.fixture
def path(store: Store, make_target: MakeTarget) -> Shop:
    """Of a checkout: the front's one call, and later, through a queue, three of stock's. Of a search: the front's alone. 16 of each begin a second."""
    now = float(int(time.time()) // 60 * 60)
    shop = Shop(store, now, [make_target(), make_target(name="stock", services=("stock",))])
    minutes = np.arange(now - 1_800, now, 60).tolist()
    buckets = [now - back for back in range(10, 130, 10)]
    for journey in ("checkout", "search"):
        shop.begin(960, *minutes, journey=journey, table="flow_1m")
        shop.call(960, *minutes, journey=journey, table="cells_1m")
        shop.begin(160, *buckets, journey=journey)
    shop.call(2_880, *minutes, service="stock", table="cells_1m")
    shop.call(480, *buckets, service="stock")
    shop.call(320, *buckets)
    return shop


def _crowd(shop: Shop, scaler: Scaler, journey: str) -> dict[str, list[ScalingSignal]]:
    """At each tick of ten seconds' calm and four seconds' crowd of a journey, which has not come to stock yet."""
    scaler.refresh(shop.now)
    found: dict[str, list[ScalingSignal]] = {"checkout-api": [], "stock": []}
    for tick in range(28):
        shop.now += 0.5
        for each in ("checkout", "search"):
            begun = 64 if tick >= 20 and each == journey else 8
            shop.begin(begun, journey=each)
            shop.call(begun, journey=each)
        shop.call(24, service="stock")
        signals = scaler.tick(shop.now)
        for name, told in found.items():
            told.append(signals.get("shop", name, now=shop.now))
    assert [told[19].desired_replicas for told in found.values()] == [4, 5]
    return found


def test_when_starts_rise_every_workload_of_the_path_is_raised_in_the_same_tick(path: Shop) -> None:
    scaler = path.scaler()
    told = _crowd(path, scaler, "checkout")
    assert scaler.learner.of(("shop", "stock")).per_start == {("prod", "checkout"): pytest.approx(3.0)}
    rises = {
        name: next(tick for tick, each in enumerate(signals) if each.desired_replicas > signals[19].desired_replicas)
        for name, signals in told.items()
    }
    assert rises["stock"] == rises["checkout-api"] <= 22
    last = told["stock"][-1]
    assert last.inputs.demand is not None
    assert last.inputs.demand.rate == pytest.approx(48, rel=0.1), "its own calls have not come"
    fed = last.inputs.fed_forward
    assert fed is not None
    assert fed.surge
    assert 2.5 * 48 < fed.rate < 3 * 128
    assert last.desired_replicas > 12
    assert last.reason.endswith("(feed-forward)")


def test_starts_of_a_journey_that_goes_elsewhere_raise_nothing(path: Shop) -> None:
    told = _crowd(path, path.scaler(), "search")
    assert told["checkout-api"][-1].desired_replicas > 8
    assert {each.desired_replicas for each in told["stock"]} == {5}


def test_without_targets_nothing_is_asked(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.targets = []
    monkeypatch.setattr(type(shop.store), "client", lambda _: pytest.fail("the store was asked"))
    scaler = shop.scaler()
    for work in (scaler.tick, scaler.refresh, scaler.forecast, scaler.write):
        work(shop.now)
        shop.now += SHARED_EVERY
    assert scaler.signals().by_target == {}


def test_what_was_counted_is_looked_at_and_decided_at_once(shop: Shop) -> None:
    scaler = shop.scaler()
    shop.run(scaler, 2, 50)
    running = ScalingLoop(scaler, tell=lambda *_: None, tick_seconds=60, now=lambda: shop.now)
    running.start()
    try:
        for _ in range(3):
            shop.now += 1
            running.counted()
            end = time.monotonic() + 5
            while scaler.signals().decided_at != shop.now:
                assert time.monotonic() < end
                time.sleep(0.005)
    finally:
        began = time.monotonic()
        running.stop()
    assert time.monotonic() - began < 5, "not at the end of the tick"


def test_a_store_that_hangs_stops_neither_readers_nor_overrides(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    scaler = shop.scaler()
    shop.run(scaler, 2, 50)
    released, hanging = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        hanging.set()
        released.wait(20)
        raise StoreError("it hung")

    for name in ("arrow", "rows", "insert"):
        monkeypatch.setattr(type(shop.store), name, hang)
    told: list[str | None] = []
    running = ScalingLoop(scaler, tell=lambda _, problem: told.append(problem), tick_seconds=0.05, now=lambda: shop.now)
    running.start()
    try:
        assert hanging.wait(5)
        shop.overrides.append(Override("1", "checkout-api", 40, 40, shop.now + 60, "ana", "sale", shop.now))
        end = time.monotonic() + 5
        while scaler.signals().get("shop", "checkout-api", now=shop.now).desired_replicas != 40:
            assert time.monotonic() < end
    finally:
        released.set()
        running.stop()
    assert any(problem and "it hung" in problem for problem in told)
