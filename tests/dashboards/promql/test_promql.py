"""The dashboards for Prometheus: every query asked of a real one that scrapes a real `maibo serve`, and what it then says is what maibo says."""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import ANY

import pytest
from tests.dashboards.promql.customers import VARIANTS
from tests.dashboards.promql.watched import (
    SERIES_LIMIT,
    Watched,
    at_last,
    exprs,
    marks_of,
    panel_of,
    same_bucket,
    samples,
)

from maibo_dashboards import boards
from maibo_dashboards.render import render
from maibo_slo.documents import Catalogue
from maibo_slo.service.journey_metrics import EDGES_US
from maibo_slo.service.scaleup_metrics import EDGES_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

JOURNEY_EDGES = tuple(edge / 1e6 for edge in EDGES_US)
NEAR = 0.03
"""So exactly does Prometheus stretch two counters by as much: the first scrape of one may be later."""
QUIET = {
    ("maibo-journey-browse-prom", "annotation Alerts"),
    ("maibo-journey-buy-prom", "annotation Alerts"),
}
"""What has nothing to say of this shop: looks and orders go well."""


@pytest.fixture(scope="module")
def documents(watched: Watched) -> dict[str, Any]:
    """By uid."""
    made = [json.loads(render(board)) for _, board in boards.every(watched.catalogue, "prometheus")]
    return {each["uid"]: each for each in made}


def test_every_query_is_executed_and_has_something_to_say(
    watched: Watched, documents: dict[str, Any], executed: Any
) -> None:
    silent = set()
    for uid, document in documents.items():
        found: Counter[str] = Counter()
        for panel in document["panels"]:
            for target in panel.get("targets", ()):
                found[panel["title"]] += samples(watched, target)
        for annotation in document["annotations"]["list"]:
            found[f"annotation {annotation['name']}"] += len(watched.matrix(annotation["expr"]))
        for variable in document["templating"]["list"]:
            if variable["type"] == "query":
                found[f"variable {variable['name']}"] += len(watched.values(variable["query"]))
        executed.add(document["title"], "prometheus", found)
        silent |= {(uid, title) for title, number in found.items() if not number}
    assert silent == QUIET


@at_last
def test_the_table_of_budgets_is_the_engines(watched: Watched, documents: dict[str, Any]) -> None:
    panel = panel_of(documents["maibo-journeys-prom"], "Error budgets")
    (organised,) = (each for each in panel["transformations"] if each["id"] == "organize")
    columns = organised["options"]["renameByName"]
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for target in panel["targets"]:
        for one in watched.vector(target["expr"]):
            labels = one["metric"]
            row = rows.setdefault((labels["slo"], labels["objective"], labels.get("group", "")), {})
            row |= {columns[key]: value for key, value in labels.items() if key in columns}
            row[columns.get(f"Value #{target['refId']}", "")] = float(one["value"][1])
    answered = {
        (slo["name"], each["name"], each["group"] or ""): (slo, each)
        for slo in watched.get("/v1/slos")["slos"]
        for each in slo["objectives"]
    }
    assert rows.keys() == answered.keys()
    assert {group for slo, _, group in rows if slo == "checkout-by-tier"} == {"tier=standard", "tier=vip"}
    for key, (slo, objective) in answered.items():
        row = rows[key]
        assert row["Target"] == objective["target"]
        assert row["Window"] == slo["window_seconds"]
        assert row.get("Attainment") == pytest.approx(objective["attainment"])
        assert row.get("Budget left") == pytest.approx(objective["budget_remaining"])
        burns = {each["window"]: each["burn_rate"] for each in objective["burn_rates"]}
        assert row.get("Burn 1 h") == pytest.approx(burns["1h"])
        assert row.get("Burn 6 h") == pytest.approx(burns["6h"])
        assert row.get("Coverage") == pytest.approx(objective["coverage"])
        assert row.get("Alerts", 0) == sum(rule["reached"] for rule in objective["rules"])
        assert row["State"] == objective["state"]
        assert row.get("Details", "") == (f"maibo-journey-{slo['journey']}-prom" if slo["journey"] else "")


@at_last
def test_an_objective_in_full_is_what_the_engine_says_of_it(watched: Watched, documents: dict[str, Any]) -> None:
    document = documents["maibo-journey-checkout-prom"]
    (objective,) = watched.get("/v1/slos/checkout-fast")["objectives"]

    def asked(title: str, of: int = 0) -> str:
        expr = panel_of(document, title)["targets"][of]["expr"]
        return watched.expanded(expr, slo="checkout-fast", objective="0.99")

    def number(title: str, of: int = 0) -> float | None:
        return watched.number(asked(title, of))

    assert number("Objective") == 0.99
    assert number("Attainment") == pytest.approx(objective["attainment"])
    assert number("Budget left") == pytest.approx(objective["budget_remaining"])
    assert number("Error budget: ") == pytest.approx(objective["budget_remaining"])
    rates = {each["window"]: each for each in objective["burn_rates"]}
    burns, factors = (
        {one["metric"]["window"]: float(one["value"][1]) for one in watched.vector(asked("Burn rates", of))}
        for of in (0, 1)
    )
    assert burns == {window: pytest.approx(each["burn_rate"]) for window, each in rates.items()}
    assert factors.keys() == {"1h", "6h", "1d", "3d"}
    short = rates["5m"]
    assert number("SLI and objective") == pytest.approx(1 - short["burn_rate"] * 0.01)
    good, bad = number("Events: ", 0), number("Events: ", 1)
    assert good is not None
    assert bad is not None
    assert bad / (good + bad) == pytest.approx(short["burn_rate"] * 0.01)
    burn = rates["6h"]["burn_rate"]
    left = objective["budget_remaining_projected"]
    lasts = left * 28 * 86_400 / burn if burn > 1 and left > 0 else None
    assert number("Exhausted in") == (None if lasts is None else pytest.approx(lasts, rel=1e-4)), "time goes on"
    assert number("Alerts") == sum(rule["reached"] for rule in objective["rules"])


@at_last
def test_a_group_can_be_chosen(watched: Watched, documents: dict[str, Any]) -> None:
    document = documents["maibo-journey-checkout-prom"]
    chosen = {"slo": "checkout-by-tier", "objective": "0.9"}
    groups = {
        each["group"]: each["budget_remaining"] for each in watched.get("/v1/slos/checkout-by-tier")["objectives"]
    }
    (variable,) = (each for each in document["templating"]["list"] if each["name"] == "group")
    assert variable["allValue"] == ".*", "an SLO without groups has no such label"
    assert set(watched.values(watched.expanded(variable["query"], **chosen))) == set(groups)
    left = panel_of(document, "Error budget: ")["targets"][0]["expr"]
    found = {one["metric"]["group"]: float(one["value"][1]) for one in watched.vector(watched.expanded(left, **chosen))}
    assert found == {group: pytest.approx(value) for group, value in groups.items()}
    worst = panel_of(document, "Budget left")["targets"][0]["expr"]
    assert watched.number(watched.expanded(worst, **chosen)) == pytest.approx(min(groups.values()))
    of_one = watched.expanded(worst, **chosen, group="tier=vip")
    assert watched.number(of_one) == pytest.approx(groups["tier=vip"])


def test_journeys_are_those_that_came(watched: Watched, documents: dict[str, Any]) -> None:
    board = documents["maibo-journeys-prom"]
    rows = watched.rows(panel_of(board, "Journeys"), "journey")
    assert rows.keys() == {"browse", "buy", "checkout"}
    (rates,), (slowest,) = (exprs(board, title) for title in ("Rate", "P99"))
    counts = {name: sum(watched.came(name).values()) for name in rows}
    assert 1 <= watched.stretched < 1.3
    assert watched.added("journey", rates) == pytest.approx(counts, rel=NEAR)
    p99s = watched.by("journey", slowest.replace("$__rate_interval", "$__range"), watched.end)
    for name, row in rows.items():
        came = watched.came(name)
        journey = watched.get(f"/v1/journeys/{name}", window="1h")
        assert {outcome: number for outcome, number in journey["outcomes"].items() if number} == came
        assert row["Count"] / watched.stretched == pytest.approx(journey["count"], rel=NEAR)
        assert row["Success"] == pytest.approx(came["success"] / (came["success"] + came.get("failure", 0)), rel=NEAR)
        assert same_bucket(row["P50"], journey["p50_us"] / 1e6, JOURNEY_EDGES)
        assert same_bucket(row["P99"], journey["p99_us"] / 1e6, JOURNEY_EDGES)
        assert same_bucket(p99s[name], journey["p99_us"] / 1e6, JOURNEY_EDGES)
    checkout = watched.came("checkout")
    (failing,) = exprs(board, "Failure share")
    shares = watched.by("journey", failing.replace("$__rate_interval", "$__range"), watched.end)
    failed = checkout["failure"] / (checkout["success"] + checkout["failure"])
    assert shares == pytest.approx({"browse": 0.0, "buy": 0.0, "checkout": failed}, rel=NEAR)


@at_last
def test_the_age_of_data_is_the_newest_journeys(watched: Watched, documents: dict[str, Any]) -> None:
    rows = {name: watched.get(f"/v1/journeys/{name}", window="1h")["age_seconds"] for name in ("browse", "checkout")}
    for name, age in rows.items():
        (asked,) = exprs(documents[f"maibo-journey-{name}-prom"], "Data age")
        assert watched.number(asked) == pytest.approx(age, abs=3), "as old as a scrape may be"


@at_last
def test_what_burns_is_marked(watched: Watched, documents: dict[str, Any]) -> None:
    reached = {
        (slo["name"], each["name"], each["group"] or None, rule["long_window"])
        for slo in watched.get("/v1/slos")["slos"]
        for each in slo["objectives"]
        for rule in each["rules"]
        if rule["reached"]
    }
    assert reached
    for uid in ("maibo-journeys-prom", "maibo-scaling-prom", "maibo-journey-checkout-prom"):
        asked = marks_of(documents[uid])["Alerts"]
        labels = [one["metric"] for one in watched.vector(asked)]
        found = {tuple(each.get(name) for name in ("slo", "objective", "group", "window")) for each in labels}
        assert found == reached, "all that burns is a checkout"


@at_last
def test_a_journey_has_the_budget_burn_and_alerts_of_the_worst_of_its_objectives(
    watched: Watched, documents: dict[str, Any]
) -> None:
    panel = panel_of(documents["maibo-journeys-prom"], "Journeys")
    titles = panel["transformations"][1]["options"]["renameByName"]
    asked = {titles[f"Value #{target['refId']}"]: target["expr"] for target in panel["targets"]}
    answered: dict[str, list[Any]] = {}
    for slo in watched.get("/v1/slos")["slos"]:
        if slo["journey"]:
            answered.setdefault(slo["journey"], []).extend(slo["objectives"])
    assert len(answered["checkout"]) > 3, "several SLOs, one of them by groups"

    def by_journey(column: str) -> dict[str, float]:
        return {one["metric"]["journey"]: float(one["value"][1]) for one in watched.vector(asked[column])}

    left, burn, reached = (by_journey(column) for column in ("Budget left", "Burn 1 h", "Alerts"))
    for name, objectives in answered.items():
        known = [each for each in objectives if each["budget_remaining"] is not None]
        assert left[name] == pytest.approx(min(each["budget_remaining"] for each in known))
        rates = [rate for each in known for rate in each["burn_rates"] if rate["window"] == "1h"]
        assert burn[name] == pytest.approx(max(rate["burn_rate"] for rate in rates))
    assert left["checkout"] < left["browse"], "a quarter of checkouts failed, and nobody in vain looked around"
    burning = {one["metric"]["slo"] for one in watched.vector('maibo_slo_burn_reached{job="$job"} == 1')}
    assert {name for name, number in reached.items() if number} == {"checkout"}
    assert burning <= {slo.name for slo in watched.catalogue.slos_of_journey("checkout")}


def test_numbers_of_one_journey_are_those_of_who_came(watched: Watched, documents: dict[str, Any]) -> None:
    board = documents["maibo-journey-checkout-prom"]
    came, checkout = watched.came("checkout"), watched.get("/v1/journeys/checkout", window="1h")
    finished = came["success"] + came["failure"]

    def number(title: str) -> float:
        found = watched.number(exprs(board, title)[0], watched.end)
        assert found is not None
        return found

    assert number("Success") == pytest.approx(came["success"] / finished, rel=NEAR)
    assert number("Rate") * watched.range_seconds / watched.stretched == pytest.approx(sum(came.values()), rel=NEAR)
    assert same_bucket(number("P99"), checkout["p99_us"] / 1e6, JOURNEY_EDGES)
    (outcomes,) = exprs(board, "Rate by outcome")
    assert watched.added("outcome", outcomes) == pytest.approx(came, rel=NEAR)
    for asked, level in zip(exprs(board, "Latency"), ("p50_us", "p90_us", "p99_us"), strict=True):
        whole = watched.number(asked.replace("$__rate_interval", "$__range"), watched.end)
        assert whole is not None
        assert same_bucket(whole, checkout[level] / 1e6, JOURNEY_EDGES)
    (heatmap,) = panel_of(board, "Latency over time")["targets"]
    assert heatmap["format"] == "heatmap"
    shares = watched.by("le", heatmap["expr"].replace("$__rate_interval", "$__range"), watched.end)
    assert shares["0.5"] / shares["+Inf"] == pytest.approx(checkout["within_threshold"] / finished, rel=NEAR)


@pytest.mark.parametrize("name", ["browse", "buy", "checkout"])
def test_how_many_were_fast_is_what_the_store_says(watched: Watched, documents: dict[str, Any], name: str) -> None:
    journey = watched.get(f"/v1/journeys/{name}", window="1h")
    finished = sum(journey["outcomes"].get(outcome, 0) for outcome in ("success", "failure"))
    (asked,) = exprs(documents[f"maibo-journey-{name}-prom"], "Within ")
    assert watched.number(asked, watched.end) == pytest.approx(journey["within_threshold"] / finished, rel=NEAR)


def test_what_can_be_chosen_is_what_there_is(watched: Watched, documents: dict[str, Any]) -> None:
    slos = {slo.name for slo in watched.catalogue.slos_of_journey("checkout")}
    expected = {
        "job": {"maibo"},
        "slo": slos,
        "objective": {"0.9"},
        "group": {"tier=standard", "tier=vip"},
        "workload": {"shop/Deployment/checkout-api"},
        "namespace": {"shop"},
        "target": {"checkout-api"},
    }
    seen = set()
    for uid in set(documents) - {"maibo-journey-browse-prom", "maibo-journey-buy-prom"}:
        for variable in documents[uid]["templating"]["list"]:
            if variable["type"] == "query":
                assert set(watched.values(variable["query"])) == expected[variable["name"]]
                seen.add(variable["name"])
    assert seen == expected.keys()


def test_a_scaleup_is_counted_once_and_in_its_bucket(watched: Watched, documents: dict[str, Any]) -> None:
    board = documents["maibo-scaling-prom"]

    def numbers(title: str) -> list[float | None]:
        return [watched.number(expr, watched.end) for expr in exprs(board, title)]

    assert [round(count or 0) for count in numbers("Scale-ups")] == [1, 1, 0, 0]
    assert [round(count or 0) for count in numbers("What became of them")] == [1, 0]
    assert numbers("Served warm") == [1.0]
    (workload,) = watched.get("/v1/scaleups/summary", window="1h")["workloads"]
    (scaleup,) = watched.get("/v1/scaleups", window="1h")["scaleups"]
    assert workload["workload"] == "shop/Deployment/checkout-api"
    took = scaleup["latency"]["latest"]
    (row,) = watched.rows(panel_of(board, "By workload"), "workload").values()
    assert (round(row["Scale-ups"]), row["Never got there"], row["Running"], row["Served warm"]) == (1, 0, 0, 1)
    (pulse,) = exprs(documents["maibo-pulse-prom"], "Scale-up latency, P90: ")
    assert watched.number(pulse, watched.end) == pytest.approx(row["P90"])
    over_time = numbers("Scale-up latency over time")
    for quantile in (*numbers("Scale-up latency"), row["P50"], row["P90"], row["P99"], *over_time):
        assert quantile is not None
        assert same_bucket(quantile, took, EDGES_SECONDS)
    assert row["P50"] < row["P90"] < row["P99"]
    (marked,) = watched.matrix(marks_of(board)["Scale-ups"])
    assert marked["metric"] == {"workload": workload["workload"]}
    assert 0 < min(at for at, _ in marked["values"]) - watched.cluster.changed["deployments"] < 20


def test_the_pulse_is_of_orders_and_a_day_has_all_of_it(watched: Watched, documents: dict[str, Any]) -> None:
    board = documents["maibo-pulse-prom"]

    def numbers(title: str, journey: str = "buy") -> list[float | None]:
        asked = [expr.replace('"buy"', f'"{journey}"') for expr in exprs(board, title)]
        return [watched.number(expr, watched.end) for expr in asked]

    came, buy = watched.came("checkout"), watched.get("/v1/journeys/buy", window="1h")
    (p99,) = numbers("Customer P99: ")
    assert p99 is not None
    assert same_bucket(p99, buy["p99_us"] / 1e6, JOURNEY_EDGES)
    assert numbers("Lost orders") == numbers("Lost, of all") == [0.0], "every order went well"
    lost = pytest.approx(came["failure"] + came["abandoned"], rel=NEAR)
    assert [(number or 0) / watched.stretched for number in numbers("Lost orders", "checkout")] == [lost]
    assert numbers("Lost, of all", "checkout") == [
        pytest.approx((came["failure"] + came["abandoned"]) / sum(came.values()), rel=NEAR)
    ]
    a_day = [(number or 0) / watched.stretched for number in numbers("Lost orders, of a day", "checkout")]
    assert a_day == pytest.approx([came["failure"], came["abandoned"]], rel=NEAR)
    for title in ("Customer P99", "Scale-up latency, P90", "Utilisation"):
        assert numbers(f"{title}, of a day") == pytest.approx(numbers(f"{title}: "), rel=1e-3), title


def test_decisions_are_what_every_face_answers(watched: Watched, documents: dict[str, Any]) -> None:
    document = documents["maibo-scaling-prom"]
    queries = {target["legendFormat"]: target["expr"] for target in panel_of(document, "Replicas")["targets"]}
    assert watched.number(queries["desired"], watched.end) == watched.desired
    assert watched.desired is not None
    assert 4 <= watched.desired <= 60, "a person said at least 4"
    assert [watched.number(queries[name], watched.end) for name in ("min", "max", "ready", "wanted")] == [4, 60, 5, 5]
    demand, carried, *_ = (watched.number(expr, watched.end) for expr in exprs(document, "Demand"))
    assert demand
    assert carried == 5 * 20, "what the document's floor says, of each"
    marks = marks_of(document)
    assert marks_of(documents["maibo-journey-checkout-prom"]) == marks | {"Alerts": ANY}
    (overridden,) = watched.matrix(marks["Overrides"])
    assert overridden["metric"] == {"target_namespace": "shop", "target": "checkout-api"}


@at_last
def test_wishes_and_ages_of_signals_are_what_the_api_says(watched: Watched, documents: dict[str, Any]) -> None:
    said = watched.get("/v1/scaling/shop/checkout-api")
    board, itself = documents["maibo-scaling-prom"], documents["maibo-itself-prom"]
    wishes, decided = exprs(board, "Wishes")
    assert watched.by("kind", wishes) == {
        wish["kind"]: wish["replicas"] for wish in said["wishes"] if wish["replicas"] is not None
    }
    assert watched.number(decided) == said["desired_replicas"]
    age, stale = exprs(board, "Age of the signal")
    (ages,), (silent,) = (exprs(itself, title) for title in ("Age of signals", "Without a signal"))
    aged = pytest.approx(said["age_seconds"], abs=3)
    assert watched.number(age) == aged
    assert watched.by("target", ages) == {"checkout-api": aged}
    assert watched.number(stale) == 0
    assert watched.by("target", silent) == {"checkout-api": 0}


def test_utilisation_is_calls_over_what_could_have_been_carried(watched: Watched, documents: dict[str, Any]) -> None:
    (asked,) = exprs(documents["maibo-pulse-prom"], "Utilisation: ")
    calls, carried = (
        {at: float(value) for one in watched.matrix(expr) for at, value in one["values"]}
        for expr in (
            'sum(maibo_scaling_demand_calls_per_second{job="$job"})',
            'sum(maibo_scaling_ready_replicas{job="$job"} * maibo_scaling_capacity_calls_per_second{job="$job"})',
        )
    )
    known = calls.keys() & carried.keys()
    assert known
    expected = sum(calls[at] for at in known) / sum(carried[at] for at in known)
    assert watched.number(asked, watched.end) == pytest.approx(expected)


def test_what_became_of_what_was_sent(watched: Watched, documents: dict[str, Any]) -> None:
    board, sent = documents["maibo-itself-prom"], watched.customers
    ingest = watched.get("/v1/ingest")
    assert {fate: ingest[fate] for fate in sent.fates} == sent.fates
    overflowed = len(VARIANTS) - SERIES_LIMIT
    assert (ingest["overflowed"], ingest["duplicate_bodies"]) == (overflowed, 1)
    (fates,) = exprs(board, "Spans, log records")
    assert watched.added("result", fates) == pytest.approx(sent.fates, rel=NEAR)
    losses, lost_dimensions, retried = exprs(board, "Rejected, skewed, overflowed")
    expected = {fate: sent.fates[fate] for fate in ("rejected", "skewed")}
    assert watched.added("result", losses) == pytest.approx(expected, rel=NEAR)
    assert watched.added("", lost_dimensions) == pytest.approx({"": overflowed}, rel=NEAR)
    assert watched.added("", retried) == pytest.approx({"": 1}, rel=NEAR)
    (answers,) = exprs(board, "Answers to senders")
    added = watched.added("code", answers)
    assert {code: added[code] for code in sent.answers} == pytest.approx(sent.answers, rel=NEAR)
    assert sum(added.values()) == pytest.approx(sent.answers.total(), rel=NEAR)
    (came,), (lost,), (overflowing,) = (
        exprs(board, title) for title in ("Came in", "Rejected or skewed", "Overflowing journeys")
    )
    rate = watched.number(came, watched.end)
    assert rate is not None
    assert rate * watched.range_seconds / watched.stretched == pytest.approx(sent.fates.total(), rel=NEAR)
    judged = sent.fates.total() - sent.fates["ignored"]
    assert watched.number(lost, watched.end) == pytest.approx(sum(expected.values()) / judged, rel=NEAR)
    assert watched.by("journey", overflowing, watched.end) == {"browse": overflowed}


def test_who_sent_waited_no_longer_than_that(watched: Watched, documents: dict[str, Any]) -> None:
    board = documents["maibo-itself-prom"]
    for title, histogram, longest in (
        ("How long senders wait", "maibo_otlp_request_seconds", watched.customers.slowest),
        ("Until it is counted", "maibo_otlp_visible_seconds", watched.counted_seconds),
    ):
        edges = sorted(float(edge) for edge in watched.values(f'label_values({histogram}_bucket{{job="$job"}}, le)'))
        above = next(edge for edge in edges if edge >= longest)
        median, most = (
            watched.number(expr.replace("$__rate_interval", "$__range"), watched.end) for expr in exprs(board, title)
        )
        assert median is not None
        assert most is not None
        assert 0 < median <= most <= above, title


def test_the_log_is_what_lies_on_the_disk(watched: Watched, documents: dict[str, Any]) -> None:
    board = documents["maibo-itself-prom"]
    size, waiting = (watched.number(expr) for expr in exprs(board, "The write-ahead log"))
    log, corrupt = (next(watched.data.glob(f"*/{name}")) for name in ("log", "corrupt"))
    assert size == sum(each.stat().st_size for each in log.iterdir())
    assert waiting == 0
    assert [watched.number(expr) for expr in exprs(board, "Lag of the log")] == [0]
    assert [*corrupt.iterdir()] == []
    assert [watched.number(expr, watched.end) for expr in exprs(board, "Trouble")] == [0, 0, 0, 0]


@at_last
def test_parts_and_the_engine_are_what_the_api_says(watched: Watched, documents: dict[str, Any]) -> None:
    board = documents["maibo-itself-prom"]
    parts = {each["part"]: float(each["ok"]) for each in watched.get("/readyz")["parts"]}
    assert watched.by("part", exprs(board, "Parts")[0]) == parts
    assert watched.number(exprs(board, "Parts that do not work")[0]) == list(parts.values()).count(0)
    slos, now = watched.get("/v1/slos")["slos"], time.time()
    evaluated = max(datetime.fromisoformat(slo["evaluated_at"]).timestamp() for slo in slos)
    (since,), (age, duration, backlog) = (
        [watched.number(expr) for expr in exprs(board, title)] for title in ("Since the last evaluation", "The engine")
    )
    assert since == age == pytest.approx(now - evaluated, abs=3), "a tick each second, a scrape each other"
    assert duration is not None
    assert 0 < duration < 3
    assert backlog == 0
    ages = {slo["name"]: [each["age_seconds"] for each in slo["objectives"]] for slo in slos}
    known = {name: max(each) for name, each in ages.items() if None not in each}
    assert watched.by("slo", exprs(board, "Newest minute judged")[0]) == pytest.approx(known, abs=3)


def test_watches_heard_when_the_cluster_changed(watched: Watched, documents: dict[str, Any]) -> None:
    heard = watched.by("resource", exprs(documents["maibo-itself-prom"], "Kubernetes: last heard of")[0], watched.end)
    assert {"deployments", "pods", "replicasets", "events"} <= heard.keys()
    assert heard == pytest.approx({what: watched.end - at for what, at in watched.cluster.changed.items()}, abs=3)


def test_memory_and_cpu_are_those_of_the_process(watched: Watched, documents: dict[str, Any]) -> None:
    memory, cores = exprs(documents["maibo-itself-prom"], "Memory and CPU")
    resident = int(Path(f"/proc/{watched.process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert watched.number(memory) == pytest.approx(resident, rel=0.3)
    (told,) = watched.matrix('process_cpu_seconds_total{job="$job"}')
    first, last = (float(told["values"][at][1]) for at in (0, -1))
    assert watched.cpu_seconds / 2 < last <= watched.used() + 0.02, "a scrape is up to some seconds old"
    used = watched.number(cores.replace("$__rate_interval", "$__range"), watched.end)
    assert used is not None
    assert last - first <= used * watched.range_seconds < 1.5 * (last - first), "stretched to the edges of the range"


def test_without_documents_there_are_dashboards_too(watched: Watched) -> None:
    for _, board in boards.every(Catalogue(), "prometheus"):
        document = json.loads(render(board))
        assert document["uid"].endswith("-prom")
        for panel in document["panels"]:
            for target in panel.get("targets", ()):
                samples(watched, target)


def test_a_link_opens_the_journey_of_the_same_source(documents: dict[str, Any]) -> None:
    for uid in documents:
        assert len(uid) <= 40
    details: Sequence[str] = re.findall(
        r'"details", "([^"]+)"', panel_of(documents["maibo-journeys-prom"], "Journeys")["targets"][0]["expr"]
    )
    assert details == ["maibo-journey-browse-prom", "maibo-journey-buy-prom", "maibo-journey-checkout-prom"]
    assert set(details) <= documents.keys()
