"""The dashboards for Prometheus: every query asked of a real one that scrapes a real `maibo serve`, and what it then says is what maibo says."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from maibo_dashboards import boards
from maibo_dashboards.render import render
from maibo_slo.documents import Catalogue
from maibo_slo.service.journey_metrics import EDGES_US
from maibo_slo.service.scaleup_metrics import EDGES_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Watched = Any
"""See conftest."""
QUIET = {
    ("maibo-journey-browse-prom", "annotation Alerts"),
    ("maibo-journey-buy-prom", "annotation Alerts"),
    ("maibo-itself-prom", "Overflowing journeys"),
}
"""What has nothing to say of this shop: looks and orders go well, and there are few series."""


@pytest.fixture(scope="module")
def documents(watched: Watched) -> dict[str, Any]:
    """By uid."""
    made = [json.loads(render(board)) for _, board in boards.every(watched.catalogue, "prometheus")]
    return {each["uid"]: each for each in made}


def samples(watched: Watched, target: Mapping[str, Any]) -> int:
    """How many series answer."""
    if target["instant"]:
        found = watched.vector(target["expr"], watched.end)
        numbers = [float(one["value"][1]) for one in found]
    else:
        found = watched.matrix(target["expr"])
        numbers = [float(value) for one in found for _, value in one["values"]]
    assert all(number == number for number in numbers), f"not a number: {target['expr']}"
    return len(found)


def at_last(check: Callable[[], None]) -> None:
    """Prometheus and maibo are asked one after the other, and a minute may end in between, or a scrape be late: then again."""
    until = time.monotonic() + 20
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > until:
                raise
            time.sleep(1)


def panel_of(document: Mapping[str, Any], title: str) -> Mapping[str, Any]:
    """That is called so, or begins so."""
    named = {panel["title"]: panel for panel in document["panels"]}
    (found,) = [title] if title in named else [each for each in named if each.startswith(title)]
    return named[found]  # type: ignore[no-any-return]


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


def test_the_table_of_budgets_is_the_engines(watched: Watched, documents: dict[str, Any]) -> None:
    at_last(lambda: the_table_of_budgets_is_the_engines(watched, documents))


def the_table_of_budgets_is_the_engines(watched: Watched, documents: dict[str, Any]) -> None:
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
        assert row["State"] == objective["state"]
        assert row.get("Details", "") == (f"maibo-journey-{slo['journey']}-prom" if slo["journey"] else "")


def test_an_objective_in_full_is_what_the_engine_says_of_it(watched: Watched, documents: dict[str, Any]) -> None:
    at_last(lambda: an_objective_in_full_is_what_the_engine_says_of_it(watched, documents))


def an_objective_in_full_is_what_the_engine_says_of_it(watched: Watched, documents: dict[str, Any]) -> None:
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


def test_a_group_can_be_chosen(watched: Watched, documents: dict[str, Any]) -> None:
    at_last(lambda: a_group_can_be_chosen(watched, documents))


def a_group_can_be_chosen(watched: Watched, documents: dict[str, Any]) -> None:
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


def test_journeys_are_those_that_the_store_counts(watched: Watched, documents: dict[str, Any]) -> None:
    panel = panel_of(documents["maibo-journeys-prom"], "Journeys")
    columns = panel["transformations"][1]["options"]["renameByName"]
    found: dict[str, dict[str, float]] = {}
    for target in panel["targets"]:
        for one in watched.vector(target["expr"], watched.end):
            found.setdefault(one["metric"]["journey"], {})[columns[f"Value #{target['refId']}"]] = float(
                one["value"][1]
            )
    assert found.keys() == {"browse", "buy", "checkout"}
    for name, row in found.items():
        journey = watched.get(f"/v1/journeys/{name}", window="1h")
        counted = watched.number(
            f'sum(maibo_journey_ended_total{{job="{watched.job}", journey="{name}"}})', watched.end
        )
        assert counted == journey["count"]
        assert row["Count"] == pytest.approx(counted, rel=0.2), "an increase of ten scrapes is extrapolated by one"
        assert row["Success"] == pytest.approx(journey["success_ratio"], rel=0.01)
        assert same_bucket(row["P50"], journey["p50_us"])
        assert same_bucket(row["P99"], journey["p99_us"])
    fast = panel_of(documents["maibo-journey-checkout-prom"], "Within 500 ms")["targets"][0]["expr"]
    checkout = watched.get("/v1/journeys/checkout", window="1h")
    finished = checkout["outcomes"]["success"] + checkout["outcomes"]["failure"]
    assert watched.number(fast, watched.end) == pytest.approx(checkout["within_threshold"] / finished, rel=0.01)
    lost = panel_of(documents["maibo-pulse-prom"], "Lost, of all")["targets"][0]["expr"]
    assert watched.number(lost, watched.end) == 0.0, "the pulse's orders are those of the journey buy"


def test_a_journey_has_the_budget_burn_and_alerts_of_the_worst_of_its_objectives(
    watched: Watched, documents: dict[str, Any]
) -> None:
    at_last(lambda: a_journey_has_the_budget_burn_and_alerts_of_the_worst_of_its_objectives(watched, documents))


def a_journey_has_the_budget_burn_and_alerts_of_the_worst_of_its_objectives(
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


def test_numbers_of_one_journey_and_of_the_pulse_are_those_of_the_store(
    watched: Watched, documents: dict[str, Any]
) -> None:
    def number(uid: str, title: str) -> float:
        found = watched.number(panel_of(documents[uid], title)["targets"][0]["expr"], watched.end)
        assert found is not None
        return found

    checkout, buy = (watched.get(f"/v1/journeys/{name}", window="1h") for name in ("checkout", "buy"))
    board = "maibo-journey-checkout-prom"
    assert number(board, "Success") == pytest.approx(checkout["success_ratio"], rel=0.01)
    assert same_bucket(number(board, "P99"), checkout["p99_us"])
    assert number(board, "Rate") * watched.range_seconds == pytest.approx(checkout["count"], rel=0.2)
    assert same_bucket(number("maibo-pulse-prom", "Customer P99: "), buy["p99_us"])
    (heatmap,) = panel_of(documents[board], "Latency over time")["targets"]
    assert heatmap["format"] == "heatmap"
    shares = {one["metric"]["le"]: float(one["value"][1]) for one in watched.vector(heatmap["expr"], watched.end)}
    assert shares["0.5"] / shares["+Inf"] == pytest.approx(
        checkout["within_threshold"] / (checkout["outcomes"]["success"] + checkout["outcomes"]["failure"]), rel=0.01
    )


def test_what_maibo_tells_of_itself_is_what_its_api_says(watched: Watched, documents: dict[str, Any]) -> None:
    document = documents["maibo-itself-prom"]
    parts = {each["part"]: float(each["ok"]) for each in watched.get("/readyz")["parts"]}
    (asked,) = panel_of(document, "Parts")["targets"]
    assert {one["metric"]["part"]: float(one["value"][1]) for one in watched.vector(asked["expr"])} == parts
    broken, came, lost = (
        watched.number(panel_of(document, title)["targets"][0]["expr"], watched.end)
        for title in ("Parts that do not work", "Came in", "Rejected or skewed")
    )
    ingest = watched.get("/v1/ingest")
    assert broken == list(parts.values()).count(0)
    assert came is not None
    assert came * watched.range_seconds == pytest.approx(ingest["spans"], rel=0.2)
    assert lost == ingest["rejected"] == 0


def same_bucket(found_s: float, expected_us: float) -> bool:
    """Interpolated within the bucket of the one that the store has; the nearest rank may be in the next."""
    edges = [0.0, *(edge / 1e6 for edge in EDGES_US)]
    for below, edge in pairwise(edges):
        if below < expected_us / 1e6 <= edge:
            return bool(below <= found_s <= edge * 1.26)
    return False


def test_a_scaleup_is_counted_once_and_in_its_bucket(watched: Watched, documents: dict[str, Any]) -> None:
    document = documents["maibo-scaling-prom"]
    counts = [watched.number(target["expr"], watched.end) for target in panel_of(document, "Scale-ups")["targets"]]
    assert [round(count or 0) for count in counts] == [1, 1, 0, 0]
    (workload,) = watched.get("/v1/scaleups/summary", window="1h")["workloads"]
    (scaleup,) = watched.get("/v1/scaleups", window="1h")["scaleups"]
    assert workload["workload"] == "shop/Deployment/checkout-api"
    took = scaleup["latency"]["latest"]
    median = watched.number(panel_of(document, "Scale-up latency")["targets"][0]["expr"], watched.end)
    assert median is not None
    below, edge = next((low, high) for low, high in pairwise((0.0, *EDGES_SECONDS)) if low < took <= high)
    assert below <= median <= edge
    assert watched.number(panel_of(document, "Served warm")["targets"][0]["expr"], watched.end) == 1.0


def test_the_table_by_workload_and_the_pulse_tell_of_the_same_scaleups(
    watched: Watched, documents: dict[str, Any]
) -> None:
    panel = panel_of(documents["maibo-scaling-prom"], "By workload")
    titles = panel["transformations"][1]["options"]["renameByName"]
    row = {}
    for target in panel["targets"]:
        (one,) = watched.vector(target["expr"], watched.end)
        assert one["metric"] == {"workload": "shop/Deployment/checkout-api"}
        row[titles[f"Value #{target['refId']}"]] = float(one["value"][1])
    assert (round(row["Scale-ups"]), row["Never got there"], row["Running"], row["Served warm"]) == (1, 0, 0, 1)
    (scaleup,) = watched.get("/v1/scaleups", window="1h")["scaleups"]
    took = scaleup["latency"]["latest"]
    below, edge = next((low, high) for low, high in pairwise((0.0, *EDGES_SECONDS)) if low < took <= high)
    assert below < row["P50"] < row["P90"] < row["P99"] <= edge
    pulse = panel_of(documents["maibo-pulse-prom"], "Scale-up latency, P90: ")["targets"][0]["expr"]
    assert watched.number(pulse, watched.end) == pytest.approx(row["P90"])


def test_lost_orders_are_those_that_failed_or_were_left(watched: Watched, documents: dict[str, Any]) -> None:
    lost = panel_of(documents["maibo-pulse-prom"], "Lost orders")["targets"][0]["expr"]
    assert watched.number(lost, watched.end) == 0.0, "every order went well"
    assert lost.count('journey=~"buy"') == 1
    outcomes = watched.get("/v1/journeys/checkout", window="1h")["outcomes"]
    found = watched.number(lost.replace('"buy"', '"checkout"'), watched.end)
    assert found == pytest.approx(outcomes["failure"] + outcomes["abandoned"], rel=0.2), "over ten scrapes"


def test_decisions_are_what_every_face_answers(watched: Watched, documents: dict[str, Any]) -> None:
    document = documents["maibo-scaling-prom"]
    queries = {target["legendFormat"]: target["expr"] for target in panel_of(document, "Replicas")["targets"]}

    assert watched.number(queries["desired"], watched.end) == watched.desired
    assert watched.desired is not None
    assert 4 <= watched.desired <= 60, "a person said at least 4"
    assert [watched.number(queries[name], watched.end) for name in ("min", "max", "ready", "wanted")] == [4, 60, 5, 5]
    demand, carried, *_ = (
        watched.number(target["expr"], watched.end) for target in panel_of(document, "Demand")["targets"]
    )
    assert demand
    assert carried == 5 * 20, "what the document's floor says, of each"


def test_utilisation_is_calls_over_what_could_have_been_carried(watched: Watched, documents: dict[str, Any]) -> None:
    asked = panel_of(documents["maibo-pulse-prom"], "Utilisation: ")["targets"][0]["expr"]
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
