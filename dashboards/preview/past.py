"""A month of the demo's shop in a store, made by maibo itself at a simulated clock; the last hours as fine as in earnest.

Spans go through the acceptors' decoder, their log and the drain; the engine judges minutes, alerting fires and resolves, scaling decides and forecasts.
Only customers, service times and the cluster's pods are made up (`traffic`, `cluster`). It takes a quarter of an hour, and is kept.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import numpy as np
from prometheus_client import CollectorRegistry

from maibo_alerting.evaluating.evaluator import Evaluator
from maibo_alerting.evaluating.record import Record as AlertRecord
from maibo_collectors.otlp.body import Encoding
from maibo_collectors.otlp.decoding.rules import Rules
from maibo_collectors.otlp.draining import drain as drains
from maibo_collectors.otlp.draining.drain import Drain
from maibo_collectors.otlp.metrics import CoreMetrics
from maibo_collectors.otlp.receiving.reading import CountingReader
from maibo_collectors.otlp.segment import SEALED, Kind, Record, body_hash, header
from maibo_slo.engine.evaluate import Engine
from maibo_slo.engine.scaling.decide import Memory, decide
from maibo_slo.engine.scaling.inputs import Capacity, Demand, Inputs, Replicas
from maibo_slo.engine.scaling.scaler import Scaler
from maibo_slo.engine.scaling.signal import ScalingSignal
from maibo_slo.sources.scaleups import Scaleups
from maibo_slo.store import demand, open_store, replicas, scaleups, scaling
from maibo_slo.store.scaling import Decided

from .cluster import SYNC_SECONDS, Cluster
from .traffic import DAY, HOUR, MINUTE, Shop, Story, arrivals, bodies

if TYPE_CHECKING:
    from pathlib import Path

    from maibo_slo.documents import Catalogue
    from maibo_slo.store import Store

DAYS: Final = 30
FINE_HOURS: Final = 7
FINE_SECONDS, COARSE_SECONDS = 20, 2 * HOUR
"""Of a step of the last hours, and of those before."""
RETRIED: Final = 0.03
"""The share of bodies whose sender did not hear that they were taken, and sent them again."""
LOOKED_SECONDS: Final = 600
"""Over which demand is taken where steps are coarse, and scale-ups are looked at again."""
LOOKED_BEFORE_SECONDS: Final = 55
"""The end: just after minutes went in, as they do every few seconds in earnest and once a minute here."""
SETTLED_SECONDS: Final = 120
"""Until scale-ups of a minute are counted."""


def made(folder: Path, catalogue: Catalogue) -> tuple[str, int]:
    """Where the store is, and when (unix s) somebody looks at it. What was made before is taken as it is."""
    told = folder / "past.json"
    if not told.exists():
        end = int(time.time()) // HOUR * HOUR
        for name in ("log", "kept", "corrupt", "metrics"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        with open_store(f"chdb://{folder / 'store'}") as store:
            Past(store, catalogue, folder, Story(end - DAYS * DAY, end)).make()
        told.write_text(json.dumps({"end": end}))
    return f"chdb://{folder / 'store'}", int(json.loads(told.read_text())["end"]) - LOOKED_BEFORE_SECONDS


@dataclass
class Clock:
    """What the drain takes for the time."""

    now: float = 0.0

    def time_ns(self) -> int:
        return int(self.now * 1e9)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


class Past:
    """The service's parts, driven one after the other."""

    def __init__(self, store: Store, catalogue: Catalogue, folder: Path, story: Story) -> None:
        self._store = store
        self._catalogue = catalogue
        self._folder = folder
        self._story = story
        self._clock = Clock()
        self._reader = CountingReader(Rules(journeys=tuple(catalogue.journeys)))
        metrics = CoreMetrics(
            CollectorRegistry(), folder / "metrics", lag_seconds=lambda: 0, segments_waiting=lambda: 0
        )
        self._drain = Drain(store, folder / "log", folder / "kept", folder / "corrupt", metrics)
        self._engine = Engine(store, lambda: catalogue, memory_path=folder / "engine.json")
        self._evaluator = Evaluator(folder / "alerts.json", store=store)
        self._record = AlertRecord(store)
        self._scaler = Scaler(store, lambda: catalogue)
        (target,) = catalogue.scaling_targets.values()
        self._target = target
        self._name = target.workload.namespace, target.name
        self._cluster = Cluster(target.workload, target.least)
        self._memory = Memory()
        self._dice = Random(9)  # noqa: S311 -- a story, not a secret
        self._segments = 0

    def make(self) -> None:
        """From the begin to the end of the story."""
        fine = self._story.end - FINE_HOURS * HOUR
        coarse = range(fine - COARSE_SECONDS * ((fine - self._story.begin) // COARSE_SECONDS), fine + 1, COARSE_SECONDS)
        ends = [*coarse, *range(fine + FINE_SECONDS, self._story.end + 1, FINE_SECONDS)]
        shop = Shop(self._story)
        with mock.patch.object(drains, "time", self._clock):
            for end, body in bodies(shop, arrivals(self._story), ends):
                self._clock.now = end + 1.2
                self._take(body)
                if end <= fine or end % MINUTE == 0:
                    self._drain.roll_up(now=time.monotonic())
                if end <= fine:
                    self._decide_once(end)
                if end == fine:
                    self._judge_all(end)
                if end > fine:
                    self._live(end + 1.5)
                if end % HOUR == 0:
                    sys.stderr.write(f"\r{(end - self._story.end) / HOUR:6.0f} h ")
        self._judge_all(self._story.end)
        self._evaluator.stop()
        self._record.stop()
        sys.stderr.write("\n")

    def _take(self, body: bytes) -> None:
        """As an acceptor does, and then the drain."""
        if not body:
            return
        self._put(body)
        if self._dice.random() < RETRIED:
            self._put(body)
        while self._drain.once(now=time.monotonic(), roll_up=False):
            pass

    def _put(self, body: bytes) -> None:
        read = self._reader.read(
            Kind.TRACES_PROTOBUF, body, sent=body, encoding=Encoding.IDENTITY, received_ns=self._clock.time_ns()
        )
        if read.record is None or read.rejected:
            raise ValueError(f"the shop's spans were not taken: {read.message}")
        record = Record(body_hash(body), self._clock.time_ns(), read.items, read.encoding, read.record, read.kind)
        self._segments += 1
        whole = self._folder / "log" / f"{self._clock.time_ns() + self._segments:020d}-0-ab.new"
        whole.write_bytes(header(record) + record.body)
        whole.rename(whole.with_suffix(SEALED))

    def _judge_all(self, now: int) -> None:
        self._offer(self._story.begin, now)
        while self._engine.tick(now=now).pending_minutes:
            pass

    def _offer(self, begin: int, now: float) -> None:
        """What the feeder does: SLOs of scale-ups, by the minute of the decision."""
        source, end = Scaleups(self._store, now=lambda: now), int(now) // MINUTE * MINUTE - SETTLED_SECONDS
        for slo in self._catalogue.scaleup_slos.values():
            counts = source.counts(slo, begin // MINUTE * MINUTE, end)
            self._engine.offer(slo.name, counts, source=source.source_of(slo))

    def _decide_once(self, now: int) -> None:
        """Where steps are coarse: one decision, on what was counted of the last minutes."""
        self._scaler.learner.prepare(now)
        rates = demand.history(self._store, self._scaler.learner.calls(self._target), now - LOOKED_SECONDS, now)
        rate, capacity = float(np.nan_to_num(rates).mean()), self._target.capacity.fixed or 0.0
        pods = self._cluster
        inputs = Inputs(
            float(now),
            demand=Demand(rate, float(now), round(rate * LOOKED_SECONDS), float(LOOKED_SECONDS)),
            capacity=Capacity(capacity, capacity, capacity, learned=False, why="fixed"),
            replicas=Replicas(pods.wanted, pods.ready(now), now),
        )
        decision, self._memory = decide(self._target, inputs, self._memory)
        row = Decided(
            now, *self._name, decision.desired, decision.lower, decision.upper, ready=pods.ready(now), wanted=pods.wanted,
            demand=rate, per_replica=capacity, age=1.5, held_by=decision.held_by, reason=decision.reason,
        )  # fmt: skip
        scaling.insert(self._store, [row], version=now * 10**6)
        pods.slowness = 1 + 5 * (self._story.end - now) / (DAYS * DAY)
        pods.calm(now)
        scaleups.append(self._store, pods.follow(decision.desired, now, trigger=now - 4.0))

    def _live(self, now: float) -> None:
        """What the service does in the seconds of a step."""
        self._scaler.read(now)
        for at in (now, now + 10):
            signal = self._scaler.decide(at).by_target[self._name]
            if int(at) % SYNC_SECONDS < 10 and isinstance(signal, ScalingSignal):
                trigger = signal.observed_at - 2 if signal.desired_replicas > self._cluster.wanted else None
                scaleups.append(self._store, self._cluster.follow(signal.desired_replicas, at, trigger=trigger))
            replicas.insert(self._store, [self._cluster.sample(at)], version=int(at * 1e6))
        if int(now) % MINUTE >= FINE_SECONDS:
            return
        self._scaler.forecast(now)
        self._scaler.refresh(now)
        self._scaler.write(now)
        self._offer(int(now) - LOOKED_SECONDS, now)
        outcome = self._evaluator.evaluate(self._engine.tick(now=now), now=now)
        self._record.write(outcome.states.values())
        while self._record.is_busy:
            time.sleep(0.002)
