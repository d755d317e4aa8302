"""The preview asks what the dashboards ask, each target of each, and its packages come from wherever npm is told to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dashboards.preview import frames

from maibo_dashboards.boards import every
from maibo_dashboards.render import render

if TYPE_CHECKING:
    from maibo_slo.store import Store

PREVIEW = Path(frames.__file__).parent
ASKED = ("journeys", "journey-checkout", "scaling", "pulse", "itself")


@pytest.fixture(scope="module")
def boards(shop_made: Any) -> dict[str, Any]:
    found = {name: json.loads(render(board)) for name, board in every(shop_made.catalogue)}
    return {name: found[name] for name in ASKED}


@pytest.mark.parametrize("name", ASKED)
def test_every_target_has_a_frame(boards: Any, measured: Store, shop_made: Any, name: str) -> None:
    view = frames.opened(measured, boards[name], end=shop_made.end, reach="now-30m")
    told = frames.told(measured, view)
    for panel in frames.panels(boards[name]):
        found = told["frames"][str(panel["id"])]
        assert [frame["refId"] for frame in found] == [target["refId"] for target in panel["targets"]], panel["title"]
        for frame in found:
            assert len({len(field["values"]) for field in frame["fields"]}) <= 1, panel["title"]
            assert {field["type"] for field in frame["fields"]} <= {"time", "number", "string"}
        if name.startswith("journey"):  # of which the shop has data
            assert any(frame["fields"] for frame in found), panel["title"]
    json.dumps(told, allow_nan=False)


def test_series_are_made_of_rows_as_the_data_source_makes_them(measured: Store) -> None:
    sql = """
        SELECT toDateTime(c1) AS time, c2 AS name, c3 AS Value
        FROM values((60, 'b', 1), (60, 'a', 2), (120, 'b', 3)) ORDER BY time, name"""
    wide = frames.frame(measured, sql, {"refId": "A", "format": 0})["fields"]
    assert wide[0] == {"name": "time", "type": "time", "values": [60_000, 120_000]}
    assert [(field["labels"], field["values"]) for field in wide[1:]] == [
        ({"name": "a"}, [2.0, None]),
        ({"name": "b"}, [1.0, 3.0]),
    ]
    table = frames.frame(measured, sql, {"refId": "A", "format": 1})["fields"]
    assert [(field["name"], field["type"]) for field in table] == [
        ("time", "time"),
        ("name", "string"),
        ("Value", "number"),
    ]


def test_a_panel_is_asked_about_as_finely_as_grafana_would(boards: Any) -> None:
    view = frames.View(boards["journeys"], 0, 6 * 3600, {"resolution": "10s"})
    half = {"gridPos": {"w": 12}, "interval": "$resolution"}
    assert view.looked(half).interval == 30, "six hours on 800 pixels"
    assert view.looked({**half, "interval": "1m"}).interval == 60
    assert frames.View(boards["pulse"], 0, 30 * 86_400).looked({**half, "interval": "1d"}).interval == 86_400


def test_what_is_locked_names_no_host_of_a_registry_and_each_package_its_digest() -> None:
    lock = json.loads((PREVIEW / "package-lock.json").read_text())["packages"]
    manifest = json.loads((PREVIEW / "package.json").read_text())
    assert lock[""]["dependencies"] == manifest["dependencies"]
    for name, package in lock.items():
        if name:
            assert "resolved" not in package, name
            assert package["integrity"].startswith("sha512-"), name
    for version in (manifest["dependencies"] | manifest["devDependencies"]).values():
        assert version[0].isdigit(), "not pinned"
