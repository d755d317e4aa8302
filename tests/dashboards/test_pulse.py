"""The business pulse: each number on the real engine, held against what the store says of the same, or against the sum by hand."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.dashboards.asking import ask, unix

from maibo_dashboards.boards import pulse as board
from maibo_dashboards.boards.aims import scale_of
from maibo_dashboards.render import render
from maibo_dashboards.sql import pulse as sql
from maibo_dashboards.sql import scaling as scaling_sql
from maibo_slo.documents import Aim, Catalogue, Pulse
from maibo_slo.engine import lifetimes
from maibo_slo.store import counts, flow, open_store, scaleups, scaling
from maibo_slo.store.cells import CellFilter, CellKey, Window, distributions, insert_cells
from maibo_slo.store.histogram import bin_of
from maibo_slo.store.scaling import Decided

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from maibo_slo.store import Store

DAY, HOUR = 86_400, 3600
BEGIN = 1_767_225_600  # a day's begin
DAYS = 4
END = BEGIN + DAYS * DAY - 1
SHOP = Pulse(journeys=("checkout",), orders=("checkout",), environments=("prod",))
TIMEOUTS = {"checkout": 600, "browse": 1200}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Four days of two journeys in two environments: their latencies, versions, flow, scale-ups and decisions."""
    with open_store(f"chdb://{tmp_path_factory.mktemp('pulse') / 'store'}") as opened:
        for table in ("cells_10s", "cells_1m", "cells_1h", "flow_1m", "scaling_10s", "events"):
            opened.execute(f"ALTER TABLE {table} REMOVE TTL")  # their day is fixed, the engine's clock is not
        insert_cells(opened, _cells(), token="cells")
        counts.insert(opened, _flow(), token="flow")
        scaling.insert(opened, _decided(), version=1)
        yield opened


RELEASES = {
    # service -> (hour, version), from then on; payment's 2.1 is taken back and comes again
    "payment": [(-40 * 24, "1.9"), (5, "2.0"), (30, "2.1"), (33, "2.0"), (60, "2.1"), (61, "2.2")],
    "cart": [(-2 * 24, "7"), (26, "8")],
    "search": [(0, "3"), (50, "4")],
}


def _cells() -> Counter[CellKey]:
    """Each service's events by the hour; between hours 70 and 76 a canary of cart gets from none to nearly all, and is taken back."""
    dice = random.Random(4)
    cells: Counter[CellKey] = Counter()
    for environment in ("prod", "test"):
        for service, releases in RELEASES.items():
            for hour in range(-26, DAYS * 24):
                if service == "search" and hour < 0:
                    continue
                version = [version for since, version in releases if since <= hour][-1]
                shares = {version: 12}
                if service == "cart" and 70 <= hour < 76:
                    shares = {version: 12 - canary, "9": canary} if (canary := (hour - 69) * 1) else shares
                if environment == "test":
                    shares = {f"{version}-rc{hour}": 3}
                for running, events in shares.items():
                    for _ in range(events):
                        journey = "browse" if service == "search" else "checkout"
                        step = "" if service in ("payment", "search") else "cart"
                        outcome = dice.choices(["success", "failure", "abandoned"], [90, 6, 4])[0]
                        t = BEGIN + hour * HOUR + dice.randrange(HOUR) // 10 * 10
                        duration_ns = int(dice.lognormvariate(12, 1) * 1000)
                        key = CellKey(
                            t,
                            journey,
                            step,
                            environment,
                            service,
                            running,
                            "",
                            "eu",
                            "vip",
                            "",
                            outcome,
                            bin_of(duration_ns),
                        )
                        cells[key] += 1
    return cells


def _flow() -> counts.Counts:
    """Journeys by the minute in which they began; those of the last minutes of the time range may not be over."""
    dice = random.Random(8)
    outcomes = ["success", "failure", "abandoned"]
    series = [
        (journey, "", environment, "shop", "1", "", "", "vip", "", outcome)
        for journey in TIMEOUTS
        for environment in ("prod", "test")
        for outcome in outcomes
    ]
    rows = []
    minutes = [BEGIN + dice.randrange(DAYS * DAY) // 60 * 60 for _ in range(600)] + [
        END + 1 - 60 * n for n in range(1, 25)
    ]
    for t in minutes:
        for place in range(0, len(series), len(outcomes)):
            ended = [dice.randrange(0, most) for most in (30, 4, 3)]
            started = sum(ended) + dice.randrange(0, 5)
            rows += [(t, place + at, started if at == 0 else 0, of) for at, of in enumerate(ended)]
    return counts.Counts(series, flow=np.array(rows, counts.FLOW))


def _decided() -> list[Decided]:
    """Two targets every ten minutes, with some of which one side is not known."""
    dice = random.Random(6)
    return [
        Decided(t, "shop", target, desired=5, ready=dice.choice([None, 0, 4, 9]), demand=dice.choice([None, dice.uniform(5, 300)]),
                per_replica=dice.choice([None, 40.0, 55.0]))
        for t in range(BEGIN, END, 600)
        for target in ("checkout", "search")
    ]  # fmt: skip


@pytest.mark.parametrize("pulse", [Pulse(), SHOP])
def test_the_p99_is_the_stores_over_all_and_of_each_day(
    store: Store, grafana: Callable[..., Any], pulse: Pulse
) -> None:
    which = CellFilter(
        where={"journey": list(pulse.journeys), "environment": list(pulse.environments)} if pulse.journeys else {}
    )
    spans = [(BEGIN, END + 1), *((BEGIN + day * DAY, BEGIN + (day + 1) * DAY) for day in range(DAYS))]
    expected = []
    for begin, end in spans:
        found = distributions(store, Window(begin, end), which, by=("region",), now=END)
        expected.append(found[0].histogram().quantile(0.99))
    looked = grafana(BEGIN, END)
    (whole,) = ask(store, looked.expand(sql.p99(pulse)))
    days = ask(store, looked.expand(sql.p99_by_day(pulse)))
    assert [unix(row["time"]) for row in days] == [begin for begin, _ in spans[1:]]
    assert [whole["p99"], *(row["P99"] for row in days)] == pytest.approx(expected)


def test_new_versions_count_once_and_rollbacks_apart(store: Store, grafana: Callable[..., Any]) -> None:
    prod = Pulse(environments=("prod",))
    looked = grafana(BEGIN, END)
    rows = ask(store, looked.expand(sql.newest_deployments(prod)))
    told = [((unix(row["Hour"]) - BEGIN) // HOUR, row["Service"], row["From"], row["To"], row["What"]) for row in rows]
    assert told == [
        (61, "payment", "2.1", "2.2", "new version"),
        (60, "payment", "2.0", "2.1", "rollback"),
        (50, "search", "3", "4", "new version"),
        (33, "payment", "2.1", "2.0", "rollback"),
        (30, "payment", "2.0", "2.1", "new version"),
        (26, "cart", "7", "8", "new version"),
        (5, "payment", "1.9", "2.0", "new version"),
    ]
    (a_day,) = ask(store, looked.expand(sql.deployments(prod)))
    assert a_day["deployments"] == pytest.approx(5 / DAYS, rel=1e-4)
    by_day = ask(store, looked.expand(sql.deployments_by_day(prod)))
    assert [(row["new versions"], row["rollbacks"]) for row in by_day] == [(1, 0), (2, 1), (2, 1), (0, 0)]


def test_a_young_store_is_divided_by_the_days_that_it_saw(store: Store, grafana: Callable[..., Any]) -> None:
    browsed = Pulse(journeys=("browse",), environments=("prod",))
    (row,) = ask(store, grafana(BEGIN - 26 * DAY, END).expand(sql.deployments(browsed)))
    assert row["deployments"] == pytest.approx(1 / DAYS, rel=1e-4)
    (row,) = ask(store, grafana(BEGIN - DAY, BEGIN + 2 * HOUR).expand(sql.deployments(browsed)))
    assert row["deployments"] == 0, "three hours of data are taken for a day"


def test_a_version_that_comes_slowly_changes_once(store: Store, grafana: Callable[..., Any]) -> None:
    """The canary of cart gets half of the events at the most, and is no deployment."""
    rows = ask(store, grafana(BEGIN, END).expand(sql.newest_deployments(SHOP)))
    assert "9" not in {row["To"] for row in rows}


def test_utilisation_is_sums_over_sums(store: Store, grafana: Callable[..., Any]) -> None:
    known = [each for each in _decided() if None not in (each.demand, each.ready, each.per_replica)]
    day = np.array([(each.t - BEGIN) // DAY for each in known])
    demand = np.array([each.demand for each in known], np.float64)
    carried = np.array([(each.ready or 0) * (each.per_replica or 0) for each in known], np.float64)
    looked = grafana(BEGIN, END)
    (row,) = ask(store, looked.expand(sql.utilisation()))
    assert row["utilisation"] == pytest.approx(demand.sum() / carried.sum())
    days = ask(store, looked.expand(sql.utilisation_by_day()))
    assert [each["utilisation"] for each in days] == pytest.approx(
        [demand[day == n].sum() / carried[day == n].sum() for n in range(DAYS)]
    )


@pytest.mark.parametrize("pulse", [Pulse(), SHOP, Pulse(orders=("browse",))])
def test_lost_orders_are_those_that_the_store_says_failed_or_were_left(
    store: Store, grafana: Callable[..., Any], pulse: Pulse
) -> None:
    asked = {name: TIMEOUTS[name] for name in pulse.orders or TIMEOUTS}
    among = {"environment": list(pulse.environments)} if pulse.environments else None
    found = flow.abandoned(store, Window(BEGIN, END + 1), asked, END, among=among)
    failed, left, begun = (
        sum(getattr(each, name) for each in found.values()) for name in ("failed", "abandoned", "started")
    )
    under_way = sum(each.in_progress or 0 for each in found.values())
    assert under_way > 0
    looked = grafana(BEGIN, END)
    usual = TIMEOUTS["browse"]
    one_known = {"checkout": TIMEOUTS["checkout"]}
    (row,) = ask(store, looked.expand(sql.lost(pulse, one_known, usual)))
    assert row == {"Lost": failed + left, "Failed": failed, "Left": left}
    (share,) = ask(store, looked.expand(sql.lost_share(pulse, one_known, usual)))
    assert share["share"] == pytest.approx((failed + left) / (begun - under_way))
    days = ask(store, looked.expand(sql.lost_by_day(pulse, one_known, usual)))
    assert (sum(each["failed"] for each in days), sum(each["left"] for each in days)) == (failed, left)
    assert [unix(each["time"]) for each in days] == [BEGIN + n * DAY for n in range(DAYS)]


def test_where_starts_are_not_told_nobody_knows_who_left(store: Store, grafana: Callable[..., Any]) -> None:
    series = [("sign-up", "", "prod", "shop", "1", "", "", "", "", "failure")]
    counts.insert(store, counts.Counts(series, flow=np.array([(BEGIN, 0, 0, 7)], counts.FLOW)), token="untold")
    (row,) = ask(store, grafana(BEGIN, END).expand(sql.lost(Pulse(orders=("sign-up",)), {}, 1800)))
    assert row == {"Lost": None, "Failed": 7, "Left": None}


def test_the_latency_of_scaleups_is_the_engines_by_day_too(
    store: Store, make_scaleup: Any, grafana: Callable[..., Any]
) -> None:
    dice = random.Random(2)
    made = []
    for number in range(40):
        took = 2 + dice.lognormvariate(2, 1)
        at = BEGIN + dice.randrange(DAYS) * DAY + dice.randrange(DAY - 2000)
        dead = {"created": 1, "state": "never_ready", "ended": 99.0}
        fate = {"ended": 99.0} if number % 13 == 0 else {"trigger": -2.0}
        made.append(
            make_scaleup(
                at, [dead if number % 13 == 0 else {"created": 1, "ready": took, "in_rotation": took + 1}], **fate
            )
        )
    scaleups.append(store, made)
    looked = grafana(BEGIN, END)
    (whole,) = ask(store, looked.expand(scaling_sql.latency_quantile(0.75)))
    days = ask(store, looked.expand(scaling_sql.latency_quantile_by_day(0.75)))
    by_day: dict[int, list[Any]] = {}
    for each in made:
        by_day.setdefault(int(each.moments["decided"].earliest) // DAY * DAY, []).append(each)
    expected = [
        lifetimes.between(map(lifetimes.latency, of), [0.75])[0].upper
        for of in (made, *(by_day[day] for day in sorted(by_day)))
    ]
    assert [whole["latency"], *(row["P75"] for row in days)] == pytest.approx(expected)
    assert [unix(row["time"]) for row in days] == sorted(by_day)


@pytest.mark.parametrize(
    ("aim", "more", "steps"),
    [
        (Aim(90, 5), False, [(None, "green"), (5, "yellow"), (47.5, "orange"), (90, "red")]),
        (Aim(0.35, 0.65), True, [(None, "red"), (0.35, "orange"), (0.5, "yellow"), (0.65, "green")]),
        (Aim(5, 5), False, [(None, "green"), (5, "red")]),
        (Aim(5, 5), True, [(None, "red"), (5, "green")]),
    ],
)
def test_colours_tell_where_between_baseline_and_target(
    aim: Aim, more: bool, steps: list[tuple[float | None, str]]
) -> None:
    assert [(step.value, step.colour) for step in scale_of(aim, more_is_better=more)] == steps


def test_the_titles_say_from_where_to_where() -> None:
    pulse = Pulse("shop", p99_us=Aim(900_000, 80_000), scale_up_seconds=Aim(120, 0.5), scale_up_quantile=0.95)
    said = json.loads(render(board.dashboard(Catalogue(pulse=pulse))))
    titles = [panel["title"] for panel in said["panels"]]
    assert titles[:4] == [
        "Scale-up latency, P95: 120 s → 500 ms",
        "Deployments a day: 1 → 50",
        "Customer P99: 900 ms → 80 ms",
        "Utilisation: 35 % → 65 %",
    ]
    usual = json.loads(render(board.dashboard(Catalogue())))
    assert usual["panels"][0]["type"] == "text"
    assert "usual ones" in usual["panels"][0]["options"]["content"]


def test_every_query_is_executed_and_has_something_to_say(
    store: Store, grafana: Callable[..., Any], executed: Any
) -> None:
    document = json.loads(render(board.dashboard(Catalogue(pulse=SHOP))))
    found = executed.on(store, document, grafana(BEGIN, END, DAY))
    assert [title for title, rows in found.items() if not rows] == []


def test_every_query_answers_a_time_without_anything(store: Store, grafana: Callable[..., Any]) -> None:
    document = json.loads(render(board.dashboard(Catalogue(pulse=SHOP))))
    looked = grafana(BEGIN - 900 * DAY, BEGIN - 870 * DAY)
    asked = [(panel["title"], target["rawSql"]) for panel in document["panels"] for target in panel["targets"]]
    assert len(asked) >= 12
    for title, text in asked:
        told = [value for row in store.rows(looked.expand(text)) for value in row if value is not None]
        assert told == [], title
