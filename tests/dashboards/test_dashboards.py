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

from maibo_dashboards import panels
from maibo_dashboards.errors import DashboardError
from maibo_dashboards.naming import journey_uid
from maibo_dashboards.plugin import generate, plugin
from maibo_dashboards.render import render
from maibo_slo.documents import Catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from maibo_slo.store import Store

SCHEMAS = Path(__file__).parents[3] / "shared" / "schemas" / "grafana"


@pytest.fixture
def documents(catalogue: Catalogue) -> dict[str, Any]:
    return {artefact.path: json.loads(artefact.text) for artefact in generate(catalogue)}


def queries_of(document: dict[str, Any]) -> Iterator[str]:
    for panel in document["panels"]:
        yield from (target["rawSql"] for target in panel["targets"])
    yield from (annotation["target"]["rawSql"] for annotation in document["annotations"]["list"])
    yield from (variable["query"] for variable in document["templating"]["list"] if variable["type"] == "query")


def test_there_is_one_dashboard_of_all_journeys_and_one_of_each(documents: dict[str, Any]) -> None:
    assert {path: (document["uid"], document["title"]) for path, document in documents.items()} == {
        "grafana/journeys.json": ("maibo-journeys", "Journeys"),
        "grafana/journey-checkout.json": ("maibo-journey-checkout", "Journey: Checkout"),
        "grafana/journey-search.json": ("maibo-journey-search", "Journey: Search, or: 'find' $5 \\ things"),
    }


def test_the_same_documents_give_the_same_bytes_whatever_their_order(catalogue: Catalogue) -> None:
    backwards = replace(
        catalogue,
        journeys=dict(reversed(catalogue.journeys.items())),
        slos=dict(reversed(catalogue.slos.items())),
    )
    assert list(generate(catalogue)) == list(generate(backwards))


def test_every_query_in_the_files_runs_on_the_engine(
    documents: dict[str, Any], store: Store, grafana: Callable
) -> None:
    looked = grafana(1_767_225_600, 1_767_229_200, chosen={"environment": ["prod"], "region": ["eu", "us"]})
    asked = [sql for document in documents.values() for sql in queries_of(document)]
    assert len(asked) > 30
    for sql in asked:
        store.rows(looked.expand(sql))


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="Grafana's JSON schemas are not here")
def test_grafanas_own_schema_accepts_the_dashboards(documents: dict[str, Any]) -> None:
    schema = json.loads((SCHEMAS / "dashboard.jsonschema.json").read_text())
    # Generated from Go, where `any` became "an object": an override's value may be anything.
    schema["definitions"]["DynamicConfigValue"]["properties"]["value"] = {}
    schema["definitions"]["MatcherConfig"]["properties"]["options"] = {}
    for document in documents.values():
        errors = list(jsonschema.Draft7Validator(schema).iter_errors(document))
        assert [(list(error.path), error.message[:300]) for error in errors] == []


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="Grafana's JSON schemas are not here")
def test_grafanas_own_schemas_accept_the_panels(documents: dict[str, Any]) -> None:
    for document in documents.values():
        for panel in document["panels"]:
            schema = json.loads((SCHEMAS / f"{panel['type']}.jsonschema.json").read_text())
            definitions = schema["definitions"]
            if "TableCellOptions" in definitions:  # its choices overlap, so that exactly one never fits
                definitions["TableCellOptions"] = {"anyOf": definitions["TableCellOptions"]["oneOf"]}
            parts = {"Options": panel["options"]}
            if "FieldConfig" in definitions:
                parts["FieldConfig"] = panel["fieldConfig"]["defaults"]["custom"]
            for part, value in parts.items():
                errors = list(jsonschema.Draft7Validator(schema | {"$ref": f"#/definitions/{part}"}).iter_errors(value))
                assert [(panel["title"], list(error.path), error.message[:300]) for error in errors] == []


def test_nothing_that_grafana_dropped_is_left(documents: dict[str, Any]) -> None:
    def keys(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from value
        for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from keys(child)

    for document in documents.values():
        assert document["schemaVersion"] == 42
        assert not {"rows", "style", "span", "gnetId", "__inputs", "expr", "useTags"} & set(keys(document))
        legends = [panel["options"]["legend"] for panel in document["panels"] if "legend" in panel["options"]]
        assert legends
        assert all(legend["showLegend"] for legend in legends)
        scales = [panel["fieldConfig"]["defaults"]["thresholds"]["steps"] for panel in document["panels"]]
        assert all(scale[0]["value"] is None for scale in scales), "Grafana wants the first step's null spelled out"


def test_the_threshold_is_drawn_into_the_latency(documents: dict[str, Any]) -> None:
    def scale(path: str) -> list[object]:
        (panel,) = (panel for panel in documents[path]["panels"] if panel["title"] == "Latency")
        return [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]

    assert scale("grafana/journey-checkout.json") == [None, 500_000]
    assert scale("grafana/journey-search.json") == [None]


def test_a_journey_without_slos_has_no_budget_panels(documents: dict[str, Any]) -> None:
    titles = {path: {panel["title"] for panel in document["panels"]} for path, document in documents.items()}
    assert "Budget left, observed" in titles["grafana/journey-checkout.json"]
    assert "Budget left, observed" not in titles["grafana/journey-search.json"]


def test_without_documents_there_is_still_the_fleet() -> None:
    (artefact,) = generate(Catalogue())
    assert [panel["title"] for panel in json.loads(artefact.text)["panels"]] == ["Journeys", "Rate", "P99"]


def test_uids_fit_and_stay_apart() -> None:
    assert journey_uid("checkout") == "maibo-journey-checkout"
    long = [journey_uid("a" * 62 + end) for end in "bc"]
    assert len(set(long)) == 2
    assert all(len(uid) <= 40 for uid in long)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda panel: setattr(panel, "description", ""), "lacks a title or a description"),
        (lambda panel: setattr(panel, "dataSource", {"type": "x", "uid": "abc"}), "names a data source"),
        (lambda panel: setattr(panel, "unit", ""), "has no unit"),
        (lambda panel: setattr(panel, "targets", [panels.Query("SELECT $other")]), "not declared: other"),
        (lambda panel: setattr(panel, "interval", None), "not used: resolution"),
    ],
)
def test_a_dashboard_that_breaks_a_rule_is_not_rendered(spoil: Callable, said: str) -> None:
    panel = panels.lines("Rate", "How many.", ["SELECT 1"], unit=panels.PER_SECOND)
    spoil(panel)
    dashboard = panels.dashboard(
        title="Broken",
        uid="broken",
        description="",
        rows=[[(24, 8, panel)]],
        variables=[panels.datasource_variable(), panels.resolution_variable({"1m": "1 min"}, default="1m")],
    )
    with pytest.raises(DashboardError, match=said):
        render(dashboard)


def test_a_row_wider_than_the_grid_is_not_rendered() -> None:
    row = [(12, 4, panels.lines("Rate", "How many.", ["SELECT 1"], unit=panels.PER_SECOND)) for _ in range(3)]
    variables = [panels.datasource_variable(), panels.resolution_variable({"1m": "1 min"}, default="1m")]
    wide = panels.dashboard(title="Wide", uid="wide", description="", rows=[row], variables=variables)
    with pytest.raises(DashboardError, match="beyond 24 columns"):
        render(wide)


def test_listing_plugins_does_not_load_grafanalib() -> None:
    assert [generator.name for generator in plugin().generators] == ["dashboards"]
    script = "import sys; from maibo_dashboards.plugin import plugin; plugin(); print('grafanalib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
