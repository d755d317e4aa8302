"""The files of `maibo generate dashboards`: what Grafana reads."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from maibo_dashboards import boards, panels, variables
from maibo_dashboards.naming import journey_uid
from maibo_dashboards.panels import Column, Series, Step
from maibo_dashboards.plugin import generate, plugin
from maibo_dashboards.render import render
from maibo_dashboards.targets import Promql, Sql
from maibo_slo.documents import Catalogue, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_dashboards.targets import Source, Target

SOURCES: tuple[Source, ...] = ("clickhouse", "prometheus")
SCHEMAS = Path(__file__).parents[3] / "shared" / "schemas" / "grafana"


@pytest.fixture(scope="module")
def documents(catalogue: Catalogue) -> dict[str, Any]:
    return {artefact.path: json.loads(artefact.text) for artefact in generate(catalogue)}


@pytest.fixture(scope="module")
def both(catalogue: Catalogue) -> list[dict[str, Any]]:
    """Every dashboard for each source, of journeys with an SLO by groups and of scaling targets too."""
    examples = Path(__file__).parents[2] / "examples"
    return [
        json.loads(render(board))
        for made in (catalogue, load([str(examples / "shop"), str(examples / "scaling")]))
        for source in SOURCES
        for _, board in boards.every(made, source)
    ]


SQL, PROMQL = Sql("SELECT now() AS time, 1 AS Value"), Promql("up", legend="{{job}}", as_heatmap=True)


def every_kind(one: Target) -> dict[str, Any]:
    """A dashboard with each kind of panel and each of its looks."""
    scale = (Step(panels.GREEN), Step(panels.RED, 0.5))
    looks = [
        panels.stat("Stat", "A number.", one, unit=panels.RATIO, scale=scale, filled=True),
        panels.stat("State", "A word.", one, unit=panels.TEXT, states={"ok": panels.GREEN}),
        panels.lines("Lines", "Over time.", [one, one], unit=panels.SECONDS, scale=scale),
        panels.lines(
            "Band",
            "Between two.",
            one,
            unit=panels.COUNT,
            series=[
                Series("upper", panels.BLUE, fill_to="lower"),
                Series("/^other/", dashed=True, unit=panels.SECONDS, width=2),
                Series("bars", bars=True),
            ],
        ),
        panels.lines("Bars", "Stacked.", one, unit=panels.COUNT, stacked=True, bars=True, most=1, logarithmic=True),
        panels.lines("Filled", "By scale.", one, unit=panels.RATIO, scale=scale, filled=True, from_zero=False),
        panels.table(
            "Table",
            "Rows.",
            [one, one],
            columns=[
                Column("Link", url="/d/${__value.raw}", width=80),
                Column("Share", panels.RATIO, decimals=1, scale=scale),
                Column("State", states={"ok": panels.GREEN}),
                Column("Hidden", hidden=True),
            ],
            transformations=[panels.merged(), panels.organised(renamed={"Value #A": "Share"}, hidden=["Time"])],
            sort_by="Share",
        ),
        panels.bars("Chart", "By row.", one, horizontal=True),
        panels.heatmap("Heat", "Buckets.", one, unit=panels.SECONDS),
        panels.state_timeline("States", "Words.", one, states={"ok": panels.GREEN, "held": panels.RED}),
        panels.text("Words", "**Read** this, $group."),
        panels.heading("Heading"),
    ]
    board = panels.dashboard(
        title="Every kind",
        uid="every-kind",
        description="For the schemas.",
        rows=[[(24, 1 if look is looks[-1] else 6, look)] for look in looks],
        variables=[variables.datasource(one.source), variables.values("group", one)],
        annotations=[variables.annotation("Marks", one, colour=panels.RED)],
    )
    rendered: dict[str, Any] = json.loads(render(board))
    return rendered


def test_there_is_a_dashboard_of_each_subject_and_one_of_each_journey(documents: dict[str, Any]) -> None:
    assert {path: (document["uid"], document["title"]) for path, document in documents.items()} == {
        "grafana/journeys.json": ("maibo-journeys", "Journeys"),
        "grafana/journey-checkout.json": ("maibo-journey-checkout", "Journey: Checkout"),
        "grafana/journey-search.json": ("maibo-journey-search", "Journey: Search, or: 'find' $5 \\ things"),
        "grafana/scaling.json": ("maibo-scaling", "Scale-up latency"),
        "grafana/pulse.json": ("maibo-pulse", "Business pulse"),
        "grafana/itself.json": ("maibo-itself", "maibo itself"),
    }


def test_no_two_dashboards_share_a_title_or_a_uid(catalogue: Catalogue) -> None:
    """Grafana brings in neither of two that do, where they are provisioned into one folder."""
    twin = replace(catalogue.journeys["checkout"], name="checkout-app")
    both = replace(catalogue, journeys={**catalogue.journeys, twin.name: twin})
    files = [*generate(both), *generate(both, datasource="prometheus")]
    documents = [json.loads(file.text) for file in files]
    assert len({document["uid"] for document in documents}) == len(documents) == 14
    titles = {document["title"] for document in documents}
    assert len(titles) == len(documents)
    assert {"Journey: Checkout, checkout-app", "Journey: Checkout, checkout (Prometheus)", "Journeys"} <= titles


def test_the_same_documents_give_the_same_bytes_whatever_their_order(catalogue: Catalogue) -> None:
    backwards = replace(
        catalogue,
        journeys=dict(reversed(catalogue.journeys.items())),
        slos=dict(reversed(catalogue.slos.items())),
    )
    assert list(generate(catalogue)) == list(generate(backwards))


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="Grafana's JSON schemas are not here")
def test_grafanas_own_schema_accepts_the_dashboards(both: list[dict[str, Any]]) -> None:
    schema = json.loads((SCHEMAS / "dashboard.jsonschema.json").read_text())
    # Generated from Go, where `any` became "an object": an override's value may be anything.
    schema["definitions"]["DynamicConfigValue"]["properties"]["value"] = {}
    schema["definitions"]["MatcherConfig"]["properties"]["options"] = {}
    for document in [*both, every_kind(SQL), every_kind(PROMQL)]:
        errors = list(jsonschema.Draft7Validator(schema).iter_errors(document))
        assert [(list(error.path), error.message[:300]) for error in errors] == []


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="Grafana's JSON schemas are not here")
def test_grafanas_own_schemas_accept_the_panels(both: list[dict[str, Any]]) -> None:
    for document in [*both, every_kind(SQL), every_kind(PROMQL)]:
        for panel in document["panels"]:
            if panel["type"] == "row":  # part of the dashboard's own schema
                continue
            name = panel["type"].replace("-", "")
            schema = json.loads((SCHEMAS / f"{name}.jsonschema.json").read_text())
            definitions = schema["definitions"]
            if "TableCellOptions" in definitions:  # its choices overlap, so that exactly one never fits
                definitions["TableCellOptions"] = {"anyOf": definitions["TableCellOptions"]["oneOf"]}
            parts = {"Options": panel["options"]}
            if "FieldConfig" in definitions and "custom" in panel["fieldConfig"]["defaults"]:
                parts["FieldConfig"] = panel["fieldConfig"]["defaults"]["custom"]
            for part, value in parts.items():
                errors = list(jsonschema.Draft7Validator(schema | {"$ref": f"#/definitions/{part}"}).iter_errors(value))
                assert [(panel["title"], list(error.path), error.message[:300]) for error in errors] == []


@pytest.mark.filterwarnings("ignore:Prefer using dashboardv2:DeprecationWarning")
def test_grafanas_models_lose_nothing_of_the_dashboards(both: list[dict[str, Any]]) -> None:
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard  # warns as it is imported

    register_default_plugins()
    for document in [*both, every_kind(SQL), every_kind(PROMQL)]:
        back = json.loads(json.dumps(Dashboard.from_json(document), cls=JSONEncoder))
        assert list(lost(document, back)) == []


def lost(told: Any, kept: Any, at: str = "") -> Iterator[str]:
    """What of `told` is not in `kept`, which may have more."""
    if isinstance(told, dict) and isinstance(kept, dict):
        for key, value in told.items():
            yield from lost(value, kept[key], f"{at}/{key}") if key in kept else [f"{at}/{key}"]
    elif isinstance(told, list) and isinstance(kept, list) and len(told) == len(kept):
        for index, (one, other) in enumerate(zip(told, kept, strict=True)):
            yield from lost(one, other, f"{at}/{index}")
    elif told != kept:
        yield f"{at}: {told!r}, not {kept!r}"


def test_nothing_that_grafana_dropped_is_left(documents: dict[str, Any]) -> None:
    def keys(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from value
        for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from keys(child)

    for document in documents.values():
        assert document["schemaVersion"] == 42
        assert not {"rows", "style", "span", "gnetId", "__inputs", "expr", "useTags"} & set(keys(document))
        drawn = [panel["options"] for panel in document["panels"] if panel["type"] in {"timeseries", "barchart"}]
        legends = [options["legend"] for options in drawn]
        assert legends
        assert all(legend["showLegend"] for legend in legends)
        asking = [panel for panel in document["panels"] if "targets" in panel]
        scales = [panel["fieldConfig"]["defaults"]["thresholds"]["steps"] for panel in asking]
        assert all(scale[0]["value"] is None for scale in scales), "Grafana wants the first step's null spelled out"


def test_every_board_is_there_for_prometheus_too_under_an_address_of_its_own(catalogue: Catalogue) -> None:
    made = {
        source: {name: json.loads(render(board)) for name, board in boards.every(catalogue, source)}
        for source in SOURCES
    }
    stored, told = made["clickhouse"], made["prometheus"]
    assert stored.keys() == told.keys()
    for name, document in told.items():
        assert document["uid"] == f"{stored[name]['uid']}-prom"
        assert document["title"] == f"{stored[name]['title']} (Prometheus)"
        kinds = {each["datasource"]["type"] for panel in document["panels"] for each in panel.get("targets", ())}
        assert kinds == {"prometheus"}


def looks_of(document: dict[str, Any], title: str) -> dict[str, dict[str, Any]]:
    """Of a table's columns, by name."""
    (table,) = (panel for panel in document["panels"] if panel["title"] == title)
    return {
        each["matcher"]["options"]: {one["id"]: one["value"] for one in each["properties"]}
        for each in table["fieldConfig"]["overrides"]
    }


@pytest.mark.parametrize("board", ["journeys", "journey-checkout"])
def test_tables_of_both_sources_are_as_wide(catalogue: Catalogue, board: str) -> None:
    stored, told = (json.loads(render(dict(boards.every(catalogue, source))[board])) for source in SOURCES)
    for title in {panel["title"] for panel in told["panels"] if panel["type"] == "table"}:
        looks, others = looks_of(stored, title), looks_of(told, title)
        shared = looks.keys() & others.keys()
        assert len(shared) > 6
        assert {name: looks[name].get("custom.width") for name in shared} == {
            name: others[name].get("custom.width") for name in shared
        }
        assert [name for name in others if "custom.width" not in others[name]] in ([], ["Group"])


@pytest.mark.parametrize("source", SOURCES)
def test_a_journeys_dashboard_has_no_link_to_itself(catalogue: Catalogue, source: Source) -> None:
    made = {name: json.loads(render(board)) for name, board in boards.every(catalogue, source)}
    own = made["journey-checkout"]
    assert looks_of(own, "Error budgets")["Details"]["custom.hidden"]
    assert own["uid"] not in json.dumps(own["panels"])
    assert own["uid"] in json.dumps(made["journeys"]["panels"])


def test_the_threshold_is_drawn_into_the_latency(documents: dict[str, Any]) -> None:
    def scale(path: str) -> list[object]:
        (panel,) = (panel for panel in documents[path]["panels"] if panel["title"] == "Latency")
        return [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]

    assert scale("grafana/journey-checkout.json") == [None, 500_000]
    assert scale("grafana/journey-search.json") == [None]


def test_a_journey_without_slos_has_no_budget_panels(documents: dict[str, Any]) -> None:
    titles = {path: {panel["title"] for panel in document["panels"]} for path, document in documents.items()}
    assert "Error budget: $objective" in titles["grafana/journey-checkout.json"]
    assert "Error budget: $objective" not in titles["grafana/journey-search.json"]


def test_without_documents_there_is_still_the_fleet() -> None:
    fleet, *others = generate(Catalogue())
    assert [panel["title"] for panel in json.loads(fleet.text)["panels"]] == [
        "Journeys",
        "Rate",
        "P99",
        "Failure share",
    ]
    assert [each.path for each in others] == ["grafana/scaling.json", "grafana/pulse.json", "grafana/itself.json"]


def test_uids_fit_and_stay_apart() -> None:
    assert journey_uid("checkout") == "maibo-journey-checkout"
    assert journey_uid("checkout", "prometheus") == "maibo-journey-checkout-prom"
    sources: tuple[Source, ...] = ("clickhouse", "prometheus")
    long = [journey_uid("a" * 62 + end, source) for end in "bc" for source in sources]
    assert len(set(long)) == 4
    assert all(len(uid) <= 40 for uid in long)


def test_listing_plugins_does_not_load_grafanalib() -> None:
    assert [generator.name for generator in plugin().generators] == ["dashboards", "grafana-provisioning"]
    script = "import sys; from maibo_dashboards.plugin import plugin; plugin(); print('grafanalib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
