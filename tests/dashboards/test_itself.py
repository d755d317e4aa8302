"""The dashboard of maibo itself: each number on the real engine, held against what was recorded, or what the store says of it."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.dashboards.asking import ask, unix

from maibo_dashboards.boards import itself as board
from maibo_dashboards.render import render
from maibo_dashboards.sql import itself as sql
from maibo_slo.documents import Catalogue
from maibo_slo.store import counts, events, ledger, open_store, scaling, segments, skewed
from maibo_slo.store.scaling import Decided
from maibo_slo.store.segments import SegmentRecord
from maibo_slo.store.selection import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from maibo_slo.store import Store

MINUTE, HOUR = 60, 3600
BEGIN = 1_767_225_600
END = BEGIN + HOUR - 1


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """An hour of batches, decisions, judged minutes and events, and some before and after it."""
    with open_store(f"chdb://{tmp_path_factory.mktemp('itself') / 'store'}") as opened:
        for table in ("segments", "scaling_10s", "events", "sli", "skewed_1m", "cells_1h", "cells_1m", "cells_10s"):
            opened.execute(f"ALTER TABLE {table} REMOVE TTL")  # their day is fixed, the engine's clock is not
        opened.execute("SYSTEM STOP MERGES segments")  # so that a batch that was drained again is in twice
        for done in [*_batches(), replayed()]:
            segments.record(opened, done)
        scaling.insert(opened, _decided(), version=1)
        for t, source, slo in (
            (END - 200, "journey:7d38447feeb66265", "slow"),
            (END - 80, "journey:8bcd434d5bf85306", "fast"),
            (END - 70, "scaleup", "scales"),
        ):
            minutes = [t // MINUTE * MINUTE - MINUTE * back for back in range(5)]
            ledger.append(
                opened, [ledger.Interval(slo, "0.9", "", minute, 5, 1, 6, source) for minute in minutes], version=1
            )
        events.append(opened, list(_events()))
        counts.insert(opened, _counts(), token="counts")
        yield opened


def _batches() -> list[SegmentRecord]:
    """One each 100 s but for ten silent minutes, the oldest first; some of nothing but retries."""
    dice = random.Random(12)
    found = []
    for number, at in enumerate(range(BEGIN - 120, END + 120, 100)):
        if 1200 <= at - BEGIN < 1800:
            continue
        became = [dice.randrange(0, most) for most in (400, 100, 3, 2)]
        newest = (at - dice.randrange(1, 200)) // MINUTE * MINUTE
        minutes = tuple(range(newest - MINUTE * dice.randrange(0, 4), newest + 1, MINUTE)) if number % 7 else ()
        counted, ignored, rejected, gone = became
        found.append(
            SegmentRecord(
                f"batch-{number}",
                at * 1000 + 137,
                dice.randrange(1, 9),
                dice.randrange(0, 2),
                sum(became),
                counted,
                ignored,
                rejected,
                minutes,
                gone,
                dice.randrange(0, 5),
            )
        )
    return found


def replayed() -> SegmentRecord:
    """A batch of the hour, as it is recorded after a crash in between: the same once more."""
    return _batches()[15]


def within() -> list[SegmentRecord]:
    return [each for each in _batches() if BEGIN <= each.drained_at_ms / 1000 < END + 1]


def _decided() -> list[Decided]:
    dice = random.Random(13)
    rows = []
    for t in range(BEGIN, END, 10):
        for target in ("checkout", "cart"):
            silent = target == "cart" and t % 300 < 60
            why = f"what it follows is {t - BEGIN} s old, over 60 s" if t % 600 < 60 else "no capacity"
            rows.append(
                Decided(t, "shop", target, None, held_by="no_data", reason=why) if silent
                else Decided(t, "shop", target, 4, age=dice.uniform(0, 30), reason="4 replicas")
            )  # fmt: skip
    return rows


def _events() -> Iterator[events.Event]:
    for number, kind in enumerate([*sql.EVENTS, "alert", "scaleup"]):
        yield events.Event(f"e{number}", kind, "shop", BEGIN + 300.5 * (number % 3), None, {})
    yield events.Event("before", "alert", "shop", BEGIN - 60.0, None, {})


def _counts() -> counts.Counts:
    series = [
        ("checkout", step, "prod", service, version, "", "eu", tier, "", "success")
        for service, step in (("shop", ""), ("payment", "pay"))
        for version in ("1", "2")
        for tier in ("vip", "standard", "trial")
    ]
    cells = [(BEGIN + 600, place, 100, 5 + place) for place in range(len(series) - 2)]
    behind = [(BEGIN + 60, 0, 3), (BEGIN + 900, 0, 4), (BEGIN + 900, 7, 1), (BEGIN - 600, 7, 50)]
    return counts.Counts(series, cells=np.array(cells, counts.CELL), skewed=np.array(behind, counts.SKEWED))


def test_totals_are_what_was_recorded_each_batch_once(store: Store, grafana: Callable[..., Any]) -> None:
    (twice,) = store.rows("SELECT count() - uniqExact(segment) FROM segments")
    assert twice == (1,)
    (row,) = ask(store, grafana(BEGIN, END).expand(sql.totals()))
    names = ("counted", "ignored", "rejected", "skewed", "overflowed", "duplicate_bodies")
    assert list(row.values()) == [sum(getattr(each, name) for each in within()) for name in names]
    spans, rejected, gone, counted = (
        sum(getattr(each, name) for each in within()) for name in ("spans", "rejected", "skewed", "counted")
    )
    (rate,), (share,) = (
        ask(store, grafana(BEGIN, END).expand(text)) for text in (sql.events_a_second(), sql.lost_share())
    )
    assert rate["rate"] == pytest.approx(spans / (HOUR - 1))
    assert share["share"] == pytest.approx((rejected + gone) / (counted + rejected + gone))


def test_totals_of_all_time_are_those_of_metrics(store: Store, grafana: Callable[..., Any]) -> None:
    (row,) = ask(store, grafana(BEGIN - HOUR, END + HOUR).expand(sql.totals()))
    found = segments.totals(store)
    assert (row["Counted"], row["Ignored"], row["Rejected"], row["Skewed"]) == (
        found.counted,
        found.ignored,
        found.rejected,
        found.skewed,
    )
    assert (row["Overflowed"], row["Retries left out"]) == (found.overflowed, found.duplicate_bodies)


def test_rates_are_sums_over_each_interval_and_nothing_where_nothing_came(
    store: Store, grafana: Callable[..., Any]
) -> None:
    looked = grafana(BEGIN, END, 300)
    rates, losses, batches = (ask(store, looked.expand(text)) for text in (sql.rates(), sql.losses(), sql.batches()))
    assert [unix(row["time"]) - BEGIN for row in rates] == list(range(0, HOUR, 300))
    for row, loss, batch in zip(rates, losses, batches, strict=True):
        came = [each for each in within() if 0 <= each.drained_at_ms / 1000 - unix(row["time"]) < 300]
        if not came:
            assert {*row.values(), *loss.values(), *batch.values()} == {None, row["time"]}
            continue
        for fate in sql.FATES:
            assert row[fate] == pytest.approx(sum(getattr(each, fate) for each in came) / 300)
        assert loss["overflowed"] == pytest.approx(sum(each.overflowed for each in came) / 300)
        assert loss["retried bodies"] == pytest.approx(sum(each.duplicate_bodies for each in came) / 300)
        assert batch["batches"] == pytest.approx(len(came) / 300)
        assert batch["bodies"] == pytest.approx(sum(each.bodies for each in came) / 300)


def test_lag_is_the_least_that_a_batchs_minutes_make_certain(store: Store, grafana: Callable[..., Any]) -> None:
    rows = ask(store, grafana(BEGIN, END, 60).expand(sql.lag()))
    assert [unix(row["time"]) - BEGIN for row in rows] == list(range(60, HOUR, 60)), "the first minute had no batch"
    for row in rows:
        came = [each for each in within() if 0 <= each.drained_at_ms / 1000 - unix(row["time"]) < 60 and each.minutes]
        for name, minute in (("newest event", max), ("oldest event", min)):
            ages = [max(0.0, each.drained_at_ms / 1000 - MINUTE - minute(each.minutes)) for each in came]
            assert row[name] == (pytest.approx(max(ages)) if ages else None)
    (newest,) = ask(store, grafana(BEGIN, END).expand(sql.newest_batch()))
    assert newest["age"] == pytest.approx(END - max(each.drained_at_ms for each in within()) / 1000, abs=1e-3)


def test_the_ledger_tells_its_newest_minute_by_slo(store: Store, grafana: Callable[..., Any]) -> None:
    rows = ask(store, grafana(BEGIN, END).expand(sql.ledger()))
    told = {row["SLO"]: (row["Counted by"], unix(row["Newest minute"]), row["Over for"]) for row in rows}
    assert told == {
        slo: (source, (newest := at // MINUTE * MINUTE), max(0, END - newest - MINUTE))
        for slo, source, at in (
            ("slow", "journey", END - 200),
            ("fast", "journey", END - 80),
            ("scales", "scaleup", END - 70),
        )
    }
    (lag,) = ask(store, grafana(BEGIN, END).expand(sql.ledger_lag()))
    assert lag["lag"] == told["fast"][2], "one of scale-ups says nothing of it"


def test_signals_tell_their_age_and_how_long_there_was_none(store: Store, grafana: Callable[..., Any]) -> None:
    looked = grafana(BEGIN, END, 300)
    ages, refused = (ask(store, looked.expand(text)) for text in (sql.signal_age(), sql.refused()))
    decided = _decided()
    assert len(ages) == len(refused) == 2 * 12
    for age, none in zip(ages, refused, strict=True):
        of = [
            each
            for each in decided
            if each.t // 300 * 300 == unix(age["time"]) and f"shop/{each.target}" == age["name"]
        ]
        known = [each.age for each in of if each.age is not None]
        assert age["Value"] == pytest.approx(max(known))
        assert none["Value"] == pytest.approx(1 - len(known) / len(of))


def test_refusals_are_one_by_reason_whatever_numbers_it_has(store: Store, grafana: Callable[..., Any]) -> None:
    rows = ask(store, grafana(BEGIN, END).expand(sql.refusals()))
    assert {(row["Target"], row["Reason, newest"], row["For"], unix(row["Last"])) for row in rows} == {
        ("shop/cart", "what it follows is 3050 s old, over 60 s", 360, BEGIN + 3050),
        ("shop/cart", "no capacity", 360, BEGIN + 3350),
    }


def test_events_skew_and_series_are_told_by_whom(store: Store, grafana: Callable[..., Any]) -> None:
    looked = grafana(BEGIN, END, 300)
    written = ask(store, looked.expand(sql.events()))
    kinds = {kind: sum(row[kind.replace("_", " ")] for row in written) for kind in sql.EVENTS}
    assert kinds == {"alert": 2, "scaleup": 2, "correction": 1, "override": 1, "rise": 1, "scale_write": 1}
    behind = ask(store, looked.expand(sql.skewed()))
    found = skewed.counts(store, Window(BEGIN, END + 1), by=("journey", "step", "service", "version"))
    assert [tuple(row.values()) for row in behind] == [
        (*each.group, each.n) for each in sorted(found, key=lambda each: -each.n)
    ]
    assert [row["Events"] for row in behind] == [7, 1]
    rows = ask(store, looked.expand(sql.series()))
    assert [(row["Service"], row["Series"], row["Versions"], row["Tiers"], row["Events"]) for row in rows] == [
        ("shop", 6, 2, 3, sum(5 + n for n in range(6))),
        ("payment", 4, 2, 3, sum(5 + n for n in range(6, 10))),
    ]


def test_every_query_is_executed_and_has_something_to_say(
    store: Store, grafana: Callable[..., Any], executed: Any
) -> None:
    document = json.loads(render(board.dashboard(Catalogue())))
    found = executed.on(store, document, grafana(BEGIN, END))
    assert [title for title, rows in found.items() if not rows] == []


def test_every_query_answers_a_time_without_anything(store: Store, grafana: Callable[..., Any]) -> None:
    document = json.loads(render(board.dashboard(Catalogue())))
    looked = grafana(BEGIN - 90 * 86_400, BEGIN - 89 * 86_400)
    asked = [(panel["title"], target["rawSql"]) for panel in document["panels"] for target in panel["targets"]]
    assert len(asked) == len(document["panels"])
    for title, text in asked:
        assert [value for row in store.rows(looked.expand(text)) for value in row if value is not None] == [], title
