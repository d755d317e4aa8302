"""A shop measured by the real pipeline."""

from __future__ import annotations

import random
import secrets
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import CollectorRegistry

from maibo import semconv
from maibo_alerting.evaluating.record import Record as AlertRecord
from maibo_alerting.evaluating.state import BURN, Key
from maibo_alerting.evaluating.state import State as AlertState
from maibo_collectors.otlp.body import Encoding
from maibo_collectors.otlp.decoding.rules import Rules
from maibo_collectors.otlp.draining.drain import Drain
from maibo_collectors.otlp.metrics import CoreMetrics
from maibo_collectors.otlp.receiving.reading import CountingReader
from maibo_collectors.otlp.segment import SEALED, Kind, Record, body_hash, header
from maibo_slo.documents import (
    COMPOSITE,
    Calendar,
    Catalogue,
    CellSelector,
    Correction,
    Journey,
    Objective,
    Origin,
    Sli,
    Slo,
    Step,
)
from maibo_slo.engine.evaluate import Engine
from maibo_slo.engine.scaling.inputs import Override
from maibo_slo.engine.scaling.overrides import Overrides
from maibo_slo.engine.told import ToldCorrections
from maibo_slo.store import Store, open_store, scaleups

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from maibo_slo.engine.state import Assessment

HERE = Origin("examples.yaml", 1)
MINUTE = 60
DAY = 86_400
S = 10**9
STEPS = (Step("cart", "Cart"), Step("payment", "Payment, at last"), Step("gift", "Gift wrap"))


def journey(name: str, title: str, *, threshold_us: int | None) -> Journey:
    return Journey(
        name=name,
        display_name=title,
        description="",
        service="shop",
        steps=STEPS if name == "checkout" else (),
        timeout_seconds=900,
        threshold_us=threshold_us,
        labels={},
        origin=HERE,
    )


def slo(name: str, journey: str) -> Slo:
    return Slo(
        name=name,
        display_name="Checkout is fast",
        description="",
        service="shop",
        indicator=Sli(
            name=name,
            total=CellSelector(journey),
            good=CellSelector(journey, outcomes=frozenset({"success"}), max_duration_us=500_000),
        ),
        objectives=(Objective("0.99", 0.99), Objective("it's $99.9 %", 0.999)),
        window_seconds=7 * 86_400,
        labels={},
        origin=HERE,
    )


@dataclass(frozen=True)
class Shop:
    """Two hours and a half of two journeys, sent as OTLP, and what the engine then knew of them."""

    dsn: str
    catalogue: Catalogue
    begin: int
    end: int
    assessments: tuple[Assessment, ...]


def measure(folder: Path, make_scaleup: Any) -> Shop:
    """Spans -> the acceptors' decoder -> their log -> the drain -> cells -> the engine's ticks -> the ledger; and what people and alerting tell.

    In the second half, version 2.0 of payment fails and is slow, and is rolled back. Nobody came for the minutes 40 to 44.
    """
    for name in ("log", "kept", "corrupt", "metrics"):
        (folder / name).mkdir()
    end = int(time.time()) // MINUTE * MINUTE
    begin = end - 150 * MINUTE
    catalogue = _catalogue()
    dsn = f"chdb://{folder / 'store'}"
    with open_store(dsn) as store:
        reader = CountingReader(Rules(journeys=tuple(catalogue.journeys)))
        for number, body in enumerate(_bodies(begin)):
            reading = reader.read(
                Kind.TRACES_PROTOBUF, body, sent=body, encoding=Encoding.IDENTITY, received_ns=time.time_ns()
            )
            assert reading.record is not None
            assert not reading.rejected, reading.message
            record = Record(
                body_hash(body), time.time_ns(), reading.items, reading.encoding, reading.record, reading.kind
            )
            whole = folder / "log" / f"{number:020d}-0-ab.new"
            whole.write_bytes(header(record) + record.body)
            whole.rename(whole.with_suffix(SEALED))
        metrics = CoreMetrics(
            CollectorRegistry(), folder / "metrics", lag_seconds=lambda: 0, segments_waiting=lambda: 0
        )
        drain = Drain(store, folder / "log", folder / "kept", folder / "corrupt", metrics)
        while drain.once(now=time.monotonic()):
            pass
        engine = Engine(store, lambda: catalogue, memory_path=folder / "engine.json")
        while engine.tick(now=end).pending_minutes:
            pass
        assessments = engine.snapshot().assess(now=end)
        _tell(store, make_scaleup, begin, end)
    return Shop(dsn, catalogue, begin, end, assessments)


def _catalogue() -> Catalogue:
    """An SLO of each kind that the ledger tells apart."""
    fast = slo("checkout-fast", "checkout")
    succeeded = Sli(
        "succeeded", CellSelector("checkout"), good=CellSelector("checkout", outcomes=frozenset({"success"}))
    )
    browsed = Sli("browsed", CellSelector("search"), good=CellSelector("search", outcomes=frozenset({"success"})))
    plain = replace(fast, indicator=succeeded, objectives=(Objective("0.9", 0.9),), window_seconds=28 * DAY)
    parts = (
        Objective("buying", 0.9, indicator=succeeded, weight=0.75),
        Objective("looking", 0.95, indicator=browsed, weight=0.25),
        Objective(COMPOSITE, 0.9),
    )
    slos = (
        fast,
        replace(plain, name="checkout-by-tier", group_by=("tier", "region")),
        replace(plain, name="checkout-monthly", calendar=Calendar(1, "M", datetime(2026, 1, 1), "Europe/Berlin")),  # noqa: DTZ001 -- as documents have it
        replace(plain, name="checkout-slices", method="Timeslices", objectives=(Objective("0.8", 0.8, 300, 0.95),)),
        replace(plain, name="shop-whole", objectives=parts),
        replace(
            plain,
            name="silent",
            indicator=replace(succeeded, total=CellSelector("nobody"), good=CellSelector("nobody")),
        ),
    )
    journeys = (journey("checkout", "Checkout", threshold_us=500_000), journey("search", "Search", threshold_us=None))
    return Catalogue(journeys={each.name: each for each in journeys}, slos={each.name: each for each in slos})


def _bodies(begin: int) -> Iterator[bytes]:
    """A request for each ten minutes, as the SDK's exporter writes it."""
    dice = random.Random(7)
    for tenth in range(15):
        request = ExportTraceServiceRequest()
        spans = {
            service: _resource(request, *service) for service in (("shop", "3"), ("payment", "1.9"), ("payment", "2.0"))
        }
        for minute in range(tenth * 10, tenth * 10 + 10):
            if not 40 <= minute < 45:
                for _ in range(dice.randrange(8, 16)):
                    _visit(dice, spans, begin + minute * MINUTE + dice.randrange(20), bad=80 <= minute < 110)
        yield request.SerializeToString()


def _resource(request: ExportTraceServiceRequest, service: str, version: str) -> Any:
    resource = request.resource_spans.add()
    told = {
        semconv.SERVICE_NAME: service,
        semconv.SERVICE_VERSION: version,
        semconv.REGION: "us" if version == "2.0" else "eu",
    }
    for key, value in told.items():
        resource.resource.attributes.add(key=key).value.string_value = value
    return resource.scope_spans.add().spans


def _visit(dice: random.Random, spans: Mapping[tuple[str, str], Any], began: int, *, bad: bool) -> None:
    """Somebody looks around, and may buy: fills the cart, pays."""
    told: dict[str, str | int | bool] = {
        semconv.JOURNEY_ID: secrets.token_hex(16),
        semconv.JOURNEY_START_TIME: began * 10**6,
        semconv.JOURNEY_TIER: dice.choice(["vip", "standard", "standard"]),
    }
    front, back = spans["shop", "3"], spans["payment", "2.0" if bad else "1.9"]
    if dice.random() < 0.4:
        lasted = dice.randrange(10_000_000, 90_000_000)
        _span(
            front,
            told
            | {semconv.JOURNEY_NAME: "search", semconv.JOURNEY_STARTED: True, semconv.JOURNEY_OUTCOME: semconv.SUCCESS},
            began,
            lasted,
        )
        return
    told |= {semconv.JOURNEY_NAME: "checkout"}
    _span(front, told | {semconv.JOURNEY_STARTED: True}, began, 0)
    _span(front, told | {semconv.JOURNEY_STEP: "cart"}, began, dice.randrange(5_000_000, 50_000_000))
    if dice.random() < 0.1:  # never seen again
        return
    lasted = int(dice.lognormvariate(19.3 if bad else 18.8, 0.6))
    outcome = (
        semconv.FAILURE
        if dice.random() < (0.3 if bad else 0.02)
        else semconv.ABANDONED
        if dice.random() < 0.05
        else semconv.SUCCESS
    )
    failed = {semconv.JOURNEY_FAILURE_REASON: "card declined"} if outcome == semconv.FAILURE else {}
    _span(
        back, told | failed | {semconv.JOURNEY_STEP: "payment"}, began, lasted // 2, failed=outcome == semconv.FAILURE
    )
    _span(back, told | failed | {semconv.JOURNEY_OUTCOME: outcome}, began, lasted, failed=outcome == semconv.FAILURE)


def _span(
    spans: Any, attributes: Mapping[str, str | int | bool], began: int, lasted_ns: int, *, failed: bool = False
) -> None:
    span = spans.add(
        trace_id=secrets.token_bytes(16),
        span_id=secrets.token_bytes(8),
        name="a span",
        start_time_unix_nano=began * S,
        end_time_unix_nano=began * S + lasted_ns,
    )
    span.status.code = 2 if failed else 0
    for key, value in attributes.items():
        of = span.attributes.add(key=key).value
        if isinstance(value, bool):
            of.bool_value = value
        elif isinstance(value, int):
            of.int_value = value
        else:
            of.string_value = value


def _tell(store: Store, make_scaleup: Any, begin: int, end: int) -> None:
    """An alert that fires and one that ended, two corrections and one that was cancelled, an override, a scale-up."""
    record = AlertRecord(store)
    fires = AlertState(
        Key(BURN, "checkout-fast", "0.99", "", "page"),
        "firing",
        begin + 6000.5,
        begin + 6000.5,
        annotations={"summary": "checkout burns"},
    )
    ended = replace(fires, key=fires.key._replace(objective="it's $99.9 %"), phase="resolved", since=begin + 7000.0)
    record.write([fires, ended])
    while record.is_busy:
        time.sleep(0.01)
    record.stop()
    told = ToldCorrections(store)
    start = datetime.fromtimestamp(begin + 1800, UTC).replace(tzinfo=None)
    kinds: list[tuple[str, Any]] = [("node-drill", "chaos"), ("db-upgrade", "other"), ("mistake", "other")]
    for name, kind in kinds:
        told.add(
            Correction(
                name, kind, "annotate", start, 600, "UTC", journeys=("checkout",), who="ada", why=f"{name}, planned"
            ),
            at=begin,
        )
    told.cancel("mistake", who="ada", why="typo", at=begin + 60)
    scaleups.append(store, [make_scaleup(begin + 3000.0, [{"created": 1, "ready": 20, "in_rotation": 21}])])
    overrides = Overrides(store, now=lambda: end)
    overrides.say(Override("1", "shop/checkout-api", 4, None, begin + 5400.0, "ada", "sale", begin + 3600.0))
