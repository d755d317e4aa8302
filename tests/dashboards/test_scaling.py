"""The dashboard of scale-ups and decisions: each query on the real engine, held against what the API, the engine and the store say of the same."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.dashboards.asking import ask, unix

from maibo_dashboards.boards import scaling as board
from maibo_dashboards.render import render
from maibo_dashboards.sql import scaling as sql
from maibo_slo.documents import Catalogue, Objective, Origin, ScaleupSli, ScaleupSlo
from maibo_slo.engine import lifetimes
from maibo_slo.service import scaleups as answers
from maibo_slo.service.scaleup_phases import LABELS
from maibo_slo.service.scaleups_seen import ScaleUpsSeen
from maibo_slo.store import events, forecasts, open_store, scaleups, scaling
from maibo_slo.store.forecasts import Forecasted
from maibo_slo.store.scaleups import ScaleUpState, Stage
from maibo_slo.store.scaling import Decided

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from maibo_slo.store import Store
    from maibo_slo.store.scaleups import ScaleUp

BEGIN = 1_767_225_600  # a day's begin
END = BEGIN + 6 * 3600
CHECKOUT, CACHE = "shop/Deployment/checkout-api", "shop/StatefulSet/cache"
WARM = {"created": 1, "scheduled": 1.4, "pulled": 2, "started": 2.5, "ready": 8, "in_rotation": 9, "first_journey": 11}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One for all of this file, whose parts do not touch."""
    with open_store(f"chdb://{tmp_path_factory.mktemp('scaling') / 'store'}") as opened:
        for table in ("events", "scaling_10s", "forecasts"):
            opened.execute(f"ALTER TABLE {table} REMOVE TTL")  # their day is fixed, the engine's clock is not
        yield opened


@pytest.fixture(scope="module")
def made(store: Store, make_scaleup: Any) -> list[ScaleUp]:
    """Sixty of two workloads and of all fates, one of them told twice, two outside the time range, one nobody selects."""
    dice = random.Random(5)
    told = []
    for _ in range(60):
        at = BEGIN + dice.randrange(6 * 3600 - 700) + dice.randrange(1000) / 1000
        slow = dice.lognormvariate(1.5, 1)
        pod = {stage: 1 + (seconds - 1) * slow for stage, seconds in WARM.items()}
        cold = {**pod, "node_provisioned": True}
        dead = {"created": 1, "unschedulable": "no room", "state": "never_ready", "ended": 250.0}
        pods, fate = dice.choices(
            [([pod] * 3, {}), ([pod, cold], {}), ([pod, dead], {"ended": 250.0}), ([pod, {"created": 2}], {})],
            [6, 3, 3, 1],
        )[0]
        if dice.random() < 0.6:
            fate |= {"trigger": -dice.uniform(1, 9), "served": -0.8}
        told.append(make_scaleup(at, pods, workload=dice.choice([CHECKOUT, CACHE]), **fate))
    unselected = {stage: seconds for stage, seconds in WARM.items() if stage not in ("in_rotation", "first_journey")}
    told.append(make_scaleup(BEGIN + 4000, [unselected] * 2, workload="jobs/Deployment/worker"))
    told += [make_scaleup(BEGIN - 500, [WARM]), make_scaleup(END + 500, [WARM])]
    scaleups.append(store, [make_scaleup(BEGIN + 4000, [{}], workload="jobs/Deployment/worker")])
    scaleups.append(store, told)
    return [each for each in told if BEGIN <= each.moments[Stage.DECIDED].earliest < END]


def test_quantiles_by_workload_are_those_of_the_api(
    store: Store, made: list[ScaleUp], grafana: Callable[..., Any]
) -> None:
    rows = ask(store, grafana(BEGIN, END).expand(sql.by_workload()))
    said = answers.summary(ScaleUpsSeen(store), BEGIN, END, now=END).workloads
    assert {each.censored for each in said} > {0}
    assert (
        [row["Workload"] for row in rows]
        == [each.workload for each in said]
        == sorted(
            {str(each.workload) for each in made}, key=lambda name: -sum(str(each.workload) == name for each in made)
        )
    )
    for row, each in zip(rows, said, strict=True):
        assert (row["Scale-ups"], row["Never got there"], row["Running"]) == (each.count, each.censored, each.running)
        assert row["Served warm"] == pytest.approx(each.warm_share)
        for level in ("p50", "p90", "p99"):
            quantile = getattr(each.latency, level)
            expected = None if quantile is None else quantile.latest
            assert row[level.upper()] == (None if expected is None else pytest.approx(expected, abs=2e-3)), (row, level)


@pytest.mark.parametrize("chosen", [{}, {"namespace": ["shop"]}, {"workload": [CACHE]}])
def test_quantiles_of_what_is_chosen_are_the_engines(
    store: Store, made: list[ScaleUp], grafana: Callable[..., Any], chosen: dict[str, list[str]]
) -> None:
    which = [
        each
        for each in made
        if each.workload.namespace in chosen.get("namespace", [each.workload.namespace])
        and str(each.workload) in chosen.get("workload", [str(each.workload)])
    ]
    looked = grafana(BEGIN, END, chosen=chosen)
    (row,) = ask(store, looked.expand(sql.latency_quantiles()))
    assert list(row.values()) == pytest.approx(upper(which, sql.LEVELS))
    (counted,) = ask(store, looked.expand(sql.counts()))
    by_state = [
        sum(each.state is state for each in which)
        for state in (ScaleUpState.COMPLETE, ScaleUpState.CENSORED, ScaleUpState.RUNNING)
    ]
    assert list(counted.values()) == [len(which), *by_state]
    (shares,) = ask(store, looked.expand(sql.shares()))
    warmth = lifetimes.warmth(which)
    assert shares["Served warm"] == pytest.approx(warmth.share)
    assert shares["From the trigger"] == pytest.approx(
        sum(Stage.TRIGGER in each.moments for each in which) / len(which)
    )


def upper(which: Sequence[ScaleUp], levels: Sequence[float]) -> list[float | None]:
    """At the longest that is possible, running ones censored at the end."""
    return [
        quantile.upper for quantile in lifetimes.between((lifetimes.latency(each, now=END) for each in which), levels)
    ]


def test_too_many_that_never_got_there_are_no_number(
    store: Store, make_scaleup: Any, grafana: Callable[..., Any]
) -> None:
    dead = {"created": 1, "state": "never_ready", "ended": 60.0}
    later = END + 86_400
    told = [make_scaleup(later + 60, [WARM]), *(make_scaleup(later + 60 * n, [dead], ended=60.0) for n in range(2, 6))]
    scaleups.append(store, told)
    (row,) = ask(store, grafana(later, later + 3600).expand(sql.latency_quantiles()))
    assert list(row.values()) == upper(told, sql.LEVELS) == [None, None, None]


def test_the_p90_of_each_interval_is_the_engines(
    store: Store, made: list[ScaleUp], grafana: Callable[..., Any]
) -> None:
    rows = ask(store, grafana(BEGIN, END, 3600).expand(sql.p90_over_time()))
    by_hour: dict[int, list[ScaleUp]] = {}
    for each in made:
        by_hour.setdefault(int(each.moments[Stage.DECIDED].earliest) // 3600 * 3600, []).append(each)
    assert [unix(row["time"]) for row in rows] == sorted(by_hour)
    for row in rows:
        assert row["P90, censored included"] == pytest.approx(upper(by_hour[unix(row["time"])], [0.9])[0])


def test_phases_add_up_to_the_mean_of_those_that_are_complete(
    store: Store, made: list[ScaleUp], grafana: Callable[..., Any]
) -> None:
    rows = ask(store, grafana(BEGIN, END, 6 * 3600).expand(sql.phases_over_time()))
    (row,) = rows
    complete = [each for each in made if each.state is ScaleUpState.COMPLETE]
    expected = dict.fromkeys(sql.PHASES, 0.0)
    whole = 0.0
    for each in complete:
        for phase in lifetimes.phases(each):
            if phase.stage is not Stage.FIRST_JOURNEY:
                expected[phase.stage] += max(0.0, middle(phase.end) - middle(phase.begin)) / len(complete)
        whole += (middle(lifetimes.reached(each)) - middle(lifetimes.began(each))) / len(complete)
    assert [row[label] for label in sql.PHASES.values()] == pytest.approx(list(expected.values()))
    # A second that nobody knows may lie before the moment that it follows: such a phase is 0, never less.
    assert sum(row[label] for label in sql.PHASES.values()) == pytest.approx(whole, rel=1e-3)


def middle(moment: Any) -> float:
    return float(moment.earliest + moment.latest) / 2


def test_the_phases_are_called_as_everywhere_else() -> None:
    labels = {stage.value: LABELS[stage] for stage in Stage if stage not in (Stage.TRIGGER, Stage.FIRST_JOURNEY)}
    assert labels == sql.PHASES
    assert list(labels) == list(sql.PHASES)


def test_the_newest_are_listed_with_where_their_time_went(
    store: Store, made: list[ScaleUp], grafana: Callable[..., Any]
) -> None:
    rows = ask(store, grafana(BEGIN, END).expand(sql.newest(20)))
    newest = sorted(made, key=lambda each: -each.moments[Stage.DECIDED].earliest)[:20]
    assert [row["Details"] for row in rows] == [each.id for each in newest]
    assert {row["State"] for row in rows} >= {"complete", "never got there"}
    for row, each in zip(rows, newest, strict=True):
        took = lifetimes.latency(each, now=END)
        assert row["Took at most"] == pytest.approx(took.upper)
        assert (row["From"], row["To"], row["By"]) == (each.before, each.after, each.by)
        assert (row["Since"] == "trigger") is (Stage.TRIGGER in each.moments)
        over = [one for one in lifetimes.phases(each) if one.over and one.stage is not Stage.FIRST_JOURNEY]
        longest = max(over, key=lambda one: middle(one.end) - middle(one.begin))
        assert row["Most of it"].endswith(f" s: {sql.PHASES[longest.stage]}")


def test_states_over_time_hold_everyone_once(store: Store, made: list[ScaleUp], grafana: Callable[..., Any]) -> None:
    rows = ask(store, grafana(BEGIN, END, 1800).expand(sql.states_over_time()))
    assert sum(row["complete"] + row["never got there"] + row["running"] for row in rows) == len(made)
    assert sum(row["never got there"] for row in rows) == sum(each.state is ScaleUpState.CENSORED for each in made)


@pytest.fixture(scope="module")
def decided(store: Store) -> list[Decided]:
    """Half an hour of one target, with three silent minutes, a refusal and an override; each told twice. Another target beside it."""
    dice = random.Random(3)
    rows = []
    for t in range(BEGIN, BEGIN + 1800, 10):
        if 600 <= t - BEGIN < 780:
            continue
        wishes = {name: dice.choice([None, dice.randrange(4, 20)]) for name in sql.WISHES} | {
            "reactive": dice.randrange(4, 20)
        }
        highest = max(each for each in wishes.values() if each is not None)
        held = dice.choice([each for each in sql.HOLDS if each not in ("no_data", "override")])
        rows.append(
            Decided(t, "shop", "checkout-api", highest, highest - 2, highest + 3, **wishes, ready=dice.randrange(3, 18), wanted=highest,
                    demand=dice.uniform(10, 900), per_replica=40.0, age=dice.uniform(0, 12), held_by=held, reason="as wished")
        )  # fmt: skip
    rows[-2] = Decided(
        rows[-2].t, "shop", "checkout-api", None, held_by="no_data", reason="no calls of checkout-api were seen"
    )
    rows[-1] = Decided(rows[-1].t, "shop", "checkout-api", 40, 40, 40, held_by="override", reason="40 replicas")
    scaling.insert(store, [Decided(row.t, "shop", "checkout-api", 1, reason="too early") for row in rows], version=1)
    scaling.insert(
        store, [*rows, Decided(BEGIN, "shop", "cart", 99), Decided(BEGIN, "other", "checkout-api", 98)], version=2
    )
    return rows


TARGET = {"target": ["shop/checkout-api"]}


def test_replicas_and_wishes_are_the_newest_of_each_interval(
    store: Store, decided: list[Decided], grafana: Callable[..., Any]
) -> None:
    looked = grafana(BEGIN, BEGIN + 1790, chosen=TARGET)
    assert scaling.history(store, "shop", "checkout-api", BEGIN, BEGIN + 1800) == decided
    last = {row.t // 60 * 60: row for row in decided}
    for text, names in (
        (sql.replicas(), {name: name for name in ("desired", "upper", "lower", "ready", "wanted")}),
        (sql.wishes(), {**{word: name for name, word in sql.WISHES.items()}, "decided": "desired"}),
    ):
        rows = ask(store, looked.expand(text))
        assert len(rows) == 30, "silent minutes are there, without numbers"
        for row in rows:
            found = last.get(unix(row["time"]))
            assert {name: row[name] for name in names} == {
                name: getattr(found, of) if found else None for name, of in names.items()
            }


def test_demand_and_what_carries_it_are_means_of_what_is_known(
    store: Store, decided: list[Decided], grafana: Callable[..., Any]
) -> None:
    rows = ask(store, grafana(BEGIN, BEGIN + 1790, 300, chosen=TARGET).expand(sql.demand()))
    for row in rows:
        within = [each for each in decided if 0 <= each.t - unix(row["time"]) < 300 and each.demand is not None]
        if not within:
            assert (row["demand"], row["capacity of what is ready"]) == (None, None)
            continue
        assert row["demand"] == pytest.approx(np.mean([each.demand or 0.0 for each in within]))
        assert row["capacity of what is ready"] == pytest.approx(np.mean([(each.ready or 0) * 40.0 for each in within]))


def test_who_decided_is_the_highest_wish_and_what_held_it(
    store: Store, decided: list[Decided], grafana: Callable[..., Any]
) -> None:
    rows = ask(store, grafana(BEGIN, BEGIN + 1790, 10, chosen=TARGET).expand(sql.deciders()))
    by_time = {unix(row["time"]): row for row in rows}
    for each in decided[:-2]:
        wishes = {word: value for name, word in sql.WISHES.items() if (value := getattr(each, name)) is not None}
        assert by_time[each.t]["Highest wish"] == max(wishes, key=lambda word: wishes[word])
        assert by_time[each.t]["Held by"] == sql.HOLDS[each.held_by]
    assert (by_time[decided[-2].t]["Highest wish"], by_time[decided[-2].t]["Held by"]) == ("no signal", "no signal")
    assert (by_time[decided[-1].t]["Highest wish"], by_time[decided[-1].t]["Held by"]) == ("override", "override")
    silent = by_time[BEGIN + 700]
    assert (silent["Highest wish"], silent["Held by"]) == (None, None)


@pytest.fixture(scope="module")
def forecast(store: Store) -> list[Forecasted]:
    """An hour of forecasts five minutes ahead, of which the last ten wait for what comes; before them some of other levels."""
    dice = random.Random(9)
    made = []
    for number in range(60):
        at = BEGIN + 60 * number
        base = dice.uniform(50, 500)
        levels = (0.1, 0.5, 0.9) if number >= 5 else (0.5, 0.75)
        quantiles = {level: base * (0.5 + level) for level in levels}
        came = None if number >= 50 else base * dice.uniform(0.4, 1.7)
        made.append(Forecasted("shop", "checkout-api", at - 300, at, "day", "", 1.0, quantiles, came))
    forecasts.insert(store, [Forecasted("shop", "cart", BEGIN, BEGIN + 60, "day", "", 1.0, {0.5: 1.0}, 5.0), *made])
    return made


def test_accuracy_by_level_is_the_stores(store: Store, forecast: list[Forecasted], grafana: Callable[..., Any]) -> None:
    rows = ask(store, grafana(BEGIN, BEGIN + 3600, chosen=TARGET).expand(sql.accuracy()))
    found = forecasts.accuracy(store, "shop", "checkout-api", begin=BEGIN, end=BEGIN + 3601)
    assert found is not None
    assert [row["Level"] for row in rows] == list(found.coverage) == [0.1, 0.5, 0.9]
    for row in rows:
        level = row["Level"]
        assert row["Forecasts"] == found.forecasts == 45
        assert row["Coverage"] == pytest.approx(found.coverage[level])
        assert row["Pinball loss"] == pytest.approx(found.pinball[level])
        assert row["Calls beyond"] == pytest.approx(found.under_share[level])


def test_forecast_and_error_over_time_are_means_of_each_interval(
    store: Store, forecast: list[Forecasted], grafana: Callable[..., Any]
) -> None:
    looked = grafana(BEGIN, BEGIN + 3600, 600, chosen=TARGET)
    band, covered, lost = (
        ask(store, looked.expand(text)) for text in (sql.forecast(), sql.coverage_over_time(), sql.loss_over_time())
    )
    assert len(band) == 6
    for row in band:
        within = [each for each in forecast if 0 <= each.at - unix(row["time"]) < 600]
        for level, name in ((0.1, "P10"), (0.5, "median"), (0.9, "P90")):
            said = [each.quantiles[level] for each in within if level in each.quantiles]
            assert row[name] == pytest.approx(np.mean(said))
    for cover, loss in zip(covered, lost, strict=True):
        judged = [each for each in forecast if 0 <= each.at - unix(cover["time"]) < 600 and each.came is not None]
        accuracy = forecasts.accuracy_of([each for each in judged if 0.9 in each.quantiles])
        assert accuracy is not None
        assert cover["P90"] == pytest.approx(accuracy.coverage[0.9])
        assert loss["P90"] == pytest.approx(accuracy.pinball[0.9])


def test_variables_offer_what_is_there(
    store: Store, made: list[ScaleUp], decided: list[Decided], grafana: Callable[..., Any]
) -> None:
    looked = grafana(BEGIN, END, chosen={"namespace": ["shop"]})
    offered = [
        [row[0] for row in store.rows(looked.expand(text))]
        for text in (sql.namespaces(), sql.workloads(), sql.targets())
    ]
    assert offered == [["jobs", "other", "shop"], [CHECKOUT, CACHE], ["shop/cart", "shop/checkout-api"]]


def test_writes_of_the_fast_lane_are_marked(store: Store, grafana: Callable[..., Any]) -> None:
    detail = {"before": 4, "after": 9, "reason": "9 replicas"}
    events.append(
        store, [events.Event(f"w{at}", "scale_write", CHECKOUT, BEGIN + at, BEGIN + at, detail) for at in (-60, 60.5)]
    )
    (row,) = ask(store, grafana(BEGIN, END).expand(sql.scale_writes()))
    assert row["text"] == f"{CHECKOUT}: fast lane, 4 to 9 replicas"
    assert unix(row["time"]) == BEGIN + 60


def documented(*within: float) -> Catalogue:
    """SLOs of scale-ups that allow so many seconds."""
    slos = [
        ScaleupSlo(
            name=f"within-{seconds:g}", display_name="", description="", service="shop", objectives=(Objective("0.9", 0.9),),
            window_seconds=86_400, labels={}, origin=Origin("", 0), indicator=ScaleupSli("s", ("shop/*",), within_seconds=seconds),
        )
        for seconds in within
    ]  # fmt: skip
    return Catalogue(scaleup_slos={slo.name: slo for slo in slos})


@pytest.mark.parametrize(
    ("within", "steps"),
    [
        ((), [(None, "text")]),
        ((30,), [(None, "green"), (30, "red")]),
        ((60, 20, 30), [(None, "green"), (20, "yellow"), (60, "red")]),
    ],
)
def test_thresholds_are_those_of_the_documents(
    within: tuple[float, ...], steps: list[tuple[float | None, str]]
) -> None:
    document = json.loads(render(board.dashboard(documented(*within))))
    (latency,) = (panel for panel in document["panels"] if panel["title"] == "Scale-up latency")
    assert [
        (step["value"], step["color"]) for step in latency["fieldConfig"]["defaults"]["thresholds"]["steps"]
    ] == steps
    assert latency["fieldConfig"]["defaults"]["noValue"] == "none, or too many never got there"


def test_every_query_is_executed_and_has_something_to_say(
    store: Store,
    made: list[ScaleUp],
    decided: list[Decided],
    forecast: list[Forecasted],
    grafana: Callable[..., Any],
    executed: Any,
) -> None:
    document = json.loads(render(board.dashboard(documented(30))))
    found = executed.on(store, document, grafana(BEGIN, END, chosen=TARGET))
    assert {title for title, rows in found.items() if not rows} <= QUIET


QUIET = {"annotation Overrides", "annotation Alerts", "annotation Fast lane"}
"""Nobody told of any, but for one test of the fast lane."""


def test_every_query_answers_a_time_without_anything(store: Store, grafana: Callable[..., Any]) -> None:
    document = json.loads(render(board.dashboard(documented(30))))
    looked = grafana(
        BEGIN - 9_000_000, BEGIN - 8_990_000, chosen=TARGET | {"workload": [CACHE], "namespace": ["shop", "jobs"]}
    )
    for panel in document["panels"]:
        for target in panel.get("targets", ()):
            rows = store.rows(looked.expand(target["rawSql"]))
            assert [value for row in rows for value in row if isinstance(value, int | float)] == [], panel["title"]
    for annotation in document["annotations"]["list"]:
        assert store.rows(looked.expand(annotation["target"]["rawSql"])) == []


def test_a_scaleup_opens_in_maibo() -> None:
    document = json.loads(render(board.dashboard(Catalogue())))
    (newest,) = (panel for panel in document["panels"] if panel["title"] == "Newest scale-ups")
    links = [
        each["value"]
        for over in newest["fieldConfig"]["overrides"]
        for each in over["properties"]
        if each["id"] == "links"
    ]
    assert links == [[{"title": "Open", "url": "${maibo_url}/scaleups/${__value.raw}"}]]
    (address,) = (each for each in document["templating"]["list"] if each["name"] == "maibo_url")
    assert (address["type"], address["query"], address["current"]["value"]) == (
        "textbox",
        "http://127.0.0.1:8080",
        "http://127.0.0.1:8080",
    )
