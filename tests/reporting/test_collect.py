"""A period's report from a real store, checked against what pandas makes of the same rows by itself."""

# ruff: noqa: RUF001 -- a dash for nothing is typography, not a typing error
import csv
import io
from collections import ChainMap
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from maibo_slo.documents import Catalogue, CellSelector, Objective, Origin, Sli, Slo
from maibo_slo.reporting.collect import collect
from maibo_slo.reporting.formats import sections, written
from maibo_slo.reporting.periods import before, named
from maibo_slo.reporting.web import bars
from maibo_slo.store import Store, cells, events, ledger, past
from maibo_slo.store.cells import CellKey
from maibo_slo.store.events import Event
from maibo_slo.store.histogram import bin_of

ORIGIN = Origin("shop.yaml", 1)
DAY = 86_400
NOW = int(datetime.now(UTC).timestamp()) // DAY * DAY  # cells are kept by the store's own clock
BEGIN, END = NOW - 7 * DAY, NOW
BUY = Slo(
    "buy",
    "Buying works",
    "",
    "shop",
    Sli("buy", CellSelector("buy"), good=CellSelector("buy", outcomes=frozenset({"success"}))),
    (Objective("0.99", 0.99), Objective("0.999", 0.999)),
    28 * DAY,
    {"team": ("checkout",)},
    ORIGIN,
)
TIERED = replace(BUY, name="tiered", objectives=(Objective("0.99", 0.99),), group_by=("tier",), labels={})
QUIET = replace(BUY, name="quiet", display_name="", objectives=(Objective("0.99", 0.99),), service="archive")
WHOLE = replace(
    BUY,
    name="whole",
    objectives=(
        Objective("a", 0.99, indicator=BUY.indicator, weight=0.75),
        Objective("b", 0.99, indicator=BUY.indicator, weight=0.25),
        Objective("composite", 0.99),
    ),
)
CATALOGUE = Catalogue(slos={slo.name: slo for slo in (BUY, TIERED, QUIET, WHOLE)})


def rows() -> pd.DataFrame:
    """Two weeks, every ten minutes, at random; the ledger has the same."""
    random = np.random.default_rng(4)
    t = np.arange(BEGIN - 7 * DAY, END, 600)
    named = [("buy", "0.99", ""), ("buy", "0.999", ""), ("whole", "a", ""), ("whole", "b", "")]
    named += [("tiered", "0.99", f"tier={tier}") for tier in ("gold", "tin")]
    parts = []
    for slo, objective, group in named:
        bad = random.binomial(100, random.uniform(0.0, 0.03, len(t)))
        parts.append(
            pd.DataFrame({"slo": slo, "objective": objective, "grp": group, "t": t, "good": 100 - bad, "bad": bad})
        )
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def told(store: Store) -> pd.DataFrame:
    frame = rows()
    ledger.append(
        store,
        [
            ledger.Interval(r.slo, r.objective, r.grp, r.t, r.good, r.bad, r.good + r.bad, "test")
            for r in frame.itertuples()
        ],
        version=1,
    )
    return frame


def test_every_figure_is_what_the_rows_say(store: Store, told: pd.DataFrame) -> None:
    report = collect(store, CATALOGUE, BEGIN, END, now=NOW)
    assert report.over
    assert [(row.slo, row.objective, row.group) for row in report.rows] == [
        ("buy", "0.99", ""),
        ("buy", "0.999", ""),
        ("quiet", "0.99", ""),
        ("tiered", "0.99", "tier=gold"),
        ("tiered", "0.99", "tier=tin"),
        ("whole", "a", ""),
        ("whole", "b", ""),
        ("whole", "composite", ""),
    ]
    for row in report.rows:
        mine = told[(told.slo == row.slo) & (told.objective == row.objective) & (told.grp == row.group)]
        period, earlier = mine[mine.t >= BEGIN], mine[mine.t < BEGIN]
        if period.empty:
            continue
        share = period.bad.sum() / (period.good.sum() + period.bad.sum())
        assert (row.good, row.bad) == (period.good.sum(), period.bad.sum())
        assert row.attainment == pytest.approx(1 - share)
        assert row.budget_spent == pytest.approx(share / (1 - row.target))
        assert row.verdict == ("met" if 1 - share >= row.target else "missed")
        assert row.coverage == pytest.approx(0.1)
        assert row.before.attainment == pytest.approx(earlier.good.sum() / (earlier.good + earlier.bad).sum())
        by_day = period.groupby(pd.to_datetime(period.t, unit="s", utc=True).dt.date).bad.sum()
        assert {day.day.date(): day.bad for day in row.days} == by_day.to_dict()
        assert sum(day.spent for day in row.days) == pytest.approx(row.budget_spent)
        worst = row.worst_days(1)[0]
        assert worst.bad == by_day.max()


def test_a_composite_spends_what_its_components_spend_by_their_weights(store: Store, told: pd.DataFrame) -> None:
    found = {row.objective: row for row in collect(store, CATALOGUE, BEGIN, END, now=NOW).rows if row.slo == "whole"}
    expected = 0.75 * found["a"].budget_spent + 0.25 * found["b"].budget_spent
    assert found["composite"].budget_spent == pytest.approx(expected)
    assert found["composite"].attainment == pytest.approx(1 - 0.01 * expected)
    assert found["composite"].unit == "composite"
    # Both components count the same events: together they would be twice as many as there were.
    composite = found["composite"]
    assert (composite.good, composite.bad, composite.counted_events) == (None, None, None)
    assert found["a"].counted_events == found["a"].good + found["a"].bad
    assert found["composite"].coverage is None


def test_what_has_no_data_is_neither_met_nor_missed(store: Store, told: pd.DataFrame) -> None:
    report = collect(store, CATALOGUE, BEGIN, END, now=NOW)
    quiet = next(row for row in report.rows if row.slo == "quiet")
    assert (quiet.attainment, quiet.budget_spent, quiet.verdict, quiet.days) == (None, None, "no_data", ())
    text = written(report, by="service", form="md")
    assert "| quiet 0.99 | 99 % | – | – | – | – | 0 | 0 | no data |" in text
    assert "100 %" not in "".join(line for line in text.splitlines() if line.startswith("| quiet"))


def test_while_a_period_goes_on_a_days_even_share_is_one_of_the_days_that_passed(store: Store) -> None:
    counted = [ledger.Interval("buy", "0.99", "", NOW - DAY + 3600, 995, 5, 1000, "test")]
    counted += [ledger.Interval("buy", "0.99", "", NOW - 2 * DAY + 3600, 1000, 0, 1000, "test")]
    ledger.append(store, counted, version=1)
    report = collect(store, CATALOGUE, NOW - 2 * DAY, NOW + 28 * DAY, now=NOW - 1)
    row = report.rows[0]
    assert row.budget_spent == pytest.approx(0.25)
    # Half of what an even share of two days is; of thirty days it would be more than four.
    assert [bar.is_over for bar in bars(row, report.begin, report.end, until=report.until)] == [False, False]
    assert [bar.is_over for bar in bars(row, report.begin, report.end, until=report.end)] == [False, True]


def test_a_period_that_goes_on_says_so(store: Store, told: pd.DataFrame) -> None:
    report = collect(store, CATALOGUE, BEGIN, END + DAY, now=NOW)
    assert not report.over
    assert "not over" in written(report, by="service", form="md")
    assert "not over" in written(report, by="service", form="html")


def test_objectives_are_grouped_by_service_team_or_journey(store: Store, told: pd.DataFrame) -> None:
    report = collect(store, CATALOGUE, BEGIN, END, now=NOW)
    names = {by: [section.name for section in sections(report, by=by)] for by in ("service", "team", "journey")}
    assert names == {"service": ["archive", "shop"], "team": ["checkout", "shop"], "journey": ["buy"]}


def test_texts_from_outside_stay_texts(store: Store, told: pd.DataFrame) -> None:
    evil = replace(BUY, display_name="<script>alert(1)</script>", service="=cmd|x")
    report = collect(store, Catalogue(slos={"buy": evil}), BEGIN, END, now=NOW)
    assert "<script>" not in written(report, by="service", form="html")
    assert "'=cmd|x" in written(report, by="service", form="csv")
    assert "=cmd\\|x" in written(report, by="service", form="md")


def test_alerts_on_record_are_judged(store: Store) -> None:
    t = np.arange(BEGIN, END, 60).tolist()
    outage = range(BEGIN + 600 * 60, BEGIN + 610 * 60, 60)
    ledger.append(
        store,
        [
            ledger.Interval("buy", "0.999", "", at, 0 if at in outage else 100, 100 if at in outage else 0, 100, "test")
            for at in t
        ],
        version=1,
    )
    detail = {"name": "MaiboBudgetBurn", "objective": "0.999", "group": "", "severity": "page"}
    events.append(
        store,
        [
            Event("page@1", "alert", "buy", outage[0] + 60.0, outage[-1] + 600.0, detail),
            Event(
                "silence@1",
                "alert",
                "buy",
                outage[0] + 60.0,
                None,
                {**detail, "name": "MaiboNoData", "severity": "ticket"},
            ),
        ],
    )
    rows = collect(store, CATALOGUE, BEGIN, END, now=NOW).rows
    alerts = next(row.alerts for row in rows if (row.slo, row.objective) == ("buy", "0.999"))
    assert (alerts.pages, alerts.tickets, alerts.precise_pages, alerts.detect_seconds) == (1, 0, 1, (60.0,))
    assert alerts.spent_outside == 0


def test_what_there_is_no_time_for_is_told_as_not_looked_into(store: Store, told: pd.DataFrame, monkeypatch) -> None:
    detail = {"name": "MaiboBudgetBurn", "group": "", "severity": "page"}
    pages = [
        Event(name, "alert", "buy", END - 3600.0, END - 1800.0, {**detail, "objective": name})
        for name in ("0.99", "0.999")
    ]
    events.append(store, pages)
    monkeypatch.setattr(past, "AT_ONCE", 1)
    seconds = iter(range(0, 10**6, 60))
    report = collect(store, CATALOGUE, BEGIN, END, now=NOW, clock=lambda: float(next(seconds)))
    found = {row.objective: row.alerts for row in report.rows if row.slo == "buy"}
    # The one that spent the most is looked into in any case.
    assert (found["0.999"].pages, found["0.999"].precise_pages, len(found["0.999"].detect_seconds)) == (1, 1, 1)
    assert (found["0.99"].pages, found["0.99"].precise_pages, found["0.99"].spent_outside) == (1, None, None)
    assert (report.unjudged, report.unblamed) == (1, 6)
    for form in ("md", "html"):
        text = written(report, by="service", form=form)
        assert "2 pages, 1 of 1 that were looked into worth it" in text
        assert "alerts of 1 more" in text


def test_an_alert_without_any_events_is_on_record_all_the_same(store: Store) -> None:
    detail = {"name": "MaiboBudgetBurn", "objective": "0.99", "group": "", "severity": "page"}
    events.append(store, [Event("page", "alert", "quiet", END - 3600.0, END - 1800.0, detail)])
    report = collect(store, CATALOGUE, BEGIN, END, now=NOW)
    alerts = next(row.alerts for row in report.rows if row.slo == "quiet")
    assert (alerts.pages, alerts.precise_pages, alerts.detect_seconds) == (1, 0, ())


def test_many_objectives_minutes_are_those_of_each(store: Store, told: pd.DataFrame, monkeypatch) -> None:
    monkeypatch.setattr(past, "AT_ONCE", 3 * (END - BEGIN) // 60)
    names = [past.Whose(*key) for key, _ in told.groupby(["slo", "objective", "grp"])][::-1]
    some = list(past.many_series(store, [*names, past.Whose("nobody", "", "")], BEGIN, END))
    assert [each.keys() for each in some] == [set(names[:3]), set(names[3:]), set()]
    for name, many in ChainMap(*some).items():
        one = past.series(store, *name, BEGIN, END)
        for column in ("t", "good", "bad"):
            np.testing.assert_array_equal(getattr(many, column), getattr(one, column))


def test_hours_of_some_objectives_are_their_minutes_summed(store: Store, told: pd.DataFrame) -> None:
    names = [past.Whose("nobody", "", ""), *(past.Whose(*key) for key, _ in told.groupby(["slo", "objective", "grp"]))]
    for name, found in zip(names, past.several(store, names, BEGIN, END, step=3600), strict=True):
        minutes = past.series(store, *name, BEGIN, END)
        hours, place = np.unique(minutes.t // 3600 * 3600, return_inverse=True)
        np.testing.assert_array_equal(found.t, hours)
        for column in ("good", "bad"):
            np.testing.assert_array_equal(getattr(found, column), np.bincount(place, getattr(minutes, column)))
    assert past.several(store, [], BEGIN, END) == []


def test_sums_that_take_too_long_are_given_up(store: Store, told: pd.DataFrame) -> None:
    with pytest.raises(past.TooMuchError, match="ask for a shorter period"):
        past.days(store, ["buy"], BEGIN, END, within_seconds=1e-6)


def test_without_time_for_the_period_before_there_is_a_report_all_the_same(
    store: Store, told: pd.DataFrame, monkeypatch
) -> None:
    def too_much(*asked, days=past.days, **limits):
        if asked[2] < BEGIN:
            raise past.TooMuchError("too much")
        return days(*asked, **limits)

    monkeypatch.setattr(past, "days", too_much)
    report = collect(store, CATALOGUE, BEGIN, END, now=NOW)
    assert report.rows[0].attainment is not None
    assert (report.rows[0].before.attainment, report.compared) == (None, False)
    assert all(
        "no time to sum the period before" in written(report, by="service", form=form) for form in ("md", "html")
    )


def test_the_steps_and_versions_that_burnt_most_are_told(store: Store) -> None:
    at = NOW - 3 * DAY
    ledger.append(store, [ledger.Interval("buy", "0.99", "", at, 90, 10, 100, "test")], version=1)

    def cell(step: str, service: str, version: str, outcome: str) -> CellKey:
        return CellKey(at, "buy", step, "", service, version, "", "", "", "", outcome, bin_of(10**8))

    cells.insert_cells(
        store,
        {
            cell("", "web", "w1", "success"): 90,
            cell("", "web", "w1", "failure"): 10,
            cell("pay", "payment", "p2", "failure"): 7,
            cell("cart", "cart", "c1", "failure"): 1,
        },
        token="test",
    )
    row = collect(store, CATALOGUE, BEGIN, END, now=NOW).rows[0]
    assert [(step.value, step.bad) for step in row.steps] == [("pay", 7), ("", 2), ("cart", 1)]
    assert [(each.service, each.version, each.bad) for each in row.versions] == [
        ("payment", "p2", 7),
        ("cart", "c1", 1),
    ]


def test_good_and_bad_are_in_the_unit_and_events_are_always_events(store: Store) -> None:
    slices = (Objective("0.99", 0.99, slice_seconds=300, slice_target=0.95),)
    sliced = replace(BUY, name="sliced", objectives=slices, method="Timeslices")
    counted = [
        ("0.99", BEGIN + 240, 0, 1),
        ("0.99", BEGIN + 540, 1, 0),
        ("~0.99", BEGIN, 90, 10),
        ("~0.99", BEGIN + 300, 70, 0),
    ]
    ledger.append(
        store,
        [ledger.Interval("sliced", name, "", at, good, bad, good + bad, "test") for name, at, good, bad in counted],
        version=1,
    )
    report = collect(store, Catalogue(slos={"sliced": sliced, "whole": WHOLE}), BEGIN, END, now=NOW)
    row, *_, composite = csv.DictReader(io.StringIO(written(report, by="service", form="csv")))
    assert (row["unit"], row["good"], row["bad"], row["counted_events"]) == ("slices", "1", "1", "170")
    assert (composite["unit"], composite["good"], composite["counted_events"]) == ("composite", "", "")
    page = written(report, by="service", form="html")
    assert "170 events, judged by slices" in page
    assert "<dd>judged by its components" in page


def test_a_service_that_told_no_version_is_no_version(store: Store) -> None:
    at = NOW - 3 * DAY
    ledger.append(store, [ledger.Interval("buy", "0.99", "", at, 90, 10, 100, "test")], version=1)
    key = CellKey(at, "buy", "", "", "teahouse", "", "", "", "", "", "failure", bin_of(10**8))
    step = key._replace(step="pay")
    cells.insert_cells(store, {key: 10, step: 10}, token="test")
    report = collect(store, CATALOGUE, BEGIN, END, now=NOW)
    assert [each.service for each in report.rows[0].versions] == ["teahouse"]
    row = next(csv.DictReader(io.StringIO(written(report, by="service", form="csv"))))
    assert (row["top_step"], row["top_version"]) == ("pay", "")
    assert "teahouse" not in written(report, by="service", form="html")


def test_the_period_before_a_month_is_a_month() -> None:
    begin, end = named("last-month", now=datetime(2026, 3, 15, tzinfo=UTC).timestamp())
    days = [datetime.fromtimestamp(at, UTC).date().isoformat() for at in (*before(begin, end), end)]
    assert days == ["2026-01-01", "2026-02-01", "2026-03-01"]
    assert before(begin + 60, end) == (begin + 60 - (end - begin - 60), begin + 60)


def test_weeks_begin_on_monday() -> None:
    begin, end = named("week", now=datetime(2026, 3, 15, 12, tzinfo=UTC).timestamp())  # a Sunday
    assert datetime.fromtimestamp(begin, UTC) == datetime(2026, 3, 9, tzinfo=UTC)
    assert end - begin == 7 * DAY
