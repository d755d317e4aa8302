"""Every query of every dashboard, executed over what the real pipeline measured; and what the panels then say is what the engine says."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.dashboards.asking import ask, close, unix

from maibo_dashboards import boards
from maibo_dashboards.plugin import generate
from maibo_dashboards.render import render
from maibo_dashboards.sql.cells import FILTERS
from maibo_slo.documents import Pulse
from maibo_slo.engine.burn import alerted_pairs
from maibo_slo.store import flow, reasons
from maibo_slo.store.cells import CellFilter, Window, distributions, series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from maibo_dashboards.targets import Source
    from maibo_slo.engine.state import Assessment
    from maibo_slo.store import Store

CHECKOUT = "grafana/journey-checkout.json"
FLEET = "grafana/journeys.json"
QUIET = {
    ("grafana/journey-search.json", title)
    for title in ("Worst steps", "Reasons of failures", "annotation Corrections", "annotation Chaos")
} | {
    ("grafana/journey-search.json", "annotation Alerts"),
    ("grafana/journey-search.json", "annotation Deployments"),
    ("grafana/journey-search.json", "variable environment"),
    (CHECKOUT, "variable environment"),
}
"""What has nothing to say of this shop: nobody failed to search, and no service tells its environment."""


class Answers:
    """What the panels of a dashboard get, by title; several targets' rows one after the other."""

    def __init__(self, store: Store, asked: Iterable[tuple[str, str]], looked: Any) -> None:
        self._store = store
        self.looked = looked
        self.asked = list(asked)

    def of(self, title: str) -> list[dict[str, Any]]:
        found = [sql for name, sql in self.asked if name == title]
        assert found, f"no panel is called {title}"
        return [row for sql in found for row in ask(self._store, self.looked.expand(sql))]

    def number(self, title: str) -> Any:
        (row,) = self.of(title)
        (value,) = row.values()
        return value


@pytest.fixture(scope="module")
def documents(shop_made: Any) -> dict[str, Any]:
    """Of journeys; the other dashboards have data and tests of their own."""
    files = generate(shop_made.catalogue)
    return {file.path: json.loads(file.text) for file in files if file.path.startswith("grafana/journey")}


@pytest.fixture
def panels_of(
    documents: Any, measured: Store, grafana: Callable[..., Any], shop_made: Any, executed: Any
) -> Callable[..., Answers]:
    """``panels_of(path, objective="checkout-fast/0.99")``: the whole time of the shop, seen with these variables."""

    def look(path: str, *, interval: int = 60, begin: int | None = None, **chosen: str) -> Answers:
        values = {"objective": ["checkout-fast/0.99"]} if "objective" not in chosen else {}
        values |= {name: [value] for name, value in chosen.items()}
        looked = grafana(begin or shop_made.begin, shop_made.end, interval, chosen=values)
        return Answers(measured, executed.asked(documents[path]), looked)

    return look


@pytest.fixture
def assessed(shop_made: Any) -> Callable[..., list[Assessment]]:
    """What the engine's last tick says of an SLO's objective, group by group."""

    def of(slo: str, objective: str | None = None) -> list[Assessment]:
        return [
            each for each in shop_made.assessments if each.slo.name == slo and objective in (None, each.objective.name)
        ]

    return of


def test_every_query_is_executed_and_has_something_to_say(
    documents: Any, measured: Store, grafana: Callable[..., Any], shop_made: Any, executed: Any
) -> None:
    silent = set()
    for path, document in documents.items():
        chosen = "shop-whole/looking" if "search" in path else "checkout-by-tier/0.9"
        looked = grafana(shop_made.begin, shop_made.end, chosen={"objective": [chosen]})
        told = executed.on(measured, document, looked)
        silent |= {(path, title) for title, rows in told.items() if not rows}
        speaking = {panel["title"] for panel in document["panels"] if panel["type"] not in {"row", "text"}}
        assert speaking <= told.keys(), "a panel was left out"
    assert silent == QUIET


def test_what_answers_are_held_against_is_told_of_panels_that_there_are(shop_made: Any, executed: Any) -> None:
    sources: tuple[Source, ...] = ("clickhouse", "prometheus")
    catalogue = replace(shop_made.catalogue, pulse=Pulse(orders=("checkout",)))
    for source in sources:
        titles: dict[str, set[str]] = {}
        for _, board in boards.every(catalogue, source):
            document = json.loads(render(board))
            of = titles.setdefault(executed.called(document["title"]), set())
            of |= {panel["title"] for panel in document["panels"]}
            of |= {f"annotation {each['name']}" for each in document["annotations"]["list"]}
            of |= {f"variable {each['name']}" for each in document["templating"]["list"]}
        for dashboard, known in executed.checked[source].items():
            for begin in known:
                assert any(title.startswith(begin) for title in titles[dashboard]), (source, dashboard, begin)


def test_the_table_of_budgets_is_the_engines(panels_of: Callable[..., Answers], shop_made: Any) -> None:
    rows = {(row["SLO"], row["Objective"], row["Group"]): row for row in panels_of(FLEET).of("Error budgets")}
    assert rows.keys() == {(each.slo.name, each.objective.name, each.group) for each in shop_made.assessments}
    for each in shop_made.assessments:
        row = rows[each.slo.name, each.objective.name, each.group]
        burns = {burn.window: burn.rate for burn in each.burns}
        close(row["Attainment"], each.budget.attainment)
        close(row["Budget left"], each.budget.remaining)
        close(row["Burn 1 h"], burns["1h"])
        close(row["Burn 6 h"], burns["6h"])
        close(row["Data age"], each.age_seconds)
        assert (row["Target"], row["Window"]) == (each.objective.target, each.slo.window_seconds)
        close(row["Coverage"], each.coverage)
        assert (row["State"], row["Open alerts"]) == stands(each)
        assert row["Details"] == ("" if each.slo.journey == "nobody" else "maibo-journey-checkout")


def stands(each: Assessment) -> tuple[str, int]:
    """Its state and open alerts, of which the shop has one."""
    if (each.slo.name, each.objective.name) == ("checkout-fast", "0.99"):
        return "alerting", 1
    return {"no_data": "no data", "burning": "ok", "burning_fast": "ok"}.get(each.state, each.state), 0


def test_a_journey_now_is_what_the_store_says_of_the_whole_time(
    panels_of: Callable[..., Answers], measured: Store, shop_made: Any
) -> None:
    look = panels_of(CHECKOUT)
    (found,) = distributions(measured, Window(shop_made.begin, shop_made.end), CellFilter(journey="checkout"))
    close(look.number("Rate"), sum(found.events().values()) / (shop_made.end - shop_made.begin))
    close(look.number("P99"), found.histogram().quantile(0.99))
    events, histogram = found.events(), found.histogram("success", "failure")
    close(look.number("Success"), events["success"] / (events["success"] + events["failure"]))
    close(look.number("Within 500 ms"), histogram.within(500_000) / histogram.total)
    assert found.last_event is not None
    assert look.number("Data age") == max(0, shop_made.end - (found.last_event - 1) // 60 * 60 - 60)
    offered = {name: {value for row in look.of(f"variable {name}") for value in row.values()} for name in FILTERS}
    assert offered == {"environment": set(), "region": {"eu", "us"}, "tier": {"standard", "vip"}}


def test_lines_by_journey_are_the_stores_slices(
    panels_of: Callable[..., Answers], measured: Store, shop_made: Any
) -> None:
    look, window = panels_of(FLEET), Window(shop_made.begin, shop_made.end)

    def told(title: str) -> dict[tuple[int, str], float]:
        return {(unix(row["time"]), row["name"]): row["Value"] for row in look.of(title) if row["Value"] is not None}

    slices = {
        (one.t, name): one
        for name in ("checkout", "search")
        for one in series(measured, window, CellFilter(journey=name), slice_seconds=60)
    }
    finished = {at: one.outcomes.get("success", 0) + one.outcomes.get("failure", 0) for at, one in slices.items()}
    assert told("Rate") == pytest.approx({at: sum(one.outcomes.values()) / 60 for at, one in slices.items()})
    assert told("P99") == pytest.approx({at: one.p99_us for at, one in slices.items() if finished[at]})
    assert told("Failure share") == pytest.approx(
        {at: one.outcomes.get("failure", 0) / finished[at] for at, one in slices.items() if finished[at]}
    )


def test_the_table_of_journeys_tells_the_objective_with_the_least_budget_left(
    panels_of: Callable[..., Answers], assessed: Callable[..., list[Assessment]], measured: Store, shop_made: Any
) -> None:
    rows = {row["Journey"]: row for row in panels_of(FLEET).of("Journeys")}
    assert rows.keys() == {"checkout", "search"}
    (worst,) = assessed("checkout-fast", "it's $99.9 %")
    close(rows["checkout"]["Attainment"], worst.budget.attainment)
    close(rows["checkout"]["Budget left"], worst.budget.remaining)
    close(rows["checkout"]["Burn 1 h"], next(burn.rate for burn in worst.burns if burn.window == "1h"))
    assert rows["checkout"]["Open alerts"] == 1
    least = min(assessed("shop-whole"), key=lambda each: each.budget.remaining or 0)
    close(rows["search"]["Budget left"], least.budget.remaining)
    for name, row in rows.items():
        (found,) = distributions(measured, Window(shop_made.begin, shop_made.end), CellFilter(journey=name))
        assert row["Count"] == sum(found.events().values())
        close(row["P99"], found.histogram().quantile(0.99))
        assert row["Details"] == f"maibo-journey-{name}"


@pytest.mark.parametrize(
    ("slo", "objective"),
    [
        ("checkout-fast", "0.99"),
        ("checkout-fast", "it's $99.9 %"),
        ("checkout-by-tier", "0.9"),
        ("checkout-monthly", "0.9"),
        ("checkout-slices", "0.8"),
        ("shop-whole", "looking"),
        ("shop-whole", "composite"),
    ],
)
def test_an_objective_in_full_is_what_the_engine_says_of_it(
    panels_of: Callable[..., Answers],
    assessed: Callable[..., list[Assessment]],
    slo: str,
    objective: str,
) -> None:
    key = f"{slo}/{objective}".replace("it's $99.9 %", "it_s__99.9__")
    look = panels_of(CHECKOUT, objective=key)
    groups = assessed(slo, objective)
    worst = min(groups, key=lambda each: (each.budget.remaining is None, each.budget.remaining))
    assert look.number("Objective") == worst.objective.target
    assert (look.number("State"), look.number("Open alerts")) == stands(worst)
    close(look.number("Attainment"), worst.budget.attainment)
    close(look.number("Budget left"), worst.budget.remaining)
    burn = next(each.rate for each in worst.burns if each.window == "6h") or 0
    left = worst.budget.projected or 0
    lasts = left * worst.slo.window_seconds / burn if burn > 1 and left > 0 else None
    close(look.number("Exhausted in, at the soonest"), lasts)

    last = latest(look.of("Error budget: $objective"))
    assert last.keys() == {each.group or "budget left" for each in groups}
    for each in groups:
        close(last[each.group or "budget left"], each.budget.remaining)

    last = latest(look.of("Burn rates: $objective"))
    names = {"5m": "5 m", "30m": "30 m", "1h": "1 h", "2h": "2 h", "6h": "6 h", "1d": "1 d", "3d": "3 d"}
    for each in groups:
        for rate in each.burns:
            close(last.pop(f"{names[rate.window]} {each.group}".strip()), rate.rate)
    factors = {
        long: pair.factor
        for long, pair in alerted_pairs(worst.slo.window_seconds, target=worst.objective.target).items()
    }
    assert last == {
        f"{severity} above, {names[long]}": pytest.approx(factors[long])
        for long, severity in (("1h", "page"), ("6h", "page"), ("1d", "ticket"), ("3d", "ticket"))
    }


def latest(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The last value of each series."""
    return {row["name"]: row["Value"] for row in rows}


def test_the_sli_and_the_events_are_the_ledgers_minutes(
    panels_of: Callable[..., Answers], assessed: Callable[..., list[Assessment]], shop_made: Any
) -> None:
    (whole,) = assessed("checkout-fast", "0.99")
    look = panels_of(CHECKOUT, interval=60)
    points = look.of("Events: $objective")
    assert round(sum(row["good"] or 0 for row in points) * 60) == whole.good
    assert round(sum(row["bad"] or 0 for row in points) * 60) == whole.bad
    gap = [row for row in points if shop_made.begin + 41 * 60 <= unix(row["time"]) < shop_made.begin + 44 * 60]
    assert [row["good"] for row in gap] == [None, None, None]
    shares = {
        unix(row["time"]): row["Value"] for row in look.of("SLI and objective: $objective") if row["name"] == "SLI"
    }
    for row in points:
        events = (row["good"] or 0) + (row["bad"] or 0)
        close(shares.get(unix(row["time"])), row["good"] / events if events else None)
    lines = [row for row in look.of("SLI and objective: $objective") if row["name"] == "objective"]
    assert [row["Value"] for row in lines] == [0.99, 0.99]


def test_a_group_can_be_chosen(panels_of: Callable[..., Answers], assessed: Callable[..., list[Assessment]]) -> None:
    groups = {each.group: each for each in assessed("checkout-by-tier")}
    assert [row["grp"] for row in panels_of(CHECKOUT).of("variable group")] == sorted(groups)
    chosen = "tier=vip,region=eu"
    look = panels_of(CHECKOUT, objective="checkout-by-tier/0.9", group=chosen)
    assert set(latest(look.of("Error budget: $objective"))) == {chosen}
    close(look.number("Budget left"), groups[chosen].budget.remaining)
    good = sum(row["good"] or 0 for row in look.of("Events: $objective")) * 60
    assert round(good) == groups[chosen].good


def test_the_heatmap_holds_every_finished_journey_between_the_right_edges(
    panels_of: Callable[..., Answers], measured: Store, shop_made: Any
) -> None:
    rows = panels_of(CHECKOUT).of("Latency over time")
    (found,) = distributions(measured, Window(shop_made.begin, shop_made.end), CellFilter(journey="checkout"))
    histogram, below = found.histogram("success", "failure"), 0
    edges = [name for name in rows[0] if name not in {"time", "+Inf"}]
    assert [float(edge) for edge in edges] == sorted(map(float, edges))
    assert {"0.05", "0.5", "5"} <= set(edges)
    for edge in edges:
        within = histogram.within(round(float(edge) * 1_000_000))
        assert sum(row[edge] for row in rows) == within - below, edge
        below = within
    assert sum(row["+Inf"] for row in rows) == histogram.total - below


def test_customers_are_followed_from_step_to_step(
    panels_of: Callable[..., Answers], measured: Store, shop_made: Any
) -> None:
    look = panels_of(CHECKOUT)
    cart, payment, gift, whole = look.of("Funnel")
    assert [row["Step"] for row in (cart, payment, gift)] == ["Cart", "Payment, at last", "Gift wrap"]
    assert whole["Step"] == "Checkout, as a whole"
    assert cart["Reached"] == 1
    close(payment["Reached"], payment["Count"] / cart["Count"])
    assert 0.85 < payment["Reached"] < 0.95, "one of ten was never seen again"
    assert (gift["Count"], gift["Reached"], gift["P99"]) == (0, 0, None), "nobody came"
    bars = look.of("Who came to each step, and what became of them")
    assert [(row["success"], row["failure"], row["abandoned"]) for row in bars] == [
        (row["Success"], row["Failed"], row["Abandoned"]) for row in (cart, payment, gift, whole)
    ]
    (became,) = look.of("What became of those who began")
    window = Window(shop_made.begin, shop_made.end)
    counts = flow.abandoned(measured, window, {"checkout": 900}, shop_made.end)["checkout"]
    assert tuple(became.values()) == (
        counts.started,
        counts.succeeded,
        counts.failed,
        counts.abandoned,
        counts.in_progress,
    )
    assert counts.abandoned
    assert counts.in_progress


def test_the_worst_steps_come_first_and_reasons_are_told(
    panels_of: Callable[..., Answers], measured: Store, shop_made: Any
) -> None:
    look = panels_of(CHECKOUT)
    window = Window(shop_made.begin, shop_made.end)
    worst, *others = look.of("Worst steps")
    assert (worst["Step"], worst["Service"], worst["Version"], worst["Region"]) == ("payment", "payment", "2.0", "us")
    assert all(row["Failed"] <= worst["Failed"] for row in others)
    where = {"version": ["2.0"], "step": ["payment"]}
    (found,) = distributions(measured, window, CellFilter(journey="checkout", step=None, where=where))
    assert (worst["Count"], worst["Failed"]) == (sum(found.events().values()), found.events()["failure"])
    close(worst["P99"], found.histogram().quantile(0.99))
    told = look.of("Reasons of failures")
    expected = sum(each.n for each in reasons.top(measured, window, CellFilter(journey="checkout"), 10))
    assert sum(row["Count"] for row in told if row["Step"] == "as a whole") == expected > 0
    assert {row["Reason"] for row in told} == {"card declined"}


@pytest.mark.parametrize("dimension", ["version", "tier", "region"])
def test_breakdowns_are_the_cells_of_their_values(
    panels_of: Callable[..., Answers], measured: Store, shop_made: Any, dimension: str
) -> None:
    day = panels_of(CHECKOUT, interval=86_400)
    by = ["service", "version"] if dimension == "version" else [dimension]
    window = Window(shop_made.begin, shop_made.end)
    expected = {
        " ".join(found.group): found for found in distributions(measured, window, CellFilter(journey="checkout"), by=by)
    }
    for title, number in (
        (f"Rate by {dimension}", lambda found: sum(found.events().values())),
        (f"Failure share by {dimension}", lambda found: found.events().get("failure", 0)),
    ):
        sums: Counter[str] = Counter()
        for row in day.of(title):
            count = number(expected[row["name"]])
            finished = sum(expected[row["name"]].events().get(each, 0) for each in ("success", "failure"))
            sums[row["name"]] += round((row["Value"] or 0) * (86_400 if "Rate" in title else finished))
            assert count >= 0
        if len({unix(row["time"]) for row in day.of(title)}) == 1:  # else midnight lay within
            assert sums == {name: number(found) for name, found in expected.items()}
    p99s = [row for row in day.of(f"P99 by {dimension}") if row["Value"] is not None]
    if len({unix(row["time"]) for row in p99s}) == 1:
        assert latest(p99s) == pytest.approx(
            {name: found.histogram().quantile(0.99) for name, found in expected.items()}
        )


def test_what_happened_is_marked(
    panels_of: Callable[..., Answers], measured: Store, shop_made: Any, executed: Any
) -> None:
    look, begin = panels_of(CHECKOUT), shop_made.begin

    def marks(name: str) -> list[tuple[int, int, str]]:
        return [
            (unix(row["time"]) - begin, unix(row["timeEnd"]) - begin, row["text"])
            for row in look.of(f"annotation {name}")
        ]

    words = "page: checkout burns"
    assert marks("Alerts") == [(6000, 9000, words)], "one ended, one goes on: together one mark"
    assert marks("Chaos") == [(1800, 2400, "node-drill (chaos): node-drill, planned (ada)")]
    assert marks("Corrections") == [(1800, 2400, "db-upgrade (other): db-upgrade, planned (ada)")]
    assert marks("Overrides") == [(3600, 5400, "shop/checkout-api: replicas at least 4; sale (ada)")]
    assert marks("Scale-ups") == [(3000, 3022, "shop/Deployment/checkout-api: 10 to 11 replicas")]
    releases = look.of("annotation Deployments")
    assert [row["text"] for row in releases] == ["payment: 1.9 to 2.0", "payment: 2.0 to 1.9"]
    assert [abs(unix(row["time"]) - begin - at) <= 60 for row, at in zip(releases, (4800, 6600), strict=True)] == [
        True,
        True,
    ]
    nobodys = panels_of("grafana/journey-search.json")
    assert nobodys.of("annotation Chaos") == nobodys.of("annotation Alerts") == []
    fleet = panels_of(FLEET)
    assert len(fleet.of("annotation Alerts")) == 1
    assert len(fleet.of("annotation Chaos")) == 1
    assert [row["text"] for row in fleet.of("annotation Corrections")] == [
        "db-upgrade (other): db-upgrade, planned (ada)"
    ]
    of_scaling = Answers(
        measured, executed.asked(json.loads(render(boards.scaling.dashboard(shop_made.catalogue)))), look.looked
    )
    for name in ("Alerts", "Overrides", "Scale-ups"):
        assert of_scaling.of(f"annotation {name}") == look.of(f"annotation {name}") != []
