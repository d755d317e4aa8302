from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maibo_slo.store import counts, exemplars, flow, reasons, sampled, skewed, streams
from maibo_slo.store.cells import CellFilter, Window, distributions
from maibo_slo.store.counts import EXEMPLAR, Counts, ReasonCount
from maibo_slo.store.exemplars import Why
from maibo_slo.store.sampled import Evidence
from maibo_slo.store.tables import DIMENSIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maibo_slo.store import Store

TABLES = {
    "cells_10s": "n",
    "cells_1m": "n",
    "cells_1h": "n",
    "flow_1m": "started + succeeded + failed + abandoned",
    "starts_10s": "started",
    "reasons_1m": "n",
    "sampled_1m": "n + 1000 * spans",
    "skewed_1m": "n",
    "exemplars": "duration_us",
}


def _series(**values: str) -> counts.SeriesKey:
    ordinary = dict.fromkeys((*DIMENSIONS, "outcome"), "") | {"journey": "checkout", "outcome": "success"}
    return tuple((ordinary | values).values())  # type: ignore[return-value]


def _everything(t: int, scale: int = 1) -> Counts:
    """A little in every table; two series of one journey, in two services."""
    series = [
        _series(service="shop", tier="vip"),
        _series(service="pay", tier="vip", outcome="failure", version="2"),
        _series(service="pay", tier="vip", step="payment", outcome="failure", version="2"),
    ]
    return Counts(
        series,
        cells=np.array([(t, 0, 700, 5 * scale), (t, 1, 710, 3), (t + 10, 2, 710, 3)], counts.CELL),
        flow=np.array([(t, 0, 6 * scale, 5 * scale), (t + 10, 1, 3, 3)], counts.FLOW),
        sampled=np.array([(t, 0, 4 * scale, 1), (t + 10, 0, 4, 1)], counts.SAMPLED),
        skewed=np.array([(t, 0, 2 * scale), (t + 10, 0, 1), (t, 2, 7)], counts.SKEWED),
        reasons=[ReasonCount(t, 1, "card", 2 * scale), ReasonCount(t + 10, 1, "card", 1), ReasonCount(t, 2, "card", 3)],
        exemplars=np.array(
            [
                (t * 10**9, 1, 710, Why.FAILED, 1_000_999, bytes(range(16)), bytes(range(8))),
                (t * 10**9 + 17_999_999_999, 2, 711, Why.FAILED, 2_000_000, bytes(range(1, 17)), bytes(range(8))),
                (t * 10**9, 0, 712, Why.SLOWEST, 3_000_000, b"\0" * 16, b"\xff" * 8),
            ],
            EXEMPLAR,
        ),
    )


def _sums(store: Store) -> dict[str, int]:
    return {
        table: int(store.rows(f"SELECT sum({measure}) FROM {table}")[0][0] or 0) for table, measure in TABLES.items()
    }


def test_a_batch_goes_into_every_table_once_however_often_its_token_comes_back(store: Store, present: int):
    counts.insert(store, _everything(present), token="a")
    first = _sums(store)
    assert first == {
        "cells_10s": 11,
        "cells_1m": 11,
        "cells_1h": 11,
        "flow_1m": 17,
        "starts_10s": 9,
        "reasons_1m": 6,
        "sampled_1m": 2_008,
        "skewed_1m": 10,
        "exemplars": 6_000,
    }
    counts.insert(store, _everything(present, scale=9), token="a")
    assert _sums(store) == first
    counts.insert(store, _everything(present), token="b")
    assert _sums(store) == {table: 2 * n for table, n in first.items()}


@pytest.mark.parametrize(
    "dies_before", ["cells_10s", "starts_10s", "flow_1m", "reasons_1m", "exemplars", "sampled_1m", "skewed_1m"]
)
def test_a_batch_that_died_between_two_tables_is_mended_by_inserting_it_again(
    store: Store, present: int, monkeypatch: pytest.MonkeyPatch, dies_before: str
):
    insert = store.insert

    def die(table: str, *rest: object, **more: object) -> None:
        if table == dies_before:
            raise KeyboardInterrupt
        insert(table, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "insert", die)
    with pytest.raises(KeyboardInterrupt):
        counts.insert(store, _everything(present), token="a")
    monkeypatch.setattr(store, "insert", insert)
    counts.insert(store, _everything(present), token="a")
    assert _sums(store)["cells_1h"] == 11
    assert _sums(store)["starts_10s"] == 9
    assert _sums(store)["skewed_1m"] == 10
    assert _sums(store)["exemplars"] == 6_000


def test_no_rows_are_no_insert_and_an_empty_token_is_refused(store: Store, present: int):
    counts.insert(store, Counts(), token="a")
    counts.insert(store, Counts([_series()]), token="a")
    assert set(_sums(store).values()) == {0}
    with pytest.raises(ValueError, match="token"):
        counts.insert(store, _everything(present), token="")


def test_many_random_cells_are_what_they_were_before(store: Store, present: int):
    random = np.random.default_rng(3)
    series = [
        _series(journey=f"j{i % 7}", step=("", "pay")[i % 2], version=str(i % 5), tier=f"t{i}", region="中\0'\\")
        for i in range(300)
    ]
    rows = np.zeros(5_000, counts.CELL)
    rows["t"] = present - 10 * random.integers(0, 100, len(rows))
    rows["series"] = random.integers(0, len(series), len(rows))
    rows["bin"] = random.integers(0, 1_922, len(rows))
    rows["n"] = random.integers(1, 1_000, len(rows))
    rows["n"][0] = 2**63 + 5
    rows = np.unique(rows)
    counts.insert(store, Counts(series, rows), token="a")
    expected: Counter[tuple] = Counter()
    for t, place, bin_, n in rows.tolist():
        expected[t, *series[place], bin_] += n
    found = store.rows(
        f"SELECT toUnixTimestamp(t), {', '.join(DIMENSIONS)}, outcome, bin, sum(n) FROM cells_10s GROUP BY ALL"
    )
    assert {tuple(key): n for *key, n in found} == dict(expected)


def test_reasons_are_told_by_journey_and_step_the_most_frequent_first(store: Store, present: int):
    counts.insert(store, _everything(present), token="a")
    more = Counts([_series(outcome="failure", service="shop")], reasons=[ReasonCount(present + 60, 0, "it's \0", 9)])
    counts.insert(store, more, token="b")
    window = Window(present, present + 120)
    told = reasons.top(store, window, CellFilter("checkout"), 10)
    assert [(each.step, each.reason, each.n) for each in told] == [("", "it's \0", 9), ("", "card", 3)]
    assert [each.n for each in reasons.top(store, window, CellFilter("checkout"), 1)] == [9]
    (step,) = reasons.top(store, window, CellFilter("checkout", step=None, where={"version": ["2"]}), 10)
    assert step == reasons.Reason("checkout", "payment", "card", 3)
    assert reasons.top(store, Window(present + 120, present + 180), CellFilter("checkout"), 10) == []
    both = reasons.top_with_steps(store, window, "checkout", {}, 1)
    assert [(each.step, each.reason, each.n) for each in both] == [("", "it's \0", 9), ("payment", "card", 3)]
    with pytest.raises(ValueError, match="not a dimension"):
        reasons.top(store, window, CellFilter(where={"region": ["eu"]}), 10)


def test_exemplars_are_found_by_step_version_and_kind_the_newest_and_slowest_first(store: Store, present: int):
    counts.insert(store, _everything(present), token="a")
    window = Window(present, present + 60)

    def steps(*rest: object, **more: object) -> list[tuple[str, Why]]:
        return [(each.step, each.why) for each in exemplars.find(store, window, "checkout", *rest, limit=5, **more)]  # type: ignore[arg-type]

    assert steps() == [("payment", Why.FAILED), ("", Why.SLOWEST), ("", Why.FAILED)]
    assert steps("") == [("", Why.SLOWEST), ("", Why.FAILED)]
    assert steps("payment") == [("payment", Why.FAILED)]
    assert steps(None, {"version": ["2"], "outcome": ["failure"]}) == [("payment", Why.FAILED), ("", Why.FAILED)]
    assert steps(why=[Why.SLOWEST]) == [("", Why.SLOWEST)]
    assert exemplars.find(store, Window(present + 20, present + 60), "checkout", limit=5) == []
    for begin, end, ends in ((0, 5, [present, present]), (19, 20, [present + 17])):  # widened to whole 10 s
        found = exemplars.find(store, Window(present + begin, present + end), "checkout", limit=5)
        assert [each.at for each in found] == ends
    (newest,) = exemplars.find(store, window, "checkout", why=[Why.FAILED], limit=1)
    assert newest == exemplars.Exemplar(
        at=present + 17,
        why=Why.FAILED,
        trace_id="0102030405060708090a0b0c0d0e0f10",
        span_id="0001020304050607",
        duration_us=2_000,
        outcome="failure",
        **dict.fromkeys(DIMENSIONS, "")
        | {"journey": "checkout", "step": "payment", "service": "pay", "version": "2", "tier": "vip"},
    )
    with pytest.raises(ValueError, match="not a dimension"):
        exemplars.find(store, window, "checkout", None, {"why": ["1"]}, limit=5)


def test_an_exemplar_of_the_same_series_minute_and_bin_replaces(store: Store, present: int):
    def row(trace_id: bytes, t: int = present) -> Counts:
        told = (t * 10**9, 0, 700, Why.SLOWEST, 5, trace_id, b"12345678")
        return Counts([_series()], exemplars=np.array([told], EXEMPLAR))

    counts.insert(store, row(b"a" * 16), token="a")
    counts.insert(store, row(b"b" * 16, t=present + 59), token="b")
    (found,) = exemplars.find(store, Window(present, present + 60), "checkout", limit=9)
    assert (found.trace_id, found.at) == ("62" * 16, present + 59)


def test_skewed_events_are_told_by_journey_step_and_service_and_are_in_no_cell(store: Store, present: int):
    counts.insert(store, _everything(present), token="a")
    window = Window(present, present + 60)
    assert skewed.counts(store, window, "checkout") == [
        skewed.Skew(("checkout", "payment", "pay"), 7),
        skewed.Skew(("checkout", "", "shop"), 3),
    ]
    assert skewed.counts(store, window, by=("service",)) == [skewed.Skew(("pay",), 7), skewed.Skew(("shop",), 3)]
    assert skewed.counts(store, window, by=()) == [skewed.Skew((), 10)]
    assert skewed.counts(store, window, "search") == skewed.counts(store, Window(1, 2), by=()) == []
    (whole,) = distributions(store, window, CellFilter())
    assert sum(whole.events().values()) == 8


def test_the_evidence_of_a_count_is_the_spans_that_were_seen(store: Store, present: int):
    counts.insert(store, _everything(present), token="a")
    window = Window(present + 7, present + 30)  # told for whole minutes
    # Of 5 events, 4 stand for one span; the 4 of 10 s later are in no cell of this batch.
    assert sampled.evidence(store, window, CellFilter(where={"outcome": ["success"]})) == Evidence(5, 5 - 8 + 2)
    assert sampled.evidence(store, window, CellFilter(where={"outcome": ["failure"]})) == Evidence(3, 3)
    assert sampled.evidence(store, window, CellFilter("nobody's")) == Evidence(0, 0)
    whose = [{"outcome": ["success"]}, {"outcome": ["failure"]}]
    assert [sampled.is_sampled(store, window, CellFilter(where=each)) for each in whose] == [True, False]


def test_a_streams_state_is_what_was_saved_last_whatever_it_was_before(store: Store):
    one, other = b"\0" * 15 + b"'", b"\xff" * 16
    assert streams.load(store, [one, other]) == streams.load(store, []) == {}
    streams.save(store, {})
    for state in (b"\0state'\\ \xff", b"2", b"", b"\0state'\\ \xff"):
        streams.save(store, {one: state})
        assert streams.load(store, [one, other]) == {one: state}
    streams.save(store, {one: b"3", other: b"new"})
    assert streams.load(store, [one, other]) == {one: b"3", other: b"new"}
    assert streams.load(store, [other]) == {other: b"new"}
    with pytest.raises(ValueError, match="16 bytes"):
        streams.save(store, {b"short": b"x"})


def test_flow_is_told_by_the_minute_of_the_begin_and_by_what_a_journey_keeps(store: Store, present: int):
    counts.insert(store, _everything(present), token="a")
    counts.insert(store, _everything(present + 60), token="b")
    one = flow.FlowSlice(present, started=9, succeeded=5, failed=3, abandoned=0)

    def slices(journey: str = "checkout", *, seconds: int = 60, **among: Sequence[str]) -> list[flow.FlowSlice]:
        window = Window(present + 5, present + 110)
        return flow.told(store, window, journey, 300, present, among=among, slice_seconds=seconds)[1]

    assert slices() == slices(tier=["vip", "standard"]) == [one, replace(one, t=present + 60)]
    assert slices(seconds=3_600) == [flow.FlowSlice(present, 18, 10, 6, 0)]
    assert slices(tier=["standard"]) == slices("x") == []
    with pytest.raises(ValueError, match="not a dimension"):
        slices(service=["shop"])
