"""What `pages.py` asks about: 50 journeys of 10 series each, 1,000 SLOs, 20 scaling targets, and what happened to them.

Each series has 5 events in every 10 s of the last day, of which the last hour came through segments, as the engine counts it; one journey has seven
days. The ledger has a day of every SLO, and of that journey's 35: what their windows reach.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from maibo_slo.documents import Catalogue, CellSelector, Journey, Objective, Origin, Sli, Slo, Step
from maibo_slo.documents.scaling_kinds import CapacitySpec, ScalingTarget
from maibo_slo.store import cells, counts, events, forecasts, replicas, rises, scaleups, scaling, segments
from maibo_slo.store.cells import CellKey
from maibo_slo.store.client import dictionary
from maibo_slo.store.columns import coded, texts
from maibo_slo.store.counts import Counts
from maibo_slo.store.events import Event
from maibo_slo.store.forecasts import Forecasted
from maibo_slo.store.histogram import bin_of
from maibo_slo.store.replicas import Sample
from maibo_slo.store.rises import Rise
from maibo_slo.store.scaleups import Moment, PodState, PodTimes, ScaleUp, ScaleUpState, Stage
from maibo_slo.store.scaling import Decided
from maibo_slo.store.segments import SegmentRecord
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.store import Store

JOURNEYS, SERIES_OF_EACH, SLOS_OF_EACH, TARGETS = 50, 10, 20, 20
HOUR, DAY = 3600, 86_400
LONG = "journey-07"
"""It has a week of cells, and 35 days in the ledger."""
ALERTS, SCALEUPS, WRITES = 400, 300, 300
PODS = 10
STEPS = ("", "cart", "payment")
HERE = Origin("benchmark.yaml", 1)


def catalogue() -> Catalogue:
    steps = (Step("cart", "Cart"), Step("payment", "Payment"))
    journeys = {name: Journey(name, name, "", "shop", steps, 1800, 500_000, {}, HERE) for name in names()}
    slos = {slo.name: slo for name in names() for slo in slos_over(name)}
    targets = {target.name: target for target in map(target_of, names()[:TARGETS])}
    return Catalogue(journeys=journeys, slos=slos, scaling_targets=targets)


def slos_over(journey: str) -> list[Slo]:
    found = []
    for number in range(SLOS_OF_EACH):
        limit = 100_000 * (1 + number)
        good = CellSelector(journey, outcomes=frozenset({"success"}), max_duration_us=limit)
        name = f"{journey}-slo-{number}"
        sli = Sli(name, CellSelector(journey), good=good)
        found.append(Slo(name, name, "", "shop", sli, (Objective("0.99", 0.99),), 28 * DAY, {}, HERE))
    return found


def target_of(journey: str) -> ScalingTarget:
    name = f"{journey}-api"
    workload = Workload("shop", "Deployment", name)
    capacity = CapacitySpec(fixed=5.0)
    return ScalingTarget(name, name, "", workload, ("shop",), (journey,), (), (), capacity, 2, 60, origin=HERE)


def names() -> list[str]:
    return [f"journey-{number:02}" for number in range(JOURNEYS)]


def fill(store: Store, now: int) -> None:
    last = now // 10 * 10
    fill_last_hour(store, last, now)
    fill_before(store, names(), last - DAY, last - HOUR)
    fill_before(store, [LONG], last - 7 * DAY, last - DAY)
    fill_ledger(store, [slo.name for name in names() for slo in slos_over(name)], last - DAY, last - HOUR)
    fill_ledger(store, [slo.name for slo in slos_over(LONG)], last - 35 * DAY, last - DAY)
    fill_events(store, now)
    for name in names()[:TARGETS]:
        fill_target(store, target_of(name), last)


def fill_last_hour(store: Store, last: int, now: int) -> None:
    """In three inserts or so: 10 series a journey by version and region, in three steps."""
    counted: dict[CellKey, int] = {}
    for t in range(last - HOUR, last, 10):
        for number, name in enumerate(names()):
            for one in range(SERIES_OF_EACH):
                outcome = "failure" if (t // 10 + one + number) % 20 == 0 else "success"
                step = STEPS[(t // 10 + one) % 3] if one % 2 else ""
                duration = bin_of((20 + (one * 37 + number * 11 + t // 10) % 900) * 10**6)
                key = CellKey(t, *series_of(name, one, step, outcome), int(duration))
                counted[key] = counted.get(key, 0) + 5
        if len(counted) > 100_000:
            insert(store, counted, now)
            counted = {}
    insert(store, counted, now)


def series_of(journey: str, one: int, step: str, outcome: str) -> tuple[str, ...]:
    """Dimensions and outcome."""
    version, region, tier = f"1.{one % 2}.0", f"eu-{one // 2}", "vip" if one % 3 == 0 else "standard"
    return (journey, step, "", "shop", version, "", region, tier, "", outcome)


def insert(store: Store, counted: dict[CellKey, int], now: int) -> None:
    token = f"cells to {max(key.t for key in counted)}"
    cells.insert_cells(store, counted, token=token)
    minutes = tuple(sorted({key.t // 60 * 60 for key in counted}))
    segments.record(store, SegmentRecord(token, now * 1000, 1, 0, len(counted), len(counted), 0, 0, minutes))


def fill_before(store: Store, journeys: Sequence[str], begin: int, end: int) -> None:
    """The same pattern, straight into minutes and hours."""
    series = [
        series_of(name, one, step, outcome)
        for name in journeys
        for one in range(SERIES_OF_EACH)
        for step in STEPS
        for outcome in ("success", "failure")
    ]
    t, journey, one = np.meshgrid(
        np.arange(begin, end, 10), np.arange(len(journeys)), np.arange(SERIES_OF_EACH), indexing="ij"
    )
    number = np.array([int(name[-2:]) for name in journeys])[journey]
    milliseconds = (20 + (one * 37 + number * 11 + t // 10) % 900).ravel()
    bins = np.array([bin_of(each * 10**6) for each in range(1000)], np.uint16)
    rows = np.zeros(t.size, counts.CELL)
    rows["t"] = t.ravel()
    step = np.where(one % 2, (t // 10 + one) % 3, 0)
    failed = (t // 10 + one + number) % 20 == 0
    rows["series"] = (((journey * SERIES_OF_EACH + one) * len(STEPS) + step) * 2 + failed).ravel()
    rows["bin"] = bins[milliseconds]
    rows["n"] = 5
    counts.insert_minutes(store, Counts(series, rows), token=f"minutes from {begin}")


def fill_ledger(store: Store, slos: Sequence[str], begin: int, end: int) -> None:
    """Some 300 events a minute, a hundredth of them bad, more in some hours."""
    minutes = np.arange(begin // 60 * 60, end // 60 * 60, 60)
    chance = np.random.default_rng(1)
    most = max(1, 1_000_000 // len(minutes))
    for first in range(0, len(slos), most):
        some = slos[first : first + most]
        number = len(some) * len(minutes)
        t = np.tile(minutes, len(some)).astype(np.uint32)
        bad = chance.poisson(3 * (1 + 3 * (t // HOUR % 7 == 0))).astype(np.uint64)
        store.insert(
            "sli",
            {
                "slo": coded(np.repeat(np.arange(len(some), dtype=np.int32), len(minutes)), texts(some)),
                "objective": dictionary(["0.99"] * number),
                "grp": dictionary([""] * number),
                "t": t,
                "good": np.full(number, 300, np.uint64) - bad,
                "bad": bad,
                "expected": np.full(number, 300, np.uint64),
                "source": dictionary(["cells"] * number),
                "version": np.ones(number, np.uint64),
            },
            settings={"insert_deduplicate": 0},
        )


def fill_events(store: Store, now: int) -> None:
    """A busy day: alerts that fire for ten minutes, scale-ups, rises, writes, overrides."""
    every = DAY // ALERTS
    alerts = []
    for number in range(ALERTS):
        slo, begin = f"{names()[number % JOURNEYS]}-slo-{number % SLOS_OF_EACH}", now - DAY + number * every
        told = [{"destination": "on-call", "status": "firing", "at": begin + 5}]
        detail = {"name": "MaiboBudgetBurn", "objective": "0.99", "group": "", "severity": "page", "notices": told}
        detail |= {"summary": f"{slo} burns its budget 20 times as fast as it lasts", "reason": "over"}
        fires = number > ALERTS - 5
        alerts.append(Event(f"alert@{number}", "alert", slo, begin, None if fires else begin + 600, detail))
    overrides = [
        Event(
            f"override@{number}",
            "override",
            f"{names()[number]}-api",
            now - 3600 * number - 1800,
            now - 3600 * number,
            {"min_replicas": 10, "max_replicas": None, "who": "ana", "why": "sale"},
        )
        for number in range(10)
    ]
    writes = [
        Event(
            f"write@{number}",
            "scale_write",
            f"shop/Deployment/{names()[number % TARGETS]}-api",
            now - DAY + number * 280,
            now - DAY + number * 280,
            {
                "before": 10,
                "after": 14,
                "reason": "14 replicas: 60 calls/s",
                "target": f"{names()[number % TARGETS]}-api",
            },
        )
        for number in range(WRITES)
    ]
    events.append(store, [*alerts, *overrides, *writes])
    scaleups.append(store, [scaleup(number, now - DAY + number * 285) for number in range(SCALEUPS)])
    rises.append(
        store,
        [
            Rise(
                f"rise@{number}",
                workload(number),
                f"{names()[number % TARGETS]}-api",
                at - 1.0,
                at,
                10,
                14,
                "14 replicas",
            )
            for number in range(SCALEUPS)
            for at in (now - DAY + number * 285.0 - 2,)
        ],
    )


def workload(number: int) -> Workload:
    return Workload("shop", "Deployment", f"{names()[number % TARGETS]}-api")


def scaleup(number: int, at: float) -> ScaleUp:
    stages = (Stage.CREATED, Stage.SCHEDULED, Stage.PULLED, Stage.STARTED, Stage.READY, Stage.IN_ROTATION)
    pods = [
        PodTimes(
            f"pod-{number}-{one}",
            f"node-{one}",
            PodState.SERVING,
            {stage: Moment(at + 1 + place + one / 10, at + 1 + place + one / 10) for place, stage in enumerate(stages)},
        )
        for one in range(PODS)
    ]
    moments = {Stage.TRIGGER: Moment(at - 3, at - 3), Stage.DECIDED: Moment(at, at)} | dict(pods[-1].moments)
    return ScaleUp(
        f"{workload(number)}@{round(at * 1000)}",
        workload(number),
        10,
        10 + PODS,
        "keda",
        "demand",
        moments,
        pods,
        ScaleUpState.COMPLETE,
        ended=at + 8,
    )


def fill_target(store: Store, target: ScalingTarget, last: int) -> None:
    """Six hours of decisions and pods, and forecasts of each minute."""
    space, name = target.workload.namespace, target.name
    decided, ran = [], []
    for t in range(last - 6 * HOUR, last, 10):
        wished = 8 + (t // 600) % 5
        why = f"{wished} replicas: {5 * wished} calls/s"
        decided.append(
            Decided(
                t, space, name, wished, wished - 1, wished + 1, wished, demand=5.0 * wished, per_replica=5.0, reason=why
            )
        )
        ran.append(Sample(target.workload, t, wished, wished, wished, wished * 10_000, 10_000, 1, float(t)))
    scaling.insert(store, decided, version=time.time_ns() // 1000)
    replicas.insert(store, ran)
    said = {0.1: 30.0, 0.5: 40.0, 0.9: 50.0}
    made = [Forecasted(space, name, t, t + 90, "day", "", 1.0, said, 42.0) for t in range(last - 6 * HOUR, last, 60)]
    forecasts.insert(store, made)
