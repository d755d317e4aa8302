"""Every query runs on the real engine, over cells that the store inserted, and says what the store itself says."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.dashboards.asking import ask, close, unix

from maibo_dashboards.sql import budgets, journeys, marks
from maibo_dashboards.sql import cells as cell_sql
from maibo_dashboards.sql.budgets import judged
from maibo_slo.store import Store, events, ledger, open_store
from maibo_slo.store.cells import CellFilter, CellKey, Window, distributions, insert_cells, series
from maibo_slo.store.histogram import EDGES_NS, bin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from maibo_slo.documents import Catalogue

BEGIN = 1_767_225_600  # an hour's begin, and a day's
END = BEGIN + 1800
NOW = BEGIN + 3600


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One for the module; the engine serves one folder a process at a time, so nothing here takes `store`."""
    with open_store(f"chdb://{tmp_path_factory.mktemp('queries') / 'store'}") as store:
        yield store


@pytest.fixture(scope="module")
def shop(opened: Store) -> Store:
    """Half an hour of two journeys: two versions of payment, two tiers, three outcomes, no event between minutes 12 and 15."""
    store = opened
    store.execute("ALTER TABLE cells_10s REMOVE TTL")  # the cells' day is fixed, the engine's clock is not
    store.execute("ALTER TABLE cells_1m REMOVE TTL")
    store.execute("ALTER TABLE cells_1h REMOVE TTL")
    dice = random.Random(7)
    cells: Counter[CellKey] = Counter()
    for _ in range(4000):
        t = BEGIN + dice.randrange(1800)
        if 720 <= t - BEGIN < 900:
            continue
        journey = dice.choice(["checkout", "checkout", "search"])
        version = "2.0" if 1000 <= t - BEGIN < 1400 else "1.9"
        duration_ns = int(dice.lognormvariate(12, 1) * 1000) * (3 if version == "2.0" else 1)
        outcome = dice.choices(["success", "failure", "abandoned"], [90, 7, 3])[0]
        for step, service in (("", "payment"), ("cart", "cart"), ("pay", "payment")):
            key = CellKey(
                t=t // 10 * 10,
                journey=journey,
                step=step,
                environment="prod",
                service=service,
                version=version if service == "payment" else "1.0",
                cluster="",
                region=dice.choice(["eu", "us"]),
                tier=dice.choice(["vip", "standard"]),
                variant="",
                outcome=outcome,
                bin=bin_of(duration_ns),
            )
            cells[key] += 1
    insert_cells(store, cells, token="shop")
    return store


def test_the_table_of_journeys_says_what_the_store_says(shop: Store, grafana: Callable) -> None:
    # Grafana's filter takes the bucket that begins at the end of the range too, hence the second less.
    rows = ask(shop, grafana(BEGIN, END - 1).expand(journeys.journeys({"checkout": "maibo-journey-checkout"}, {})))
    assert [row["Journey"] for row in rows] == ["checkout", "search"]
    assert [row["Details"] for row in rows] == ["maibo-journey-checkout", ""]
    for row in rows:
        (found,) = distributions(shop, Window(BEGIN, END), CellFilter(journey=str(row["Journey"])), now=NOW)
        events = found.events()
        assert row["Count"] == sum(events.values())
        close(row["Rate"], sum(events.values()) / 1799)
        close(row["Success"], events["success"] / (events["success"] + events["failure"]))
        close(row["P50"], found.histogram().quantile(0.5))
        close(row["P99"], found.histogram().quantile(0.99))
        assert found.last_event is not None
        assert row["Data age"] == max(0, END - 1 - (found.last_event - 1) // 60 * 60 - 60)


@pytest.mark.parametrize(("interval", "resolution"), [(60, "1m"), (300, "1m"), (30, "10s"), (3600, "1h")])
def test_latency_over_time_says_what_the_store_says(
    shop: Store, grafana: Callable, interval: int, resolution: str
) -> None:
    rows = ask(shop, grafana(BEGIN, END - 1, interval, resolution).expand(journeys.latency("checkout")))
    expected = {
        slice_.t: slice_
        for slice_ in series(shop, Window(BEGIN, END), CellFilter(journey="checkout"), slice_seconds=interval, now=NOW)
    }
    assert {unix(row["time"]) for row in rows} >= expected.keys()
    for row in rows:
        slice_ = expected.get(unix(row["time"]))
        for column, value in (("P50", "p50_us"), ("P90", "p90_us"), ("P99", "p99_us")):
            close(row[column], getattr(slice_, value) if slice_ else None)


def test_the_rate_by_outcome_is_the_stores_and_null_where_nothing_was(shop: Store, grafana: Callable) -> None:
    rows = ask(shop, grafana(BEGIN, END - 1).expand(journeys.rate_by_outcome("checkout")))
    slices = series(shop, Window(BEGIN, END), CellFilter(journey="checkout"), slice_seconds=60, now=NOW)
    expected = {slice_.t: slice_.outcomes for slice_ in slices}
    quiet = [unix(row["time"]) for row in rows if row["success"] is None]
    assert quiet == [BEGIN + 720, BEGIN + 780, BEGIN + 840]
    for row in rows:
        if row["success"] is not None:
            for outcome in ("success", "failure", "abandoned"):
                close(row[outcome], expected[unix(row["time"])].get(outcome, 0) / 60)


def test_variables_narrow_a_journey(shop: Store, grafana: Callable) -> None:
    chosen = {"region": ["eu"], "tier": ["vip", "standard"]}
    (row,) = ask(
        shop, grafana(BEGIN, END - 1, chosen=chosen).expand(journeys.summary("checkout", threshold_us=None)["p99"])
    )
    which = CellFilter(journey="checkout", where={"region": ["eu"]})
    (found,) = distributions(shop, Window(BEGIN, END), which, now=NOW)
    close(row["p99"], found.histogram().quantile(0.99))
    (values,) = zip(*shop.rows(grafana(BEGIN, END).expand(cell_sql.values_of("region", "checkout"))), strict=True)
    assert values == ("eu", "us")


def test_the_share_within_the_threshold_is_exact(shop: Store, grafana: Callable) -> None:
    numbers = journeys.summary("checkout", threshold_us=500_000)
    (row,) = ask(shop, grafana(BEGIN, END - 1).expand(numbers["within"]))
    (found,) = distributions(shop, Window(BEGIN, END), CellFilter(journey="checkout"), now=NOW)
    histogram = found.histogram()
    assert 0 < histogram.within(500_000) < histogram.total
    close(row["within"], histogram.within(500_000) / histogram.total)


def test_the_distribution_holds_every_finished_journey_once_between_the_right_edges(
    shop: Store, grafana: Callable
) -> None:
    rows = ask(shop, grafana(BEGIN, END - 1).expand(journeys.distribution("checkout")))
    (found,) = distributions(shop, Window(BEGIN, END), CellFilter(journey="checkout"), now=NOW)
    assert sum(int(str(row["success"])) for row in rows) == found.events()["success"]
    assert sum(int(str(row["failure"])) for row in rows) == found.events()["failure"]
    below = 0
    for row in rows:
        number, unit = str(row["at most"]).split()
        edge_ns = round(float(number) * {"µs": 1e3, "ms": 1e6, "s": 1e9}[unit])
        assert edge_ns in EDGES_NS
        within = int(found.outcomes["success"][: int(np.searchsorted(EDGES_NS, edge_ns)) + 1].sum())
        assert int(str(row["success"])) == within - below
        below = within


def test_versions_and_steps_say_what_the_store_says(shop: Store, grafana: Callable) -> None:
    looked = grafana(BEGIN, END - 1, 1800)
    rows = ask(shop, looked.expand(journeys.p99_by("version", "checkout")))
    expected = distributions(
        shop, Window(BEGIN, END), CellFilter(journey="checkout"), by=["service", "version"], now=NOW
    )
    rows = [row for row in rows if row["Value"] is not None]
    assert (
        [row["name"] for row in rows] == [" ".join(found.group) for found in expected] == ["payment 1.9", "payment 2.0"]
    )
    for row, found in zip(rows, expected, strict=True):
        close(row["Value"], found.histogram().quantile(0.99))


def test_the_funnel_has_the_documents_steps_then_others_then_the_whole(
    shop: Store, grafana: Callable, catalogue: Catalogue
) -> None:
    rows = ask(shop, grafana(BEGIN, END - 1).expand(journeys.funnel(catalogue.journeys["checkout"])))
    expected = {
        found.group[0]: found
        for found in distributions(
            shop, Window(BEGIN, END), CellFilter(journey="checkout", step=None), by=["step"], now=NOW
        )
    }
    (expected[""],) = distributions(shop, Window(BEGIN, END), CellFilter(journey="checkout"), now=NOW)
    names = {"Cart": "cart", "Checkout, as a whole": ""}
    assert [row["Step"] for row in rows] == [
        "Cart",
        "Payment, at last",
        "Gift wrap",
        "pay",
        "Checkout, as a whole",
    ]
    nobody = [row for row in rows if row["Count"] == 0]
    assert [row["Step"] for row in nobody] == ["Payment, at last", "Gift wrap"]
    for row in (row for row in rows if row not in nobody):
        found = expected[names.get(str(row["Step"]), str(row["Step"]))]
        events = found.events()
        assert row["Count"] == sum(events.values())
        assert (row["Success"], row["Failed"], row["Abandoned"]) == tuple(
            events.get(outcome, 0) for outcome in ("success", "failure", "abandoned")
        )
        close(row["P99"], found.histogram().quantile(0.99))


def test_a_release_and_its_rollback_are_both_marked(shop: Store, grafana: Callable) -> None:
    rows = ask(shop, grafana(BEGIN, END).expand(marks.version_changes("checkout")))
    assert [row["text"] for row in rows] == ["payment: 1.9 to 2.0", "payment: 2.0 to 1.9"]
    assert [abs(unix(row["time"]) - BEGIN - at) <= 60 for row, at in zip(rows, (1000, 1400), strict=True)] == [
        True,
        True,
    ]


def test_alerts_that_overlap_are_one_mark(opened: Store, grafana: Callable) -> None:
    fired = [("a", 60, 600), ("b", 120, 180), ("c", 500, 700), ("d", 900, None), ("e", 1200, 1300), ("other", 800, 820)]
    events.append(
        opened,
        [
            events.Event(name, "alert", name, BEGIN + begin, None if end is None else BEGIN + end, {"severity": "page"})
            for name, begin, end in fired
        ],
    )
    rows = opened.rows(grafana(BEGIN, BEGIN + 3600).expand(marks.alerts(["a", "b", "c", "d", "e"])))
    assert [(begin.timestamp() - BEGIN, end.timestamp() - BEGIN, text, tags) for begin, end, text, tags in rows] == [
        (60, 700, "page: a\npage: b\npage: c", "a,b,c"),
        (900, 3600, "page: d\npage: e", "d,e"),
    ]


@pytest.fixture(scope="module")
def budgeted(opened: Store) -> Store:
    """Ten days of minutes of one objective's ledger, some of them silent, one corrected; none of the other's."""
    store = opened
    store.execute("ALTER TABLE sli REMOVE TTL")
    dice = random.Random(11)
    first = BEGIN - 9 * 86_400
    minutes = [t for t in range(first, BEGIN + 86_400, 60) if dice.random() > 0.1]
    written = [
        ledger.Interval(
            "checkout-fast", "0.99", "", t, good := dice.randrange(200), bad := dice.randrange(3), good + bad, "journey"
        )
        for t in minutes
    ]
    ledger.append(store, written, version=1)
    ledger.append(store, [ledger.Interval("checkout-fast", "0.99", "", minutes[-5], 0, 500, 500, "journey")], version=2)
    return store


@pytest.mark.parametrize(
    "now", [BEGIN - 8 * 86_400, BEGIN + 3, BEGIN + 86_399, BEGIN + 2 * 86_400, BEGIN + 30 * 86_400]
)
def test_budgets_say_what_the_ledger_says(budgeted: Store, catalogue: Catalogue, grafana: Callable, now: int) -> None:
    slo = catalogue.slos["checkout-fast"]
    rows = ask(budgeted, grafana(now - 3600, now).expand(budgets.budgets([slo], {slo.name: "maibo-journey-checkout"})))
    sums = ledger.window_sums(budgeted, now=now, windows={slo.name: [slo.window_seconds]})
    assert [(row["SLO"], row["Objective"], row["Target"]) for row in rows] == [
        ("checkout-fast", "0.99", 0.99),
        ("checkout-fast", "it's $99.9 %", 0.999),
    ]
    good, bad, observed = (sums[0].good, sums[0].bad, sums[0].observed_minutes) if sums else (0, 0, 0)
    close(rows[0]["Attainment"], good / (good + bad) if good + bad else None)
    close(rows[0]["Budget left"], 1 - bad / (good + bad) / 0.01 if good + bad else None)
    close(rows[0]["Coverage"], observed / (7 * 1440))
    assert (rows[1]["Attainment"], rows[1]["Budget left"], rows[1]["Coverage"]) == (None, None, 0)


def test_budget_and_burn_over_time_are_the_ledgers_window_sums(
    budgeted: Store, catalogue: Catalogue, grafana: Callable
) -> None:
    slo = catalogue.slos["checkout-fast"]
    (objective, _) = judged([slo])
    looked = grafana(BEGIN + 43_200, BEGIN + 86_400)
    burn = ask(budgeted, looked.expand(budgets.burn_rates([objective])))
    left = ask(budgeted, looked.expand(budgets.budget_left([objective])))
    windows = {"5 m": 300, "30 m": 1800, "1 h": 3600, "2 h": 7200, "6 h": 21_600, "1 d": 86_400, "3 d": 3 * 86_400}
    assert {row["name"] for row in burn} == set(windows)
    assert len(burn) == 721 * len(windows)
    assert {row["name"] for row in left} == {"budget left"}
    assert len(left) == 721
    for row in [*burn[:: len(burn) // 50], *left[:: len(left) // 20]]:
        seconds = windows.get(str(row["name"]), slo.window_seconds)
        (sums,) = (
            each
            for each in ledger.window_sums(budgeted, now=unix(row["time"]), windows={slo.name: [seconds]})
            if each.objective == "0.99"
        )
        rate = sums.bad / (sums.good + sums.bad) / 0.01 if sums.good + sums.bad else None
        if row["name"] in windows:
            close(row["Value"], rate)
        else:
            assert rate is not None
            close(row["Value"], 1 - rate)


def test_a_wider_interval_tells_the_window_that_ends_with_its_last_minute(
    budgeted: Store, catalogue: Catalogue, grafana: Callable
) -> None:
    objectives = judged([catalogue.slos["checkout-fast"]])[:1]
    fine = ask(budgeted, grafana(BEGIN, BEGIN + 7140, 60).expand(budgets.budget_left(objectives)))
    wide = ask(budgeted, grafana(BEGIN, BEGIN + 7140, 600).expand(budgets.budget_left(objectives)))
    by_minute = {unix(row["time"]): row["Value"] for row in fine}
    assert len(wide) == 12
    for row in wide:
        close(row["Value"], float(str(by_minute[unix(row["time"]) + 540])))


@pytest.mark.parametrize(
    "value", ["plain", "it's", "a\\b", "$__timeFilter(t)", "${datasource}", "`; DROP TABLE cells_1m"]
)
def test_names_from_documents_stay_names(opened: Store, value: str) -> None:
    assert "$" not in cell_sql.text(value)
    assert opened.rows(f"SELECT {cell_sql.text(value)}")[0][0] == value
    result = opened.client().query(f"SELECT 1 AS {cell_sql.name(value)}")
    assert result.column_names == (value.replace("$", ""),)
