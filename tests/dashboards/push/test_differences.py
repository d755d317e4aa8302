"""What is told of a change."""

from __future__ import annotations

from tests.dashboards.push.contract import dashboard, panel

from maibo_dashboards.outputs.differences import differences


def test_a_query_is_told_line_by_line() -> None:
    before, after = "SELECT\n  a\nFROM t\nWHERE x", "SELECT\n  b\nFROM t\nWHERE x"
    told = differences(dashboard(panel("Rate", sql=before)), dashboard(panel("Rate", sql=after)))
    assert told == (
        '~ panel "Rate"',
        "    targets[0].rawSql:",
        "       SELECT",
        "      -  a",
        "      +  b",
        "       FROM t",
    )


def test_a_panel_that_comes_does_not_make_the_others_look_changed() -> None:
    told = differences(dashboard(panel("P99")), dashboard(panel("Rate"), panel("P99")))
    assert told == ('+ panel "Rate"',)


def test_panels_of_one_name_are_told_apart() -> None:
    told = differences(dashboard(panel("A"), panel("A")), dashboard(panel("A"), panel("A", sql="SELECT 2")))
    assert told == ('~ panel "A" (2)', '    targets[0].rawSql: "SELECT 1" -> "SELECT 2"')


def test_variables_annotations_and_settings_are_told() -> None:
    before = dashboard(templating={"list": [{"name": "tier"}]}, annotations={"list": []}, refresh="1m")
    after = dashboard(templating={"list": []}, annotations={"list": [{"name": "Alerts"}]}, refresh="30s", tags=["x"])
    assert differences(before, after) == (
        'refresh: "1m" -> "30s"',
        'tags: nothing -> ["x"]',
        '- variable "tier"',
        '+ annotation "Alerts"',
    )


def test_panels_in_another_order_are_a_change() -> None:
    one, other = panel("A", gridPos={"x": 0}), panel("B", gridPos={"x": 12})
    assert differences(dashboard(one, other), dashboard(other, one)) == ("other places or numbers of panels",)


def test_what_a_terminal_would_obey_is_not_told() -> None:
    told = differences(dashboard(panel("\x1b[2JA\u202e"), **{"\x1b[2J": "\x1b[2J"}), dashboard())
    assert len(told) == 2
    assert all(line.isprintable() for line in told)
