"""What comes out, read by maibo, by YAML 1.2 and by Prometheus."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_slo.documents.fields import Text
from maibo_slo.documents.problems import DocumentsError, Position, Report
from maibo_slo.documents.yaml import Map, Node, Scalar, parse
from maibo_slo.importing import TOOLS, Imported, read
from maibo_slo.importing.findings import Findings
from maibo_slo.importing.slos import ImportedSlo, Ratio, label, named
from maibo_slo.importing.writing import by_service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from maibo_slo.documents import PromSlo

GIVEN = {
    "sloth": ("sloth.yml", "sloth-resource.yaml"),
    "pyrra": ("pyrra.yaml",),
    "slo-generator": ("slo-generator.yaml", "slo-generator-config.yaml"),
}
HERE = Position("slo.yaml", 1, 1)


@pytest.mark.parametrize("tool", TOOLS)
def test_maibo_reads_every_slo_that_was_counted(
    files: Path, loaded: Callable[[Imported], Mapping[str, PromSlo]], tool: str
) -> None:
    result = read(tool, GIVEN[tool])
    slos = loaded(result)
    assert len(slos) == result.slos
    assert {slo.service for slo in slos.values()} == set(result.files)


def test_maibo_reads_targets_windows_and_labels_as_they_were(
    files: Path, loaded: Callable[[Imported], Mapping[str, PromSlo]]
) -> None:
    slo = loaded(read("sloth", ["sloth.yml"]))["requests-availability"]
    assert [objective.target for objective in slo.objectives] == [0.999]
    assert slo.window_seconds == 30 * 86_400
    assert slo.labels == {"owner": ("payments",), "tier": ("2",), "category": ("availability",)}
    assert slo.total.over("1h") == 'sum(rate(http_request_duration_seconds_count{job="shop"}[1h]))'


@pytest.mark.parametrize("tool", TOOLS)
def test_prometheus_takes_every_query(
    files: Path, loaded: Callable[[Imported], Mapping[str, PromSlo]], prometheus: Callable[..., str], tool: str
) -> None:
    slos = loaded(read(tool, GIVEN[tool])).values()
    queries = [part.over("5m") for slo in slos for part in (slo.good, slo.bad, slo.total) if part is not None]
    rules = [{"record": f"imported:query{number}", "expr": query} for number, query in enumerate(queries)]
    printed = prometheus("check", "rules", content={"groups": [{"name": "imported", "rules": rules}]})
    assert f"{2 * len(slos)} rules found" in printed


def test_events_are_counted_where_one_side_has_no_series_yet(
    imported: Callable[..., Imported],
    loaded: Callable[[Imported], Mapping[str, PromSlo]],
    prometheus: Callable[..., str],
) -> None:
    """Of good and bad filters, all is the sum: 5 good a minute and no bad series are 25 events in 5 minutes."""
    slo = (
        "apiVersion: sre.google.com/v2\nkind: ServiceLevelObjective\nmetadata: {name: api}\nspec:\n  backend: prometheus\n"
        "  method: good_bad_ratio\n  goal: 0.99\n  service_level_indicator: {filter_good: good_total, filter_bad: bad_total}\n"
    )
    total = loaded(imported("slo-generator", slo, window="28d"))["api"].total.over("5m")

    def expect(series: list[tuple[str, str]], value: int | None) -> dict[str, object]:
        samples = [] if value is None else [{"labels": "{}", "value": value}]
        return {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series],
            "promql_expr_test": [{"expr": total, "eval_time": "10m", "exp_samples": samples}],
        }

    good, bad = ("good_total", "0+5x20"), ("bad_total", "0+1x20")
    tests = [expect([good, bad], 30), expect([good], 25), expect([bad], 5), expect([], None)]
    assert "SUCCESS" in prometheus("test", "rules", content={"tests": tests})


def test_a_gauge_counts_its_samples(
    files: Path, loaded: Callable[[Imported], Mapping[str, PromSlo]], prometheus: Callable[..., str]
) -> None:
    slo = loaded(read("pyrra", ["pyrra.yaml"]))["probe-success"]
    assert slo.good is not None
    test = {
        "interval": "1m",
        "input_series": [{"series": 'probe_success{target="a"}', "values": "1 1 0 1 1 1 1 1 1 0"}],
        "promql_expr_test": [
            {"expr": slo.good.over("9m"), "eval_time": "9m30s", "exp_samples": [{"labels": "{}", "value": 7}]},
            {"expr": slo.total.over("9m"), "eval_time": "9m30s", "exp_samples": [{"labels": "{}", "value": 9}]},
        ],
    }
    assert "SUCCESS" in prometheus("test", "rules", content={"tests": [test]})


def _slo(name: str, *, text: str = "", query: str = "q[{{.window}}]", target: str = "99.9") -> ImportedSlo:
    return ImportedSlo(
        name=Text(name, HERE, "name"),
        service=Text("shop", HERE, "service"),
        ratio=Ratio(bad=query, total=query),
        target=Decimal(target),
        window="30d",
        description=text,
        labels={"label": text},
        annotations={"annotation": text},
    )


def _documents(text: str) -> list[Node]:
    report = Report()
    nodes = parse(text.encode(), file="out.yaml", report=report)
    assert not report.problems()
    return nodes


def _at(node: Node, *path: str) -> str | Decimal | bool | None:
    for key in path:
        assert isinstance(node, Map)
        node = node.values[key]
    assert isinstance(node, Scalar)
    return node.value


texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    st.sampled_from(
        [
            "1e3",
            "0o17",
            "0x1F",
            "on",
            "null",
            "~",
            "2022-01-01",
            "12:30:00",
            "- a",
            "a: b",
            "#",
            "'",
            '"',
            " x",
            "x\n",
            "\n\n",
        ]
    ),
)


@given(texts, texts)
def test_every_text_is_read_back_as_it_was_by_yaml_1_2(text: str, query: str) -> None:
    (written,) = by_service(named([_slo("api", text=text, query=query or "q")], Findings())).values()
    _, slo = _documents(written)
    assert _at(slo, "metadata", "labels", "label") == text
    assert _at(slo, "metadata", "annotations", "annotation") == text
    if text:
        assert _at(slo, "spec", "description") == text
    total = ("spec", "indicator", "spec", "ratioMetric", "total", "metricSource", "spec", "query")
    assert _at(slo, *total) == (query or "q").strip()


@given(st.lists(texts, min_size=1, max_size=8))
def test_names_are_labels_that_no_two_slos_share(names: list[str]) -> None:
    findings = Findings()
    found = [one.name for one in named([_slo(name) for name in names], findings)]
    assert len(set(found)) == len(names)
    assert all(label(name) == name and len(name) <= 63 for name in found)
    assert findings.lost == []


def test_more_than_a_thousand_things_are_told_and_no_reason_to_fail(tmp_path: Path) -> None:
    slo = "- {name: a, objective: 99, sli: {events: {error_query: '{{.window}}', total_query: '{{.window}}'}}, a: x, b: x, c: x}\n"
    path = tmp_path / "slo.yaml"
    path.write_text("version: prometheus/v1\nservice: shop\nslos:\n" + slo * 350)
    result = read("sloth", [str(path)])
    assert (result.slos, result.lost) == (350, 1050)
    assert "name: shop-a-349\n" in result.files["shop"]


def test_a_name_cannot_end_the_comment_that_tells_it() -> None:
    (text,) = by_service(named([_slo("api\nkind: Hostile\x1b[2J")], Findings())).values()
    assert "# from slo.yaml, api\ufffdkind: Hostile\ufffd[2J\n" in text


@given(st.sampled_from(sorted(TOOLS)), st.data())
def test_whatever_is_given_is_read_or_refused_with_its_place(
    tmp_path_factory: pytest.TempPathFactory, tool: str, data: st.DataObject
) -> None:
    """A file of the right kind, one part of it replaced by something else: nothing but DocumentsError comes of it."""
    lines = (Path(__file__).parent / "files" / GIVEN[tool][0]).read_text().splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
    lines[at] = indent + data.draw(
        st.sampled_from(["", "x", "x: y", "- x", "slos: []", "name: [a]", "sli: 1", "target: {}", "goal: []", "spec: ~", "metric: {}",
                         "labels: [x]", "alerting: x", "page_alert: x", "grouping: x", "total: x", "ratio: []", "kind: {}",
                         "method: []", "operators: x", "service_level_indicator: x", "objective: -1", "- - -", "? x", "{", '"'])
    )  # fmt: skip
    path = tmp_path_factory.mktemp("hostile") / "slo.yaml"
    path.write_text("\n".join(lines))
    try:
        outcome: Imported | DocumentsError = read(tool, [str(path)])
    except DocumentsError as error:
        outcome = error
    if isinstance(outcome, DocumentsError):
        assert {(one.file, one.line > 0) for one in outcome.problems} == {(str(path), True)}
    else:
        assert all(_documents(text) for text in outcome.files.values())
