"""Journeys and scale-ups on ``/metrics``: counters go up by what comes, once, whatever time it is of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from maibo.semconv import OVERFLOW
from maibo_slo.documents import Catalogue, Journey, Origin
from maibo_slo.documents.scaling_kinds import CapacitySpec, ScalingTarget
from maibo_slo.errors import StoreError
from maibo_slo.service import journey_metrics, scaleup_metrics
from maibo_slo.service.journey_metrics import EDGES_US, LATE_SECONDS, JourneyCollector
from maibo_slo.service.scaleup_metrics import ScaleUpCollector
from maibo_slo.store import scaleups
from maibo_slo.store.cells import CellKey, insert_cells
from maibo_slo.store.histogram import bin_of, on_grid
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from maibo_slo.store import Store

NOW = 1_767_225_605
WORKLOAD = "shop/Deployment/checkout-api"


@pytest.fixture(autouse=True)
def _kept_for_ever(store: Store) -> None:
    for table in ("cells_10s", "events"):
        store.execute(f"ALTER TABLE {table} REMOVE TTL")  # their day is fixed, the engine's clock is not


class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def catalogue() -> Catalogue:
    checkout = Journey("checkout", "Checkout", "", "shop", (), 1800, 350_000, {}, Origin("", 1))
    target = ScalingTarget(
        "checkout-api",
        "",
        "",
        Workload.of(WORKLOAD),
        services=("checkout-api",),
        journeys=(),
        slos=(),
        environments=(),
        capacity=CapacitySpec(fixed=40.0),
        least=2,
        most=30,
        origin=Origin("", 1),
    )
    return Catalogue(journeys={"checkout": checkout}, scaling_targets={"checkout-api": target})


def samples(collector: Collector) -> dict[tuple[str, ...], float]:
    """Name and values of labels -> value."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in collector.collect()
        for sample in family.samples
    }


_tokens = iter(range(1000))


def came(
    store: Store, *, at: float, ms: float = 100, n: int = 1, outcome: str = "success", journey: str = "checkout"
) -> None:
    t = int(at) // 10 * 10
    key = CellKey(t, journey, "", "", "shop", "1", "", "eu", "vip", "", outcome, bin_of(int(ms * 1e6)))
    insert_cells(store, {key: n}, token=f"t{next(_tokens)}")


def test_a_declared_journey_is_told_from_the_first_scrape_on(store: Store, clock: Clock) -> None:
    told = samples(JourneyCollector(store, catalogue, now=clock))
    assert [told["maibo_journey_ended_total", "checkout", each] for each in ("success", "failure", "abandoned")] == [
        0,
        0,
        0,
    ]
    assert told["maibo_journey_duration_seconds_bucket", "checkout", "+Inf"] == 0
    assert ("maibo_journey_age_seconds", "checkout") not in told


def test_buckets_are_exact_and_the_threshold_is_one(store: Store, clock: Clock) -> None:
    assert all(map(on_grid, EDGES_US))
    assert (EDGES_US[0], EDGES_US[-1]) == (1_000, 8_000_000_000)
    collector = JourneyCollector(store, catalogue, now=clock)
    samples(collector)
    for ms, n in ((100, 3), (349, 5), (351, 7), (900_000, 11)):
        came(store, at=NOW - 60, ms=ms, n=n)
    came(store, at=NOW - 60, ms=200, n=2, outcome="failure")
    came(store, at=NOW - 60, ms=10, n=13, outcome="abandoned")
    clock.now += 60
    told = samples(collector)
    buckets = {float(key[2]): value for key, value in told.items() if key[0].endswith("_bucket")}
    assert (buckets[0.1], buckets[0.3], buckets[0.35], buckets[0.4], buckets[800.0]) == (3, 5, 10, 17, 17)
    assert buckets[float("inf")] == told["maibo_journey_duration_seconds_count", "checkout"] == 28
    assert told["maibo_journey_ended_total", "checkout", "abandoned"] == 13
    expected = 3 * 0.1 + 5 * 0.349 + 7 * 0.351 + 11 * 900 + 2 * 0.2
    assert told["maibo_journey_duration_seconds_sum", "checkout"] == pytest.approx(expected, rel=0.02)
    assert told["maibo_journey_age_seconds", "checkout"] == pytest.approx(NOW + 60 - (NOW - 60) // 10 * 10 - 10)


def test_what_is_old_is_settled_and_never_counted_twice_or_taken_back(store: Store, clock: Clock) -> None:
    collector = JourneyCollector(store, catalogue, now=clock)
    key = ("maibo_journey_ended_total", "checkout", "success")
    came(store, at=NOW - LATE_SECONDS - 60, n=1000)  # before its time
    came(store, at=NOW - 1800, n=2)
    assert samples(collector)[key] == 0, "Prometheus had them from the maibo that ran before"
    total = 0
    for _ in range(12):
        clock.now += 600
        came(store, at=clock.now - 5, n=1)
        came(store, at=clock.now - 1500, n=1)  # late
        total += 2
        assert samples(collector)[key] == total
    came(store, at=clock.now - LATE_SECONDS - 1300, n=1)  # too late
    clock.now += 300
    assert samples(collector)[key] == total


def test_a_restart_adds_nothing_that_was_told_before(store: Store, clock: Clock) -> None:
    key = ("maibo_journey_ended_total", "checkout", "success")
    bucket = ("maibo_journey_duration_seconds_bucket", "checkout", "+Inf")
    first = JourneyCollector(store, catalogue, now=clock)
    samples(first)
    came(store, at=NOW - 5, n=1000)
    clock.now += 60
    assert samples(first)[key] == 1000
    second = JourneyCollector(store, catalogue, now=clock)
    told = samples(second)
    assert (told[key], told[bucket]) == (0, 0)
    assert told["maibo_journey_age_seconds", "checkout"] < 120, "its age is that of the newest all the same"
    came(store, at=NOW - 1800, n=3)
    for _ in range(10):
        clock.now += 600
        told = samples(second)
        assert (told[key], told[bucket]) == (3, 3)


def test_a_clock_that_is_set_back_takes_nothing_back(store: Store, clock: Clock) -> None:
    collector = JourneyCollector(store, catalogue, now=clock)
    samples(collector)
    clock.now += 60
    came(store, at=clock.now, n=5)
    key = ("maibo_journey_ended_total", "checkout", "success")
    assert samples(collector)[key] == 5
    clock.now -= 50
    assert samples(collector)[key] == 5


def test_the_store_is_asked_seldom_however_many_scrape(store: Store, clock: Clock) -> None:
    collector = JourneyCollector(store, catalogue, now=clock)
    key = ("maibo_journey_ended_total", "checkout", "success")
    samples(collector)
    came(store, at=NOW - 5)
    clock.now += 1
    assert samples(collector)[key] == 0
    clock.now += journey_metrics.FRESH_SECONDS
    assert samples(collector)[key] == 1


def test_of_undeclared_journeys_the_busiest_are_told_and_go_on_being_told(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journey_metrics, "OTHERS", 2)
    collector = JourneyCollector(store, catalogue, now=clock)
    for name, n in (("a", 1), ("b", 5), ("c", 3), ("checkout", 9)):
        came(store, at=NOW - 60, journey=name, n=n)
    names = {key[1] for key in samples(collector)}
    assert names == {"checkout", "b", "c"}
    came(store, at=NOW - 60, journey="a", n=100)
    clock.now += 60
    assert {key[1] for key in samples(collector)} == names


def test_a_scaleup_is_counted_once_when_it_is_over(store: Store, clock: Clock, make_scaleup: Any) -> None:
    pod = {"created": 1, "scheduled": 1.4, "ready": 20, "in_rotation": 21}
    before = make_scaleup(NOW - 600, [pod])
    scaleups.append(store, [before])
    collector = ScaleUpCollector(store, catalogue, now=clock)
    done = ("maibo_scaleups_total", WORKLOAD, "complete", "yes")
    told = samples(collector)
    assert told[done] == 0, "it was over before"
    running = make_scaleup(NOW - 30, [{"created": 1}])
    scaleups.append(store, [running])
    told = samples(collector)
    assert (told[done], told["maibo_scaleups_running", WORKLOAD]) == (0, 1)
    cold = make_scaleup(NOW - 100, [{**pod, "node_provisioned": True}], exact=True)
    scaleups.append(store, [make_scaleup(NOW - 30, [pod], exact=True), cold])
    for _ in range(2):
        told = samples(collector)
        assert (told[done], told["maibo_scaleups_running", WORKLOAD]) == (1, 0)
        assert told["maibo_scaleups_total", WORKLOAD, "complete", "no"] == 1
        assert told["maibo_scaleup_duration_seconds_bucket", WORKLOAD, "20.0"] == 0
        assert told["maibo_scaleup_duration_seconds_bucket", WORKLOAD, "30.0"] == 2
    assert told["maibo_scaleup_duration_seconds_sum", WORKLOAD] == pytest.approx(42)


def test_a_store_that_fails_halfway_makes_nothing_count_twice(
    store: Store, clock: Clock, make_scaleup: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = ScaleUpCollector(store, catalogue, now=clock)
    samples(collector)
    pod = {"created": 1, "ready": 2, "in_rotation": 3}
    scaleups.append(store, [make_scaleup(NOW - 60 - number, [pod]) for number in range(2)])
    find, asked = scaleups.find, iter((True, False))

    def once(store: Store, id_: str) -> Any:
        if not next(asked, True):
            raise StoreError("gone")
        return find(store, id_)

    monkeypatch.setattr(scaleup_metrics.scaleups, "find", once)
    assert samples(collector) == {}
    assert samples(collector)["maibo_scaleups_total", WORKLOAD, "complete", "yes"] == 2


def test_one_that_never_got_there_is_slower_than_any(store: Store, clock: Clock, make_scaleup: Any) -> None:
    collector = ScaleUpCollector(store, catalogue, now=clock)
    samples(collector)
    dead = {"created": 1, "state": "never_ready", "ended": 5.0}
    scaleups.append(store, [make_scaleup(NOW - 20, [dead], ended=5.0)])
    told = samples(collector)
    assert told["maibo_scaleups_total", WORKLOAD, "censored", "yes"] == 1
    assert told["maibo_scaleup_duration_seconds_bucket", WORKLOAD, "600.0"] == 0
    assert told["maibo_scaleup_duration_seconds_bucket", WORKLOAD, "+Inf"] == 1


def test_many_workloads_without_a_target_are_told_together(
    store: Store, clock: Clock, make_scaleup: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaleup_metrics, "OTHERS", 1)
    collector = ScaleUpCollector(store, catalogue, now=clock)
    samples(collector)
    pod = {"created": 1, "ready": 2, "in_rotation": 3}
    made = [make_scaleup(NOW - 60, [pod], workload=f"jobs/Deployment/worker-{number}") for number in range(5)]
    scaleups.append(store, made)
    told = {key[1]: value for key, value in samples(collector).items() if key[0] == "maibo_scaleups_total" and value}
    assert sum(told.values()) == 5
    assert told[OVERFLOW] == 4
